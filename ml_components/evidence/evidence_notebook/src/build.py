"""The evidence of a release set: a notebook, executed here and rendered to one HTML file that needs no network."""

import argparse
import os
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# A job finds shared/ beside this file; in the repository it lies three folders up.
sys.path.extend(map(str, Path(__file__).resolve().parents[3:4]))

import nbformat
from document import read_release
from notebook import execute, notebook, render
from shared.errors import LOG, run_command
from shared.storage import resolve


def main() -> None:
    """Command line: build, execute, render."""
    arguments = _arguments()
    release = Path(arguments.release).resolve()
    document = read_release(release)
    executed = execute(notebook(document, release, resolve(arguments.workspace_data)))
    nbformat.write(executed, arguments.notebook)
    Path(arguments.page).write_text(render(document, executed), encoding="utf-8")
    size = Path(arguments.page).stat().st_size / 2**20
    LOG.info("%s: %d circuits, %.1f MiB", document.release_id, len(document.circuits), size)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog="Exit 2: the inputs cannot be used, and the message says what to change."
    )
    parser.add_argument(
        "--release", required=True, metavar="JSON", help="the release set, as Busbar writes it"
    )
    parser.add_argument(
        "--workspace_data", required=True, metavar="URI", help="where the jobs' outputs and the MLTables lie"
    )
    parser.add_argument("--notebook", required=True, metavar="IPYNB", help="output: the executed notebook")
    parser.add_argument("--page", required=True, metavar="HTML", help="output: the same as one HTML file")
    return parser.parse_args()


if __name__ == "__main__":
    run_command(main)
