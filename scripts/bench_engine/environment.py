"""Environments of what ours is compared with, built by uv on first use: the app's own never holds them."""

import shutil
import subprocess
import sys
from pathlib import Path


def prepare(requirements: Path, python: Path) -> str | None:
    """Install `requirements` where `python` is to be, unless they are there; gives the reason if that failed."""
    folder = python.parents[1]
    stamp = folder / "requirements.txt"  # what is installed
    if stamp.exists() and stamp.read_text() == requirements.read_text():
        return None
    uv = shutil.which("uv")
    if uv is None:
        return "uv is not on PATH"
    make = [uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder)]
    fill = [uv, "pip", "install", "--quiet", "--compile-bytecode", "-p", str(python), "-r", str(requirements)]
    for command in (make, fill):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            return done.stderr.strip()
    stamp.write_text(requirements.read_text())
    return None
