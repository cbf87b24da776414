"""The notebook itself: its cells, their execution in this environment, and the page made of it."""

import os
import sys
from html import escape
from pathlib import Path
from tempfile import TemporaryDirectory

from document import Release
from nbclient import NotebookClient
from nbconvert import HTMLExporter
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from traitlets.config import Config

CELL_SECONDS = 600
START_SECONDS = 120
STYLE = Path(__file__).with_name("page.css")


def notebook(release: Release, document: Path, data: str) -> NotebookNode:
    """The cells, not yet executed. `document` is the release set's file, `data` the workspace's."""
    setup = f"from evidence import Evidence\n\nevidence = Evidence.of({str(document)!r}, {data!r})"
    cells = [
        new_markdown_cell(f"# Evidence of release {release.release_id}"),
        new_code_cell(setup),
        new_code_cell("evidence.summary()"),
        new_markdown_cell(
            "## Errors\nOn held-out windows. MAE and RMSE are in the sensors' units; error, seasonal-naive and "
            "champion are mean squared errors in standard deviations. Green: the model is better than that."
        ),
        new_code_cell("evidence.metrics()"),
    ]
    for plant in release.plants:
        cells += [new_markdown_cell(f"## {plant}"), new_code_cell(f"evidence.plant({plant!r})")]
    cells += [
        new_code_cell("evidence.undrawn()"),
        new_markdown_cell("## Data"),
        new_code_cell("evidence.coverage()"),
        new_markdown_cell("## Lineage"),
        new_code_cell("evidence.lineage()"),
    ]
    for index, cell in enumerate(cells):
        cell.id = f"cell-{index}"  # the same release gives the same notebook
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return new_notebook(cells=cells, metadata={"kernelspec": kernel})


def execute(built: NotebookNode) -> NotebookNode:
    """The notebook with its outputs, from a kernel of this very environment beside this file."""
    os.environ["PYTHONPATH"] = os.pathsep.join(sys.path)  # the kernel finds what this process finds
    with TemporaryDirectory(
        prefix="kernel-"
    ) as sockets:  # files of our own: nobody on the network can listen
        client = NotebookClient(
            built,
            timeout=CELL_SECONDS,
            startup_timeout=START_SECONDS,
            resources={"metadata": {"path": str(Path(__file__).parent)}},
            config=Config(KernelManager={"transport": "ipc", "ip": f"{sockets}/kernel"}),
        )
        return client.execute()


def render(release: Release, executed: NotebookNode) -> str:
    """One HTML file: no script, no address, styles and images in it."""
    exporter = HTMLExporter(
        template_name="basic", exclude_input=True, exclude_output_prompt=True, exclude_anchor_links=True
    )
    body, _ = exporter.from_notebook_node(executed)
    style = STYLE.read_text(encoding="utf-8")
    title = escape(f"Evidence of release {release.release_id}")
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{title}</title>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<style>\n{style}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )
