"""circuit_config and MLTable files: what is wrong is named."""

from pathlib import Path

import pytest
from shared.circuit import load_circuit, parse_circuit
from shared.errors import InputError
from shared.readings import read_mltable
from shared.storage import resolve

GOOD = {"plant_id": "P", "circuit_id": "C", "sensors": ["a", "b"], "cutoff_date": "2025-12-09"}


def test_a_small_document_gets_the_defaults() -> None:
    circuit = parse_circuit(GOOD)
    assert circuit.cutoff.isoformat() == "2025-12-10T00:00:00+00:00"
    assert (circuit.training_days, circuit.frequency_minutes) == (90, 60)
    assert (circuit.hyperparameters.look_back, circuit.hyperparameters.horizon) == (96, 24)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"plant_id": None}, "plant_id is missing"),
        ({"sensors": []}, "sensors must be"),
        ({"sensors": ["a", "a"]}, "sensors must be a list of distinct names"),
        ({"cutoff_date": "9.12.2025"}, "cutoff_date must be YYYY-MM-DD"),
        ({"training_days": 0}, "training_days must be a whole number"),
        ({"frequency_minutes": "60"}, "frequency_minutes must be a whole number"),
        ({"hyperparameters": {"lookback": 3}}, r"hyperparameters\.lookback is not known"),
        ({"hyperparameters": {"look_back": 50}}, "must be a multiple of patch"),
        ({"hyperparameters": {"season": 168}}, "must fit into look_back"),
        ({"hyperparameters": {"learning_rate": 0}}, "learning_rate must be a number above 0"),
        ({"hyperparameters": {"epochs": 1.5}}, "epochs must be a whole number"),
        ({"limits": {"c": {"low": 0}}}, r"limits\.c names no sensor"),
        ({"limits": {"a": {"lo": 0}}}, "limits must look like"),
        ({"limits": {"a": 3}}, "limits must look like"),
    ],
)
def test_what_is_wrong_is_named(changes: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_circuit(GOOD | changes)


@pytest.mark.parametrize("text", ["[1, 2", "- a", ""])
def test_a_file_that_is_no_mapping_is_named(tmp_path: Path, text: str) -> None:
    file = tmp_path / "circuit.yaml"
    file.write_text(text)
    with pytest.raises(InputError, match=r"circuit\.yaml"):
        load_circuit(file)


def test_an_mltable_pins_table_version_and_circuit(tmp_path: Path) -> None:
    (tmp_path / "MLTable").write_text(
        """type: mltable
paths: [{folder: "abfss://sensors@account.dfs.core.windows.net/readings"}]
transformations:
  - read_delta_lake: {version_as_of: 12}
  - filter: 'col("plant_id") == "PLANT1" and col("circuit_id") == "CIRC1"'
"""
    )
    found = read_mltable(str(tmp_path))
    assert found.table == "abfss://sensors@account.dfs.core.windows.net/readings"
    assert (found.version, found.where) == (12, {"plant_id": "PLANT1", "circuit_id": "CIRC1"})
    assert read_mltable(str(tmp_path / "MLTable")) == found


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("paths: []", "must name one folder"),
        ("paths: [{file: x.csv}]", "must name one folder"),
        ("paths: [{folder: x}]\ntransformations: [{read_delimited: {}}]", "read_delimited"),
        ("paths: [{folder: x}]\ntransformations: [{filter: 'col(\"a\") > 3'}]", "is not understood"),
    ],
)
def test_an_mltable_that_is_not_understood_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "MLTable").write_text(text)
    with pytest.raises(InputError, match=message):
        read_mltable(str(tmp_path))


def test_a_missing_mltable_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="MLTable does not exist"):
        read_mltable(str(tmp_path / "nowhere"))


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("/data/readings/", "/data/readings"),
        ("abfss://c@a.dfs.core.windows.net/t/", "abfss://c@a.dfs.core.windows.net/t"),
        ("https://a.blob.core.windows.net/c/t/x", "abfss://c@a.dfs.core.windows.net/t/x"),
    ],
)
def test_places_resolve(uri: str, expected: str) -> None:
    assert resolve(uri) == expected


def test_a_short_datastore_uri_needs_the_jobs_workspace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AZUREML_ARM_SUBSCRIPTION", raising=False)
    with pytest.raises(InputError, match="subscription is unknown"):
        resolve("azureml://datastores/workspaceblobstore/paths/mltable/x/")
