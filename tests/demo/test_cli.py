"""The operator's command line against an HTTP server that answers what the board's route answers."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from typer.testing import CliRunner

from busbar.api import Api, Snapshot
from busbar.cli import app
from busbar.domain.circuits import CircuitKey
from busbar.domain.policies import Stage
from busbar.web import board, merges
from demo.report import Quality
from tests.fakes import FakeApprovals, FakeRecords
from tests.pages import samples

KEY = "a-key"


def board_json() -> str:
    """What `GET /api/circuits` says of the sample fleet."""
    shown, records, approvals = samples.fleet(2, 3), FakeRecords(), FakeApprovals()
    for record in shown.circuits:
        records.save_circuit(record)
    for deployment in shown.deployments:
        records.save_deployment(deployment)
    for scoring in shown.scorings:
        records.save_scoring(scoring)
    for run in shown.runs:
        records.save_run(run)
    approvals.create(samples.request(samples.release(shown.circuits)), {})
    return board.circuits_json({}, records=records, approvals=approvals).body


def merges_json() -> str:
    records = FakeRecords()
    for record in (samples.merge(), samples.failed_merge()):
        records.save_merge(record)
    return merges.merges_json(records=records).body


class App(BaseHTTPRequestHandler):
    """Lists the sample fleet, takes commands, and asks for the key."""

    posted: list[tuple[str, object]]

    def do_GET(self) -> None:
        self.answer(200, merges_json() if self.path == "/api/merges" else board_json())

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if body.get("day") == "someday":
            return self.answer(400, json.dumps({"error": "day: 'someday' is not YYYY-MM-DD"}))
        self.posted.append((self.path, body))
        return self.answer(202, json.dumps({"id": "run-1"}))

    def answer(self, status: int, body: str) -> None:
        if self.headers["x-functions-key"] != KEY:
            status, body = 401, ""
        self.send_response(status)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def url() -> Iterator[str]:
    App.posted = []
    with HTTPServer(("127.0.0.1", 0), App) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def busbar(url: str, *arguments: str, key: str = KEY) -> tuple[int, str, str]:
    environment = {"BUSBAR_URL": url, "BUSBAR_KEY": key, "COLUMNS": "200"}
    done = CliRunner().invoke(app, list(arguments), env=environment)
    return done.exit_code, done.stdout, done.stderr


@pytest.mark.parametrize(
    ("command", "told"),
    [("circuits", "PLANT1/CIRC1"), ("runs", "develop"), ("approvals", "ml-lead")],
)
def test_what_is_on_record(url: str, command: str, told: str) -> None:
    status, out, _ = busbar(url, command)
    assert status == 0
    assert told in out


def test_merges_newest_first(url: str) -> None:
    status, out, _ = busbar(url, "merges")
    assert status == 0
    failed, good = out.strip().splitlines()[-2:]
    assert "no space left" in failed
    assert good.split()[:8] == ["2025-12-09", "09:00", "12", "of", "40", "3456", "120", "4"]
    assert "12 → 13" in good
    assert "5 is no number" in good
    assert len(busbar(url, "merges", "--limit", "1")[1].splitlines()) == len(out.splitlines()) - 1


@pytest.mark.parametrize(
    ("arguments", "posted"),
    [
        (
            ["train", "PLANT1/CIRC1,PLANT1/CIRC2"],
            ("/api/trainings", {"circuits": "PLANT1/CIRC1,PLANT1/CIRC2"}),
        ),
        (["train", "A/B", "--ref", "develop"], ("/api/trainings", {"circuits": "A/B", "ref": "develop"})),
        (["merge"], ("/api/merges", {"full": False})),
        (["merge", "--full", "--ref", "main"], ("/api/merges", {"full": True, "ref": "main"})),
        (
            ["score", "--stage", "test", "--day", "2025-12-09"],
            ("/api/scorings", {"stage": "test", "day": "2025-12-09"}),
        ),
    ],
)
def test_commands(url: str, arguments: list[str], posted: tuple[str, object]) -> None:
    assert busbar(url, *arguments) == (0, "started run-1\n", "")
    assert App.posted == [posted]


def test_a_refusal_is_told_in_the_apps_words(url: str) -> None:
    status, _, errors = busbar(url, "score", "--day", "someday")
    assert (status, errors) == (1, "busbar: POST /api/scorings: 400: day: 'someday' is not YYYY-MM-DD\n")


def test_a_wrong_key_names_the_variable(url: str) -> None:
    status, _, errors = busbar(url, "circuits", key="another")
    assert status == 1
    assert "BUSBAR_KEY" in errors


def test_nobody_there_says_what_to_start() -> None:
    status, _, errors = busbar("http://127.0.0.1:9", "circuits")
    assert status == 1
    assert "make up" in errors


def test_the_snapshot_joins_what_belongs_to_a_circuit(url: str) -> None:
    snapshot = Api(url, KEY).snapshot()
    state = snapshot.circuits[CircuitKey("PLANT1", "CIRC1")]
    assert state.record.key == state.deployments[Stage.DEV].key
    assert len(snapshot.circuits) == 6
    assert snapshot == Snapshot.read(json.loads(board_json()))


def test_quality_counts_every_measured_circuit_alike() -> None:
    measured = [record.metrics for record in samples.fleet(2, 3).circuits if record.metrics]
    quality = Quality.of(measured)
    assert quality is not None
    assert quality.circuits == len(measured)
    assert quality.mse == pytest.approx(sum(one.standardised_mse for one in measured) / len(measured))
    assert quality.ratio == pytest.approx(quality.mse / quality.seasonal_naive_mse)
    assert Quality.of([]) is None
