"""The environment of the other engines, built by uv on first use: the app's own never holds them."""

import shutil
import subprocess
import sys
from pathlib import Path

from scripts.bench_engine.contenders import BENCH_PYTHON

REQUIREMENTS = Path(__file__).with_name("requirements.txt")
STAMP = BENCH_PYTHON.parents[1] / "requirements.txt"  # what is installed


def prepare() -> str | None:
    """Build what is missing; gives the reason if that failed."""
    if STAMP.exists() and STAMP.read_text() == REQUIREMENTS.read_text():
        return None
    uv = shutil.which("uv")
    if uv is None:
        return "uv is not on PATH"
    folder = str(BENCH_PYTHON.parents[1])
    for command in (
        [uv, "venv", "--quiet", "--clear", "--python", sys.executable, folder],
        [
            uv,
            "pip",
            "install",
            "--quiet",
            "--compile-bytecode",
            "-p",
            str(BENCH_PYTHON),
            "-r",
            str(REQUIREMENTS),
        ],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            return done.stderr.strip()
    STAMP.write_text(REQUIREMENTS.read_text())
    return None
