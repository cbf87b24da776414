"""What keeps the twin a twin where there is no Spark: the same inputs, cases and rules, in Python that a pool runs."""

import ast
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from case_files import load_cases, write_step
from etl.findings import Findings, Key, SensorRange
from etl.mapping import parse_mappings
from etl.raw_files import Sink, read_raw_file
from raw_parquet import open_parquet

DATA = Path(__file__).parents[2]
TWIN, ETL_MERGE = DATA / "etl_merge_spark", DATA / "etl_merge"
OF_VACUUM = {"pinned_versions", "history_days"}  # docs/decisions/0026
SHIPPED = [
    *sorted((TWIN / "src").glob("*.py")),
    *sorted((DATA / "etl").glob("*.py")),
    *(DATA.parent / "shared" / name for name in ("__init__.py", "errors.py", "storage.py")),
]


def component(folder: Path) -> dict[str, Any]:
    return yaml.safe_load((folder / "component.yaml").read_text())


def imported(path: Path, module: str) -> set[str]:
    """The names that a file imports from a module."""
    tree = ast.parse(path.read_text())
    found = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module == module]
    return {alias.name for node in found for alias in node.names}


def test_inputs_and_outputs_are_etl_merges_less_those_of_the_vacuum() -> None:
    twin, original = component(TWIN), component(ETL_MERGE)
    kinds = [
        {name: (port["type"], port.get("default")) for name, port in document["inputs"].items()}
        for document in (twin, original)
    ]
    assert kinds[0] == {name: kind for name, kind in kinds[1].items() if name not in OF_VACUUM}
    assert {name: port["type"] for name, port in twin["outputs"].items()} == {
        name: port["type"] for name, port in original["outputs"].items()
    }


def test_the_arguments_hand_on_every_input_and_output() -> None:
    document = component(TWIN)
    names = {
        kind: [f"--{name} ${{{{{kind}.{name}}}}}" for name in document[kind]]
        for kind in ("inputs", "outputs")
    }
    assert document["args"].split() == " ".join(names["inputs"] + names["outputs"]).split()
    entry = (TWIN / "src" / document["entry"]["file"]).read_text()
    assert all(f'"--{name}"' in entry for kind in ("inputs", "outputs") for name in document[kind])


def test_both_write_the_one_report_and_play_the_one_case_table() -> None:
    for folder, script in ((TWIN, "etl_merge_spark"), (ETL_MERGE, "etl_merge")):
        assert "report_document" in imported(folder / "src" / f"{script}.py", "etl.merge_report")
        assert {"load_cases", "assert_reported"} <= imported(
            folder / "tests" / f"test_{script}.py", "case_files"
        )


@pytest.mark.skipif(sys.version_info < (3, 12), reason="shared.delta needs Python 3.12")
def test_both_mean_the_same_table() -> None:
    from etl import readings_table
    from shared import delta

    assert list(readings_table.PARTITIONS) == delta.PARTITIONS
    assert list(readings_table.KEY) == delta.KEY
    assert readings_table.PROPERTIES == delta.PROPERTIES


@pytest.mark.parametrize("case", load_cases(), ids=lambda case: case["name"])
def test_what_is_found_file_by_file_is_what_is_found_at_once(tmp_path: Path, case: dict[str, Any]) -> None:
    for step, files in enumerate(case["merges"]):
        write_step(tmp_path, files, step)
    [mapping] = parse_mappings(yaml.safe_dump(case["mapping"]), "mapping.yaml")
    at_once, together = Findings(), Findings()
    for path in sorted(tmp_path.iterdir()):
        alone = Findings()
        for findings in (at_once, alone):
            written = datetime.fromtimestamp(path.stat().st_mtime, UTC)
            read_raw_file(path, path.name, written, mapping, findings, ranges_of(findings), open_parquet)
        together.include(alone)
    assert together == at_once
    assert list(together.examples) == list(at_once.examples)


def ranges_of(findings: Findings) -> Sink:
    """Takes readings as both merges do."""

    def take(key: Key, moments: np.ndarray, values: np.ndarray) -> None:
        findings.sensors.setdefault(key, SensorRange()).add(moments, values)

    return take


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_what_a_pool_runs_is_python_3_11(path: Path) -> None:
    ast.parse(path.read_text(), feature_version=(3, 11))


def test_python_3_12_would_be_noticed() -> None:
    with pytest.raises(SyntaxError):
        ast.parse("def first[T](of: list[T]) -> T: return of[0]", feature_version=(3, 11))
