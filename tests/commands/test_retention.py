"""`busbar retention` against the app's own routes."""

import time
from collections.abc import Callable, Generator
from threading import Thread
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from busbar.cli import app
from busbar.codec import from_wire
from busbar.commands import retention
from busbar.domain.events import JobStatus
from busbar.domain.policies import Stage
from busbar.domain.steps import RetentionRun
from tests.activities.bench import CIRC1, Bench, serving
from tests.activities.test_retention import FIRST, SECOND, look, purge, trained
from tests.served import KEY, Served, served

PATIENCE_SECONDS = 20


@pytest.fixture
def bench() -> Bench:
    """Two models made years ago; the second serves prod."""
    made = Bench()
    for one in (FIRST, SECOND):
        trained(made, one)
    made.records.save_deployment(serving(CIRC1, Stage.PROD, "2"))
    made.job("score-prod-2025-01-01-PLANT1-CIRC1", JobStatus.COMPLETED, Stage.PROD)
    return made


@pytest.fixture
def at(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Generator[Served]:
    with served(monkeypatch, vars(bench)) as app_at:
        monkeypatch.setenv("BUSBAR_URL", app_at.url)
        monkeypatch.setenv("BUSBAR_KEY", KEY)
        monkeypatch.setenv("COLUMNS", "160")
        monkeypatch.setattr(retention, "POLL_SECONDS", 0.01)
        yield app_at


@pytest.fixture
def host(at: Served, bench: Bench) -> Generator[None]:
    """A Functions host that plays whatever is started, until the test is over."""
    over = list[bool]()

    def play() -> None:
        done, deadline = set[str](), time.monotonic() + PATIENCE_SECONDS
        while not over and time.monotonic() < deadline:
            for id, (_, document) in list(at.durable.started.items()):
                if id not in done:
                    done.add(id)
                    _carry_out(bench, document)
            time.sleep(0.01)

    thread = Thread(target=play)
    thread.start()
    yield
    over.append(True)
    thread.join()


def _carry_out(bench: Bench, document: Any) -> None:
    """What the orchestration does, without one."""
    run = from_wire(RetentionRun, document)
    (purge if run.apply else look)(bench, run)


@pytest.fixture
def busbar(at: Served, host: None) -> Callable[..., Result]:
    return lambda *arguments, **more: CliRunner().invoke(app, ["retention", *arguments], **more)


def test_it_shows_what_goes_and_what_stays_and_touches_nothing(busbar: Callable[..., Result], bench: Bench):
    result = busbar()
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert any("goes" in line and "PLANT1_CIRC1_model:1" in line for line in lines)
    assert any("stays" in line and "serves PLANT1/CIRC1 in prod" in line for line in lines)
    assert "to purge" in lines[-1]
    assert bench.ml.archived == set()


def test_it_purges_after_a_question(busbar: Callable[..., Result], bench: Bench):
    refused = busbar("--apply", input="n\n")
    assert refused.exit_code == 1
    assert bench.ml.archived == set()
    said = busbar("--apply", "--yes").stdout
    assert "1 model, 2 jobs, 1 data asset purged" in said
    assert ("model", "dev", FIRST.model_name, "1") in bench.ml.archived
    assert ("model", "dev", SECOND.model_name, "2") not in bench.ml.archived


def test_one_place_alone(busbar: Callable[..., Result], bench: Bench):
    assert "1 job purged" in busbar("--stage", "prod", "--apply", "--yes").stdout
    assert bench.ml.archived == {("job", "prod", "score-prod-2025-01-01-PLANT1-CIRC1", "")}


def test_an_unknown_place_is_refused(busbar: Callable[..., Result]):
    assert busbar("--stage", "production").exit_code == 2
