"""log_run writes into the job's run, and a tracking server that fails costs the log alone."""

from pathlib import Path

import pytest
from shared.tracking import log_run


def test_figures_and_files_reach_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "runs").as_uri())
    from mlflow.tracking import MlflowClient

    client = MlflowClient()
    run = client.create_run(client.create_experiment("training")).info.run_id
    monkeypatch.setenv("MLFLOW_RUN_ID", run)
    (tmp_path / "card").mkdir()
    (tmp_path / "card" / "model_card.md").write_text("a card")
    log_run({"seed": 7}, {"mae": 1.5, "precision": None}, tmp_path / "card")
    found = client.get_run(run)
    assert (found.data.params, found.data.metrics) == ({"seed": "7"}, {"mae": 1.5})
    assert [file.path for file in client.list_artifacts(run)] == ["model_card.md"]
    assert found.info.status == "RUNNING"  # the job's service ends the run, not the component


def test_without_a_run_nothing_is_imported_or_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_RUN_ID", raising=False)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://nowhere.invalid")
    log_run({}, {"mae": 1.0})


def test_a_failing_server_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "runs").as_uri())
    monkeypatch.setenv("MLFLOW_RUN_ID", "0" * 32)
    log_run({}, {"mae": 1.0})
    assert "could not be written" in caplog.text
