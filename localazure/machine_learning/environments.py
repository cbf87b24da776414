"""Virtual environments from conda files, built by uv, cached by content.

`python -m localazure.machine_learning.environments build conda.yaml --cache DIR` prints the environment's path.
"""

import argparse
import fcntl
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any

from localazure.machine_learning.conda import EnvironmentFailed, read_conda

CACHE_VARIABLE = "LOCALAZURE_ENVIRONMENT_CACHE"
_READY = "localazure-ready.json"


@dataclass(frozen=True)
class Requirements:
    """What an environment asks for: Python's minor version ("3.13") and lines for pip.

    `notes` tell the reader of a job's log what is not as on Azure.
    """

    python: str
    pip: tuple[str, ...]
    notes: tuple[str, ...] = field(default=(), compare=False)

    @property
    def key(self) -> str:
        """The same for the same content, whatever its order; another for another platform."""
        content = [self.python, sorted(self.pip), platform.system(), platform.machine()]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]


def requirements_of(properties: Mapping[str, Any]) -> Requirements:
    """What the `properties` of an environment version ask for. Raises `EnvironmentFailed`."""
    if properties.get("build"):
        raise EnvironmentFailed(
            "The environment has a Docker build context, which cannot be built here: give it a conda file."
        )
    image = properties.get("image")
    asked = parse_conda(properties.get("condaFile"))
    about = f"The image {image} is not run: the command runs on this machine"
    plain = "." if properties.get("condaFile") else f", in a plain Python {asked.python} without packages."
    return replace(asked, notes=(f"{about}{plain}" if image else "", *asked.notes))


def parse_conda(text: str | None) -> Requirements:
    """What a conda file asks for; nothing is a plain Python. Raises `EnvironmentFailed`."""
    default = f"{sys.version_info.major}.{sys.version_info.minor}"
    return Requirements(*read_conda(text, default)) if text else Requirements(default, ())


def prepare(requirements: Requirements, cache: Path, log: IO[str]) -> Path:
    """The folder of a ready environment, built on the first call; progress goes to `log`.

    Safe from several processes: one builds, the others wait. Raises `EnvironmentFailed`.
    """
    log.writelines(f"{note}\n" for note in requirements.notes if note)
    log.flush()
    for folder in _caches(cache):
        if (folder / requirements.key / _READY).exists():
            return folder / requirements.key
    target = cache / requirements.key
    cache.mkdir(parents=True, exist_ok=True)
    with _locked(cache / f"{requirements.key}.lock"):
        if not (target / _READY).exists():
            _build(requirements, target, log)
    return target


def _caches(cache: Path) -> list[Path]:
    """A folder of ready environments may be named by the variable; `cache` is where new ones are built."""
    named = os.environ.get(CACHE_VARIABLE)
    return [Path(named).absolute(), cache] if named else [cache]


def _build(requirements: Requirements, target: Path, log: IO[str]) -> None:
    log.write(f"Building the environment {requirements.key} (Python {requirements.python})\n")
    log.flush()
    shutil.rmtree(target, ignore_errors=True)
    python = find_python(requirements.python)
    _uv(["venv", "--python", python, str(target)], log)
    if requirements.pip:
        listed = target / "requirements.txt"
        listed.write_text("\n".join(requirements.pip) + "\n")
        install = ["pip", "install", "--compile-bytecode", "--python", str(target / "bin" / "python")]
        _uv([*install, "-r", str(listed)], log)
    (target / _READY).write_text(
        json.dumps({"python": requirements.python, "pip": sorted(requirements.pip)}, indent=2)
    )


def find_python(version: str) -> str:
    """An interpreter of this minor version on this machine, or `version` itself, for uv to find or download."""
    home = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    installed = sorted(
        home.glob(f"{version}.*/bin/python"), key=lambda path: _numbers(path.parts[-3]), reverse=True
    )
    candidates: list[str | None] = [
        os.environ.get("UV_PYTHON"),
        sys.executable,
        shutil.which(f"python{version}"),
        *map(str, installed),
    ]
    return next((path for path in candidates if path and _is_version(path, version)), version)


def _is_version(python: str, version: str) -> bool:
    if not Path(python).exists():
        return False
    asked = "import sys; print('%d.%d' % sys.version_info[:2])"
    answer = subprocess.run([python, "-c", asked], capture_output=True, text=True, check=False)
    return answer.returncode == 0 and answer.stdout.strip() == version


def _numbers(name: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", name)]


def _uv(arguments: list[str], log: IO[str]) -> None:
    uv = shutil.which("uv")
    if uv is None:
        raise EnvironmentFailed(
            "uv is not installed: see https://docs.astral.sh/uv/getting-started/installation/"
        )
    hidden = ("VIRTUAL_ENV", "UV_PYTHON", "PYTHONPATH")
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    done = subprocess.run(
        [uv, "--no-progress", *arguments], stdout=log, stderr=subprocess.STDOUT, env=environment, check=False
    )
    if done.returncode:
        raise EnvironmentFailed(
            f"`uv {arguments[0]}` failed ({done.returncode}): the environment's packages are wrong?"
        )


@contextmanager
def _locked(path: Path) -> Generator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def main(arguments: list[str] | None = None, say: Callable[[str], None] = print) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    build = parser.add_subparsers(required=True).add_parser("build", help="build (or find) one environment")
    build.add_argument("conda", type=Path)
    build.add_argument("--cache", type=Path, required=True)
    asked = parser.parse_args(arguments)
    try:
        say(str(prepare(parse_conda(asked.conda.read_text()), asked.cache.absolute(), sys.stderr)))
    except EnvironmentFailed as error:
        parser.exit(1, f"{error}\n")


if __name__ == "__main__":
    main()
