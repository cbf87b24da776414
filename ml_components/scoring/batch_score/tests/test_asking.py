"""Forecasts that an online endpoint answers are the model's own; what it does not answer is counted, not lost."""

import importlib.util
import json
import threading
from collections.abc import Callable, Iterator
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from conftest import SmallCircuit, signals
from deltalake import DeltaTable, QueryBuilder
from forecasting import asking
from forecasting.asking import Endpoint, ask
from forecasting.forecast import OUTPUTS, forecast
from forecasting.scoring import Scoring, score
from forecasting.windows import Mode
from shared.circuit import load_circuit
from shared.errors import InputError
from shared.forecaster import Forecaster

ENTRY = Path(__file__).parents[2] / "online_score" / "src" / "score.py"
Run = Callable[[str], Any]


class Server(ThreadingHTTPServer):
    """An online endpoint: `run` of a deployment's entry script, or an `answer` in its place; it keeps what came."""

    daemon_threads = True

    def __init__(self, run: Run) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.run, self.answer = run, None
        self.headers: list[dict[str, str]] = []

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/score"


class _Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers["content-length"])).decode()
        self.server.headers.append(dict(self.headers.items()))
        status, body = self.server.answer or (200, json.dumps(self.server.run(raw)).encode())
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""


@pytest.fixture
def model(trained_model: Path) -> Forecaster:
    return Forecaster.load(trained_model)


@pytest.fixture
def server(trained_model: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("AZUREML_MODEL_DIR", str(trained_model.parent))
    monkeypatch.setattr(
        asking, "_credential", lambda: SimpleNamespace(get_token=lambda scope: SimpleNamespace(token=scope))
    )
    specification = importlib.util.spec_from_file_location("asked_entry", ENTRY)
    assert specification
    assert specification.loader
    entry = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(entry)
    entry.init()
    with Server(entry.run) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def inputs() -> np.ndarray:
    """Three look-backs; of the second a sensor has a long gap."""
    windows = np.stack([signals(24, seed) for seed in range(3)])
    windows[1, 5:, 2] = np.nan
    return windows


def test_an_endpoint_forecasts_what_its_model_does(
    server: Server, model: Forecaster, inputs: np.ndarray
) -> None:
    asked, own = ask(Endpoint(server.uri, "online-v2"), model, inputs), forecast(model, inputs)
    for name in OUTPUTS:
        np.testing.assert_array_equal(asked.found.outputs[name], own.outputs[name])
    np.testing.assert_array_equal(asked.found.usable, own.usable)
    assert asked.summary == {"sent": 3, "failed": 0, "problems": []}
    assert (asked.found.milliseconds > 0).all()


def test_a_deployment_is_asked_by_name_or_as_the_traffic_falls(
    server: Server, model: Forecaster, inputs: np.ndarray
) -> None:
    ask(Endpoint(server.uri, "online-v2"), model, inputs)
    ask(Endpoint(server.uri), model, inputs)
    named = [headers.get("azureml-model-deployment") for headers in server.headers]
    assert named == ["online-v2"] * 4 + [None] * 4  # one more each, which wakes it
    assert {headers["Authorization"] for headers in server.headers} == {f"Bearer {asking.SCOPE}"}


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ((424, b"{}"), "status 424"),
        ((500, b""), "status 500"),
        ((200, b"<html>"), "an answer that is no JSON"),
        ((200, b"[]"), "an answer that is no forecast"),
        ((200, b'{"sensors": {"temperature": {"forecast": [1]}}}'), "an answer that is no forecast"),
        ((200, b'{"sensors": {"voltage": {}}}'), "an answer that is no forecast"),
    ],
)
def test_what_is_not_answered_is_counted(
    server: Server, model: Forecaster, inputs: np.ndarray, answer: tuple[int, bytes], problem: str
) -> None:
    server.answer = answer
    asked = ask(Endpoint(server.uri), model, inputs)
    assert (asked.summary["sent"], asked.summary["failed"]) == (3, 3)
    assert asked.problems[0].startswith(problem)
    assert asked.found.failed == 6 * (3 + 2 + 3)  # of every complete look-back


def test_an_endpoint_that_is_not_there_is_counted(
    model: Forecaster, server: Server, inputs: np.ndarray
) -> None:
    asked = ask(Endpoint("http://127.0.0.1:9/score"), model, inputs)
    assert asked.summary == {"sent": 3, "failed": 3, "problems": ["ConnectionError"]}


def test_who_may_not_ask_is_told_what_is_missing(
    server: Server, model: Forecaster, inputs: np.ndarray
) -> None:
    server.answer = (403, b"")
    with pytest.raises(InputError, match="needs a role that may score on it"):
        ask(Endpoint(server.uri), model, inputs)


def scoring(circuit: SmallCircuit, model: Forecaster, uri: str, mode: Mode) -> Scoring:
    config = load_circuit(str(circuit.config()))
    return Scoring(config, model, "2", "online-v2", date(2025, 2, 28), 4, mode=mode, endpoint=Endpoint(uri))


def test_a_replay_over_the_endpoint_measures_what_one_in_the_job_does(
    server: Server, small_circuit: SmallCircuit, model: Forecaster, tmp_path: Path
) -> None:
    asked = scoring(small_circuit, model, server.uri, Mode.REPLAY)
    local = Scoring(**{**vars(asked), "endpoint": None})
    over, own = (score(one, small_circuit.table, str(tmp_path / "f")) for one in (asked, local))
    assert over["error"] == own["error"]
    assert (over["requests"], own["requests"]) == ({"sent": 4, "failed": 0, "problems": []}, None)


def test_what_an_endpoint_answers_is_written_as_its_deployments(
    server: Server, small_circuit: SmallCircuit, model: Forecaster, tmp_path: Path
) -> None:
    for _ in range(2):  # a repeat replaces
        summary = score(
            scoring(small_circuit, model, server.uri, Mode.FORECAST), small_circuit.table, str(tmp_path / "f")
        )
    table = QueryBuilder().register("f", DeltaTable(str(tmp_path / "f")))
    found = table.execute("SELECT deployment, count(*) AS rows FROM f GROUP BY deployment").read_all()
    assert found.column("deployment").to_pylist() == ["online-v2"]
    assert found.column("rows").to_pylist() == [summary["rows"]]


def test_an_endpoint_that_answers_nothing_writes_nothing(
    server: Server, small_circuit: SmallCircuit, model: Forecaster, tmp_path: Path
) -> None:
    server.answer = (424, b"{}")
    with pytest.raises(InputError, match="answered no request: status 424"):
        score(
            scoring(small_circuit, model, server.uri, Mode.FORECAST), small_circuit.table, str(tmp_path / "f")
        )
    assert not (tmp_path / "f").exists()
