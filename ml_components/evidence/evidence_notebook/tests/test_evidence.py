"""The evidence of a release set: what is drawn, what the page says, and that it stands by itself."""

import json
import os
import re
import resource
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from conftest import SmallCircuit
from document import DRAWN, Circuit, Gate, Release, read_release
from evidence import Evidence
from shared.errors import InputError

SCRIPT = Path(__file__).parents[1] / "src" / "build.py"
METRICS = {
    "mae": 1.0, "rmse": 2.0, "accuracy": 0.9, "r2": 0.8, "precision": None, "recall": None,
    "standardised_mse": 0.3, "seasonal_naive_mse": 0.5, "skill_seasonal_naive": 0.4, "champion_mse": 0.32,
}  # fmt: skip
FAR = {"stage": "prod", "gate": "max_mae", "sign": "≤", "measured": 1.0, "limit": 5.0, "passed": True}


def item(number: int = 1, plant: str = "PLANT1", **changes: Any) -> dict[str, Any]:
    return {
        "plant_id": plant,
        "circuit_id": f"CIRC{number}",
        "model_version": "3",
        "job": "train-job",
        "circuit_config": "circuit_configs/circuit.yaml",
        "training_data": "mltable/data",
        "lineage": {"training_hash": "0123456789ab", "delta_version": 3, "environment": "env:1.1.0"},
        "metrics": METRICS,
        "serves": {"test": "2"},
        "gates": [FAR],
        **changes,
    }


