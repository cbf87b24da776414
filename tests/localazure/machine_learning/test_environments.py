import json
import subprocess
from pathlib import Path

import pytest

from localazure.machine_learning import environments
from localazure.machine_learning.environments import (
    EnvironmentFailed,
    Requirements,
    parse_conda,
    prepare,
    requirements_of,
)
from tests.localazure.machine_learning.sdk import PARTS


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("dependencies: [python=3.12]", Requirements("3.12", ())),
        ("dependencies: [python==3.12.4, pip]", Requirements("3.12", ())),
        (
            "dependencies: ['python=3.12.*', {pip: [numpy==2.4, 'x>1']}]",
            Requirements("3.12", ("numpy==2.4", "x>1")),
        ),
        ("dependencies: [pip=25, {pip: }]", Requirements(parse_conda(None).python, ())),
        ("dependencies: [python=3.12, numpy=2.1]", Requirements("3.12", ("numpy==2.1.*",))),
        ("dependencies: [python=3.12, conda-forge::pandas==2.2.3]", Requirements("3.12", ("pandas==2.2.3",))),
        ("dependencies: [python=3.12, 'scipy >=1.10,<2']", Requirements("3.12", ("scipy>=1.10,<2",))),
        (
            "dependencies: [python=3.12=h1234, pytorch=2.5.*=cpu_py312, pyyaml]",
            Requirements("3.12", ("torch==2.5.*", "pyyaml")),
        ),
    ],
)
def test_conda_files_are_read(text: str, expected: Requirements) -> None:
    assert parse_conda(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("dependencies: [numpy=2, cudatoolkit=11.8, gcc_linux-64]", "cudatoolkit=11.8, gcc_linux-64, which"),
        ("dependencies: [numpy=(2)]", r"numpy=\(2\)"),
        ("a: b", "no list `dependencies`"),
        ("[", "no YAML"),
        ("dependencies: [python>=3.9]", "python>=3.9"),
    ],
)
def test_what_cannot_be_built_says_why(text: str, message: str) -> None:
    with pytest.raises(EnvironmentFailed, match=message):
        parse_conda(text)


def test_what_is_not_as_on_azure_is_said() -> None:
    text = "channels: [conda-forge]\ndependencies: [python=3.12, pandas=2]"
    plain, conda = requirements_of({"image": "ubuntu:24.04"}), requirements_of({"condaFile": text})
    assert plain.notes == (
        f"The image ubuntu:24.04 is not run: the command runs on this machine, in a plain Python {plain.python} "
        "without packages.",
    )
    assert "conda-forge are not asked" in conda.notes[1]
    assert "pandas=2 is installed from PyPI as pandas==2.*" in conda.notes[2]
    with pytest.raises(EnvironmentFailed, match="Docker build context"):
        requirements_of({"build": {"contextUri": "x"}})


def test_the_key_depends_on_content_alone() -> None:
    assert Requirements("3.13", ("a", "b")).key == Requirements("3.13", ("b", "a")).key
    assert (
        len({Requirements(*content).key for content in [("3.13", ("a",)), ("3.12", ("a",)), ("3.13", ())]})
        == 3
    )


def test_an_environment_is_built_once_and_then_found(tmp_path: Path) -> None:
    requirements = parse_conda((PARTS / "conda.yaml").read_text())
    with (tmp_path / "log").open("w") as log:
        venv = prepare(requirements, tmp_path, log)
        assert prepare(requirements, tmp_path, log) == venv
    assert (tmp_path / "log").read_text().count("Building") == 1
    asked = [venv / "bin" / "python", "-c", "import sys; print(sys.version_info[:2])"]
    assert subprocess.run(asked, capture_output=True, text=True, check=True).stdout == "(3, 13)\n"


def test_a_ready_environment_elsewhere_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    requirements = Requirements("3.13", ("no-such-package==0",))
    ready = tmp_path / "shared" / requirements.key
    ready.mkdir(parents=True)
    (ready / "localazure-ready.json").write_text("{}")
    monkeypatch.setenv(environments.CACHE_VARIABLE, str(tmp_path / "shared"))
    with (tmp_path / "log").open("w") as log:
        assert prepare(requirements, tmp_path / "cache", log) == ready


def test_a_failed_build_is_not_taken_for_ready(tmp_path: Path) -> None:
    requirements = Requirements("3.13", ("--no-index", "no-such-package==0"))
    with (tmp_path / "log").open("w") as log:
        for _ in range(2):
            with pytest.raises(EnvironmentFailed, match="pip"):
                prepare(requirements, tmp_path, log)
    assert (tmp_path / "log").read_text().count("Building") == 2


def test_the_command_prints_the_path(tmp_path: Path) -> None:
    said: list[str] = []
    environments.main(["build", str(PARTS / "conda.yaml"), "--cache", str(tmp_path)], said.append)
    assert json.loads((Path(said[0]) / "localazure-ready.json").read_text())["python"] == "3.13"
