"""`busbar rollback`, `drill` and `lift` against the app's own routes."""

import time
from collections.abc import Callable, Generator
from threading import Thread
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from activities.rollback import close_rollback, plan_rollback, put_back, put_forward
from busbar.cli import app
from busbar.codec import from_wire
from busbar.commands import rollback
from busbar.domain.policies import Stage
from busbar.domain.steps import CircuitMove, CircuitMoved, RollbackReport, RollbackRun
from tests.activities.bench import CIRC1, CIRC2, Bench, serving
from tests.fakes import NOON
from tests.served import KEY, Served, served

PATIENCE_SECONDS = 20


@pytest.fixture
def bench() -> Bench:
    """Version 2 serves two circuits in prod, version 1 did."""
    made = Bench()
    for key in (CIRC1, CIRC2):
        after = serving(key, Stage.PROD, "2").active
        made.records.save_deployment(serving(key, Stage.PROD, "1").serving(after, NOON))
    return made


@pytest.fixture
def at(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Generator[Served]:
    clients = {"records": bench.records, "audit": bench.audit, "reports": bench.reports}
    with served(monkeypatch, clients) as app_at:
        monkeypatch.setenv("BUSBAR_URL", app_at.url)
        monkeypatch.setenv("BUSBAR_KEY", KEY)
        monkeypatch.setenv("COLUMNS", "160")
        monkeypatch.setattr(rollback, "POLL_SECONDS", 0.01)
        yield app_at


Busbar = Callable[..., Result]


@pytest.fixture
def busbar(at: Served) -> Busbar:
    return lambda *arguments, **more: CliRunner().invoke(app, arguments, **more)


@pytest.fixture
def host(at: Served, bench: Bench) -> Generator[None]:
    """A Functions host that takes up the first rollback that is started."""

    def take_up() -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not at.durable.started and time.monotonic() < deadline:
            time.sleep(0.01)
        for _, request in list(at.durable.started.values()):
            play(bench, request)

    thread = Thread(target=take_up)
    thread.start()
    yield
    thread.join()


def play(bench: Bench, document: Any) -> None:
    """What the orchestration does, without one."""
    run = from_wire(RollbackRun, document)
    plan = bench.run(plan_rollback, run)
    moves = [CircuitMove(run, step) for step in plan.returns]
    for move in moves:
        bench.run(put_back, move)
        if run.drill:
            bench.run(put_forward, move)
    moved = tuple(CircuitMoved(move.step.key, True, move.step.sentence, 0.2) for move in moves)
    forward = moved if run.drill else ()
    bench.run(close_rollback, RollbackReport(run, len(moves), plan.stays, True, moved, 1.5, forward, 0.9))


def versions(bench: Bench) -> list[str]:
    return [record.model_version for record in bench.records.deployments(Stage.PROD)]


@pytest.mark.usefixtures("host")
def test_a_rollback_is_watched_to_its_end_and_timed(busbar: Busbar, bench: Bench):
    said = busbar("rollback", "PLANT1", "--reason", "it drifts", "--as", "operator-1", "--yes")
    assert said.exit_code == 0, said.output
    assert "PLANT1/CIRC1  circ1-v2  circ1-v1" in " ".join(said.stdout.split("\n")).replace("   ", "  ")
    ended = "rollback of PLANT1 in prod: 2 of 2 circuits back in 1.5 s (promised: 15 minutes)"
    assert said.stdout.splitlines()[-1] == ended
    assert versions(bench) == ["1", "1"]
    assert bench.audit.entries()[0].actor == "operator-1"


@pytest.mark.usefixtures("host")
def test_a_drill_says_both_ways(busbar: Busbar, bench: Bench):
    said = busbar("drill", "--all", "--stage", "prod", "--yes")
    assert said.exit_code == 0, said.output
    assert "2 of 2 circuits back in 1.5 s (promised: 15 minutes); 2 forward again in 0.9 s" in said.stdout
    assert versions(bench) == ["2", "2"]


def test_a_dry_run_starts_nothing(busbar: Busbar, at: Served):
    said = busbar("rollback", "--all", "--dry-run")
    assert (said.exit_code, at.durable.started) == (0, {})
    assert "all of prod: 2 circuits to roll back" in said.stdout


def test_who_says_no_has_done_nothing(busbar: Busbar, at: Served):
    said = busbar("rollback", "PLANT1", "--reason", "it drifts", input="n\n")
    assert (said.exit_code, at.durable.started) == (1, {})
    assert "Roll back 2 in prod?" in said.stdout
    assert "nothing was done" in said.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("rollback",), "name a scope"),
        (("rollback", "PLANT1", "--all"), "name a scope"),
        (("rollback", "PLANT1", "--yes"), "say why"),
        (("rollback", "PLANT9", "--reason", "x"), "nothing of PLANT9 in prod is deployed"),
        (("rollback", "PLANT1/", "--reason", "x"), "is not PLANT/CIRCUIT"),
        (("lift", "PLANT1", "--reason", "x"), "nothing to lift"),
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_status_1(
    busbar: Busbar, at: Served, arguments: tuple[str, ...], told: str
):
    said = busbar(*arguments)
    assert (said.exit_code, at.durable.started) == (1, {})
    assert told in said.stderr


@pytest.mark.usefixtures("host")
def test_what_was_rolled_back_is_lifted_by_a_person(busbar: Busbar, bench: Bench):
    busbar("rollback", "PLANT1/CIRC1", "--reason", "it drifts", "--yes")
    said = busbar("lift", "PLANT1/CIRC1", "--reason", "fixed", "--as", "ml-lead")
    assert said.stdout.strip() == "ml-lead lets PLANT1/CIRC1 v2 serve prod again: fixed"
    assert not any(record.rolled_back for record in bench.records.deployments())
