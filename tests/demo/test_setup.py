"""The set-up script on machines that lack something: it says what, and how to get it."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ("sh", "cat", "cut", "date", "dirname", "head", "ls", "mkdir", "rm", "sha256sum", "sort", "tail")


def bare_machine(folder: Path, **programs: str) -> subprocess.CompletedProcess[str]:
    """Run the script where there is nothing but a shell's usual tools and `programs` (name → shell script)."""
    bin_ = folder / "bin"
    bin_.mkdir()
    for tool in TOOLS:
        (bin_ / tool).symlink_to(shutil.which(tool) or pytest.fail(f"{tool} is not on PATH"))
    for name, body in programs.items():
        (bin_ / name).write_text(f"#!/bin/sh\n{body}\n")
        (bin_ / name).chmod(0o755)
    (folder / "scripts").mkdir()
    shutil.copy(ROOT / "scripts" / "setup", folder / "scripts")
    environment = {"PATH": str(bin_), "HOME": str(folder), "LC_ALL": "C"}
    return subprocess.run(
        [folder / "scripts" / "setup"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_everything_that_is_missing_is_named_at_once(tmp_path: Path) -> None:
    done = bare_machine(tmp_path, python3="exit 1")
    assert done.returncode == 1
    for said in ("uv >= ", "python3-venv", "Node.js >= 20 (found: none)", "npm", "git: `apt install git`"):
        assert said in done.stderr


def test_an_old_node_is_named_with_its_version(tmp_path: Path) -> None:
    done = bare_machine(
        tmp_path,
        python3="exit 1",
        node='[ "$1" = --version ] && echo v18.19.0 && exit; exit 1',
        npm="exit 0",
        git="exit 0",
    )
    assert "Node.js >= 20 (found: v18.19.0)" in done.stderr
    assert "git" not in done.stderr.replace("github", "")


def test_a_python_that_uv_cannot_fetch_is_named(tmp_path: Path) -> None:
    uv = 'case "$1" in --version) echo "uv 0.9.0";; *) exit 2;; esac'
    done = bare_machine(tmp_path, python3="exit 1", uv=uv, node="exit 0", npm="exit 0", git="exit 0")
    assert done.returncode == 1
    assert "Python 3.13, and uv could not fetch it" in done.stderr
    assert "pyenv install 3.13" in done.stderr
    assert "Node" not in done.stderr


def test_an_old_uv_is_not_used(tmp_path: Path) -> None:
    done = bare_machine(
        tmp_path, python3="exit 1", uv='echo "uv 0.4.1"', node="exit 0", npm="exit 0", git="exit 0"
    )
    assert "uv (>= 0.8.0) is not on PATH" in done.stdout
    assert "uv >= 0.8.0, and pip could not install it" in done.stderr


def test_the_script_is_posix() -> None:
    shell = shutil.which("dash")
    if shell is None:
        pytest.skip("dash is not installed")
    for script in ("scripts/setup", "scripts/component-tests", "scripts/spark-tests", ".ci/run"):
        assert subprocess.run([shell, "-n", ROOT / script], check=False).returncode == 0
    assert os.access(ROOT / "scripts" / "setup", os.X_OK)
