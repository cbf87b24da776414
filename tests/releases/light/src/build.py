"""Stands in for evidence_notebook: a page with nothing but the release set's name on it."""

import argparse
import json
from pathlib import Path

parser = argparse.ArgumentParser()
for name in ("release", "notebook", "page"):
    parser.add_argument(f"--{name}", type=Path, required=True)
arguments, _ = parser.parse_known_args()
release = json.loads(arguments.release.read_text())
arguments.page.write_text(f"<h1>{release['release_id']}</h1>")
arguments.notebook.write_text("{}")