def document(*circuits: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {
        "schema_version": 1,
        "release_id": "r-0123456789ab",
        "digest": "0" * 64,
        "commit": "c0ffee" + "0" * 34,
        "run": "train-c0ffee",
        "requester": "data-scientist",
        "circuits": list(circuits),
    } | changes


@pytest.fixture(scope="session")
def workspace(
    small_circuit: SmallCircuit, trained_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """What a workspace's datastore holds after a training job."""
    folder = tmp_path_factory.mktemp("workspace")
    shutil.copytree(trained_model, folder / "jobs" / "train-job" / "trained_model")
    shutil.copy(trained_model.parent / "metrics.json", folder / "jobs" / "train-job")
    shutil.copytree(small_circuit.training_data, folder / "mltable" / "data")
    (folder / "circuit_configs").mkdir()
    shutil.copy(small_circuit.config(), folder / "circuit_configs")
    return folder


def build(content: Any, workspace: Path, folder: Path) -> tuple[subprocess.CompletedProcess[str], Path]:
    release = folder / "release.json"
    release.write_text(json.dumps(content))
    page = folder / "evidence.html"
    flags = {
        "release": release,
        "workspace_data": workspace,
        "notebook": folder / "evidence.ipynb",
        "page": page,
    }
    command = [
        sys.executable,
        str(SCRIPT),
        *(part for name, value in flags.items() for part in (f"--{name}", str(value))),
    ]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    return done, page


def processor_seconds() -> float:
    """That the programs started here have used so far."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@pytest.fixture(scope="session")
def built(workspace: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """The page and the folder of a release of two plants, one circuit of which has lost its job's outputs."""
    folder = tmp_path_factory.mktemp("built")
    tight = {**FAR, "measured": 4.8}
    content = document(
        item(1, metrics=METRICS | {"skill_seasonal_naive": 0.6}),
        item(2, gates=[tight], job="purged"),
        item(3),
        item(1, "PLANT2", metrics=METRICS | {"skill_seasonal_naive": -0.1, "champion_mse": None}),
        requester="<script>alert(1)</script>",
    )
    done, page = build(content, workspace, folder)
    assert done.returncode == 0, done.stderr
    return page.read_text(), folder


def test_the_page_stands_by_itself(built: tuple[str, Path]) -> None:
    page, _ = built
    assert "<script" not in page
    assert not re.findall(r"""(?:src|href)=["']?(?!data:|["']data:|#)[^"'\s>]+""", page)
    assert "url(" not in page
    assert "@import" not in page


def test_the_best_the_worst_and_the_close_one_are_drawn_or_said_why_not(built: tuple[str, Path]) -> None:
    page, _ = built
    assert re.findall(r"<h3>([^<]+)</h3><p>Model 3: ([^<]+)</p>", page) == [
        ("PLANT1/CIRC1", "best skill."),
        ("PLANT1/CIRC2", "close to a limit: prod max_mae: 4.8 (≤ 5)."),
        ("PLANT2/CIRC1", "worst skill."),
    ]
    assert page.count("<img ") == 2
    assert "Not drawn: " in page
    assert "jobs/purged/trained_model/model.onnx does not exist" in page


def test_the_page_says_what_is_asked_and_what_made_it(built: tuple[str, Path]) -> None:
    page, _ = built
    assert "4 models of 2 plants, trained from commit c0ffee00" in page
    assert "3 of 4 beat seasonal-naive; 3 of 3 beat the model they were measured against." in page
    assert "0123456789ab" in page
    assert "metrics.json is gone" in page
    assert page.count("2025-02-28") == 3


def test_what_people_wrote_is_text(built: tuple[str, Path]) -> None:
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in built[0]


def test_the_notebook_was_executed_and_keeps_its_code(built: tuple[str, Path]) -> None:
    notebook = nbformat.read(built[1] / "evidence.ipynb", as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in code)
    assert "evidence.metrics()" in [cell.source for cell in code]


@pytest.mark.timeout(900)  # a machine may be busy with other things: what counts is processor time
def test_two_hundred_circuits_close_to_a_limit_stay_small_and_quick(workspace: Path, tmp_path: Path) -> None:
    tight = [{**FAR, "measured": 4.9}]
    content = document(*(item(index % 10, f"PLANT{index // 10}", gates=tight) for index in range(200)))
    before = processor_seconds()
    done, page = build(content, workspace, tmp_path)
    assert done.returncode == 0, done.stderr
    assert page.stat().st_size < 10 * 2**20
    assert processor_seconds() - before < 120
    text = page.read_text()
    assert text.count("<img ") == DRAWN
    assert f"{DRAWN} are drawn; close to a limit, too: " in text
    assert all(f"PLANT{plant}/CIRC{number}" in text for plant in range(20) for number in range(10))


WRONG = [
    ("no JSON", "{", "is no release set"),
    ("another schema", document(schema_version=2), "schema_version 2 is not 1"),
    ("a key too many", document(item(colour="red")), "is no release set"),
    ("a key too few", {"schema_version": 1}, "is no release set"),
]


@pytest.mark.parametrize(("content", "told"), [case[1:] for case in WRONG], ids=[case[0] for case in WRONG])
def test_a_document_that_does_not_fit_is_refused_in_words(tmp_path: Path, content: Any, told: str) -> None:
    path = tmp_path / "release.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(InputError, match=told):
        read_release(path)


MARGINS = [
    (Gate("test", "max_mae", "≤", 4.0, 5.0, True), 0.2),
    (Gate("test", "max_mae", "≤", 6.0, 5.0, False), -0.2),
    (Gate("test", "min_accuracy", "≥", 0.9, 0.8, True), 0.125),
    (Gate("test", "min_accuracy", "≥", None, 0.8, False), -1.0),
    (Gate("test", "min_skill_seasonal_naive", ">", 0.05, 0.0, True), 0.05),
]


@pytest.mark.parametrize(("gate", "margin"), MARGINS)
def test_how_far_inside_a_limit(gate: Gate, margin: float) -> None:
    assert gate.margin == pytest.approx(margin)


def test_nothing_to_release_is_a_page_too() -> None:
    release = Release("r-0", "0", "c", "run", "somebody", ())
    assert release.drawn() == {}
    assert "0 models of 0 plants" in Evidence(release, ".").summary()


def test_one_circuit_is_best_and_worst_at_once() -> None:
    one = Circuit(**{**item(), "gates": ()})
    assert list(Release("r-0", "0", "c", "run", "somebody", (one,)).drawn()) == ["PLANT1/CIRC1"]
