"""requirements.txt is what the lock says of the deployed app: `make requirements` writes it."""

import tomllib
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent


def exported() -> dict[str, str]:
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    found = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return {item.name: str(item.specifier).removeprefix("==") for item in found}


def test_versions_are_the_locks():
    lock = tomllib.loads((ROOT / "uv.lock").read_text())
    locked = {package["name"]: package["version"] for package in lock["package"]}
    assert {name: locked.get(name) for name in exported()} == exported()


def test_every_dependency_of_the_app_is_there_and_no_tool():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = {Requirement(line).name for line in project["project"]["dependencies"]}
    tools = {"pytest", "ruff", "starlette", "uvicorn", "azure-functions-runtime", "tensorflow-cpu", "rich"}
    assert wanted <= exported().keys()
    assert not tools & exported().keys()
