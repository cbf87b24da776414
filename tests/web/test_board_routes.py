"""The board's routes: pages, JSON, ETags."""

import json
from dataclasses import replace

import pytest

from busbar.domain.circuits import CircuitKey
from busbar.web import board
from busbar.web.reply import Reply
from tests.fakes import FakeApprovals, FakeRecords
from tests.pages import samples
from tests.web.test_controls import Hub

KEY = CircuitKey("PLANT1", "CIRC1")


@pytest.fixture
def records() -> FakeRecords:
    shown, kept = samples.fleet(2, 3), FakeRecords()
    for record in shown.circuits:
        kept.save_circuit(record)
    for deployment in shown.deployments:
        kept.save_deployment(deployment)
    for scoring in shown.scorings:
        kept.save_scoring(scoring)
    for run in shown.runs:
        kept.save_run(run)
    kept.save_release(samples.release(shown.circuits))
    return kept


@pytest.fixture
def approvals() -> FakeApprovals:
    kept = FakeApprovals()
    kept.create(samples.request(samples.release(samples.fleet(2, 3).circuits)), {})
    return kept


def test_the_board_and_its_json_tell_the_same(records: FakeRecords, approvals: FakeApprovals):
    page = board.board({}, records=records, approvals=approvals)
    said = json.loads(board.circuits_json({}, records=records, approvals=approvals).body)
    assert (page.status, page.content_type) == (200, "text/html; charset=utf-8")
    assert [one["circuit"] for one in said["circuits"]][:2] == ["PLANT1/CIRC1", "PLANT1/CIRC2"]
    assert said["circuits"][0]["metrics"]["mae"] == pytest.approx(1.72, abs=0.01)
    assert {one["stage"] for one in said["deployments"]} == {"dev", "test", "prod"}
    assert said["pending"][0]["approvers"] == ["ml-lead", "operator"]
    assert said["pending"][0]["people"] == ["ml-lead", "operator"]
    assert said["pending"][0]["next_reminder_at"] is None
    assert "@example.com" not in json.dumps(said)
    assert "object-" not in json.dumps(said)


def test_an_unchanged_board_is_304_and_a_changed_one_is_not(records: FakeRecords, approvals: FakeApprovals):
    first = board.board({}, records=records, approvals=approvals)
    known = {"if-none-match": f'W/"other", {first.headers["ETag"]}'}
    second = board.board(known, records=records, approvals=approvals)
    records.update_circuit(KEY, reason="other", verdict="quarantined")
    third = board.board(known, records=records, approvals=approvals)
    assert (first.status, second.status, second.body, third.status) == (200, 304, "", 200)
    assert second.headers["ETag"] == first.headers["ETag"] != third.headers["ETag"]


@pytest.mark.parametrize(
    ("plant", "circuit", "status"),
    [("PLANT1", "CIRC1", 200), ("PLANT9", "CIRC1", 404), ("<u>", "x/../y", 404), ("PLANT1", "", 404)],
)
def test_circuit_pages(records: FakeRecords, plant: str, circuit: str, status: int):
    reply = board.circuit_page(plant, circuit, records=records)
    assert reply.status == status
    assert "<u>" not in reply.body


def test_a_circuit_page_finds_the_lineage_in_the_runs_release(records: FakeRecords):
    run = records.run(samples.RUN)
    assert run
    records.save_run(replace(run, release_id=records.releases()[0]))
    assert "sensor-forecasting-env:1.0.0" in board.circuit_page("PLANT1", "CIRC1", records=records).body


def test_runs(records: FakeRecords):
    said = json.loads(board.run_json(samples.RUN, records=records).body)
    assert (said["status"], len(said["circuits"])) == ("running", 6)
    assert board.run_page(samples.RUN, Hub(), records=records).status == 200
    assert board.run_page("nothing", Hub(), records=records).status == 404
    assert board.run_json("nothing", records=records).status == 404


def test_a_head_answers_like_a_get_without_its_body():
    reply = Reply.message(200, "t", "x")
    assert reply.head() == Reply(200, "", reply.content_type, reply.headers)


def test_json_says_what_numbers_cannot(records: FakeRecords, approvals: FakeApprovals):
    result = samples.record(KEY, samples.metrics()).gates[0]
    records.update_circuit(KEY, gates=(replace(result, measured=float("nan")),))
    said = json.loads(board.circuits_json({}, records=records, approvals=approvals).body)
    assert str(said["circuits"][0]["gates"][0]["measured"]).lower() == "nan"
