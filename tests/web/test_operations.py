"""What operators and timers start, and what they are told when they ask wrongly."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from busbar.domain.circuits import CircuitKey
from busbar.domain.errors import BadRequest
from busbar.domain.events import ZERO_COMMIT
from busbar.domain.policies import Stage, TrainingPolicy
from busbar.domain.steps import DailyRun, MergeRun, ScoringRun, TrainingRun
from busbar.inbound.busbar_events import read_push_event
from busbar.web import operations
from busbar.web.reply import Reply
from tests.activities.bench import SETTINGS
from tests.fakes import FakeEvents, FakeLedger, FakeRepository, Outage

MAIN, DEVELOP = "a" * 40, "b" * 40


@dataclass
class Hub:
    """The durable client: what was asked to start."""

    started: list[tuple[str, str, Any]] = field(default_factory=list[tuple[str, str, Any]])

    def start(self, orchestrator: str, instance_id: str, request: Any) -> bool:
        self.started.append((orchestrator, instance_id, request))
        return True

    def raise_event(self, instance_id: str, event: str, data: str = "") -> None:
        raise AssertionError(f"nobody is to be woken: {instance_id} {event}")


@pytest.fixture
def hub() -> Hub:
    return Hub()


@pytest.fixture
def repository() -> FakeRepository:
    return FakeRepository({MAIN: {}, DEVELOP: {}}, {"main": MAIN, "develop": DEVELOP})


Operation = Callable[[bytes], Reply]


@pytest.fixture
def train(hub: Hub, repository: FakeRepository) -> Operation:
    return lambda body: operations.start_training(body, hub, repository=repository)  # type: ignore[arg-type] - a fake


@pytest.fixture
def merge(hub: Hub, repository: FakeRepository) -> Operation:
    return lambda body: operations.start_merge(body, hub, repository=repository)  # type: ignore[arg-type] - a fake


@pytest.fixture
def score(hub: Hub, repository: FakeRepository) -> Operation:
    return lambda body: operations.start_scoring(body, hub, repository=repository)  # type: ignore[arg-type] - a fake


def body(**fields: Any) -> bytes:
    return json.dumps(fields).encode()


def started(reply: Reply, hub: Hub) -> tuple[str, Any]:
    """(orchestrator, request) of the one start, whose id the reply gives."""
    [(orchestrator, instance_id, request)] = hub.started
    assert (reply.status, json.loads(reply.body)) == (202, {"id": instance_id})
    return orchestrator, request


# --- training ---------------------------------------------------------------------------------------------


def test_named_circuits_train_at_a_branchs_head(train: Operation, hub: Hub):
    reply = train(body(circuits="PLANT1/CIRC1, PLANT2/CIRC2", ref="develop", requester="data-scientist"))
    orchestrator, run = started(reply, hub)
    keys = (CircuitKey("PLANT1", "CIRC1"), CircuitKey("PLANT2", "CIRC2"))
    assert orchestrator == "training_pipeline"
    assert run == TrainingRun(run.id, DEVELOP, "develop", "data-scientist", named=keys)
    assert re.fullmatch(rf"train-{DEVELOP}-[0-9a-f]{{8}}", run.id)


@pytest.mark.parametrize("content", [b"", b"{}", body(circuits="AUTO"), body(circuits="", ref="")])
def test_by_default_all_that_changed_at_the_default_branch(train: Operation, hub: Hub, content: bytes):
    _, run = started(train(content), hub)
    assert (run.commit, run.named, run.requester) == (MAIN, (), "operator")


def test_a_commit_is_taken_as_written(train: Operation, hub: Hub):
    assert started(train(body(ref="c" * 40)), hub)[1].commit == "c" * 40


def test_asked_twice_is_two_runs(train: Operation, hub: Hub):
    for _ in range(2):
        train(body(circuits="PLANT1/CIRC1"))
    assert len({instance for _, instance, _ in hub.started}) == 2


# --- merges and scorings ----------------------------------------------------------------------------------


def test_a_merge_is_one_a_minute_and_commit(merge: Operation, hub: Hub):
    _, run = started(merge(body(ref="develop")), hub)
    assert isinstance(run, MergeRun)
    assert run.commit == DEVELOP
    assert re.fullmatch(rf"merge-{DEVELOP[:12]}-\d{{8}}T\d{{4}}", run.id)


def test_a_full_merge_is_another_instance(merge: Operation, hub: Hub):
    _, run = started(merge(body(ref="develop", full=True)), hub)
    assert run.full
    assert run.id.startswith(f"merge-full-{DEVELOP[:12]}-")


TABLE = b"branches: {develop: train, main: prod}\n"


@pytest.mark.parametrize(
    ("table", "commit"),
    [
        (TABLE, DEVELOP),
        (b"branches: {main: train}\n", MAIN),
        (b"branches: {other: train}\n", MAIN),  # nobody has pushed it yet
    ],
)
def test_merges_are_of_the_branch_that_trains_unless_asked_otherwise(hub: Hub, table: bytes, commit: str):
    files = {"config/pipeline.yaml": table}
    repository: Any = FakeRepository({MAIN: files, DEVELOP: {}}, {"main": MAIN, "develop": DEVELOP})
    operations.merge_on_schedule(hub, repository=repository)
    operations.start_merge(b"", hub, repository=repository)
    asked = [(name, run.commit, run.requester) for name, _, run in hub.started]
    assert asked == [("merge_readings", commit, "timer"), ("merge_readings", commit, "operator")]


def test_a_scoring_is_of_prod_and_yesterday_unless_asked_otherwise(score: Operation, hub: Hub):
    orchestrator, run = started(score(b""), hub)
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    assert (orchestrator, run) == ("score_stage", ScoringRun(Stage.PROD, yesterday, TrainingPolicy()))


def test_a_scoring_by_hand_does_not_take_the_timers_id(score: Operation, hub: Hub):
    _, run = started(score(body(stage="test", day="2025-12-09")), hub)
    assert (run.stage, run.day) == (Stage.TEST, date(2025, 12, 9))
    [(_, by_hand, _)] = hub.started
    assert re.fullmatch(r"score-test-2025-12-09-\d{6}", by_hand)


def test_days_are_made_up_for_by_hand_as_the_timer_does_it(score: Operation, hub: Hub):
    orchestrator, run = started(score(body(day="2025-12-09", since="2025-12-07")), hub)
    days = tuple(date(2025, 12, number) for number in (9, 8, 7))
    assert orchestrator == "score_days"
    assert run == DailyRun(Stage.PROD, days, TrainingPolicy(), 25, run.suffix)
    [(_, by_hand, _)] = hub.started
    assert by_hand == f"daily-prod-2025-12-09-{run.suffix}"
    assert re.fullmatch(r"\d{6}", run.suffix)


@dataclass
class Scored:
    """Until which day the daily run has seen to a stage."""

    until: dict[Stage, str] = field(default_factory=dict[Stage, str])

    def scored_until(self, stage: Stage) -> str | None:
        return self.until.get(stage)

    def save_scored_until(self, stage: Stage, day: str) -> None:
        self.until[stage] = day


def daily(hub: Hub, repository: FakeRepository, records: Scored) -> list[str]:
    return operations.score_on_schedule(hub, repository=repository, records=records)  # type: ignore[arg-type] - fakes


@pytest.mark.parametrize(
    ("down_for", "made_up_for"), [(None, 1), (1, 1), (3, 3), (7, 7), (40, 7)], ids=lambda days: str(days)
)
def test_the_daily_run_makes_up_for_missed_days_the_newest_first(
    hub: Hub, repository: FakeRepository, down_for: int | None, made_up_for: int
):
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    records = Scored()
    if down_for:
        records.save_scored_until(Stage.PROD, (yesterday - timedelta(days=down_for)).isoformat())
    assert daily(hub, repository, records) == [f"daily-prod-{yesterday}"]
    [(orchestrator, instance, run)] = hub.started
    assert (orchestrator, instance, run.stage) == ("score_days", f"daily-prod-{yesterday}", Stage.PROD)
    assert run.circuits_per_job == 25
    assert run.days == tuple(yesterday - timedelta(days=back) for back in range(made_up_for))
    assert daily(hub, repository, records) == []
    assert len(hub.started) == 1


def test_a_look_by_hand_is_another_run_than_the_days_own(hub: Hub):
    given = body(stage="test", day="2025-12-09", circuits="PLANT1/CIRC1")
    orchestrator, run = started(operations.start_monitoring(given, hub), hub)
    assert (orchestrator, run.stage, run.day) == ("monitor_stage", Stage.TEST, date(2025, 12, 9))
    assert (run.named, run.respond) == ((CircuitKey("PLANT1", "CIRC1"),), True)
    assert re.fullmatch(r"monitor-test-2025-12-09-\d{6}", run.id)


# --- wrong ------------------------------------------------------------------------------------------------

ANY = [
    (b"{", "body"),
    (b"[]", "body"),
    (b"7", "body"),
    (b"null", "body"),
    (b"\xff\xfe", "body"),
    (b"[" * 100_000, "body"),
]
WITH_REF = [
    *ANY,
    (body(ref=7), "ref"),
    (body(ref=None), "ref"),
    (body(ref="nowhere"), "ref"),
    (body(ref="feature/nowhere"), "ref"),
    (body(ref="abc123"), "ref"),
    (body(requester=["x"]), "requester"),
]
TRAININGS = [
    *WITH_REF,
    (body(circuits=["PLANT1/CIRC1"]), "circuits"),
    (body(circuits="PLANT1"), "circuits"),
    (body(circuits="PLANT1/CIRC1,"), "circuits"),
    (body(circuits="PLANT1/CIRC1/x"), "circuits"),
    (body(circuits="../etc/passwd"), "circuits"),
]
SCORINGS = [
    *ANY,
    (body(stage="production"), "stage"),
    (body(stage=3), "stage"),
    (body(day="yesterday"), "day"),
    (body(day="2025-13-01"), "day"),
    (body(day=20251209), "day"),
]
MISSED = [
    (body(day="2025-12-09", since="yesterday"), "since"),
    (body(day="2025-12-09", since="2025-12-10"), "since"),
    (body(day="2025-12-09", since="2025-11-08"), "since"),
    (body(day="2025-12-09", since=7), "since"),
]


def shortened(value: object) -> str:
    return str(value)[:40]


@pytest.mark.parametrize(("content", "named"), TRAININGS, ids=shortened)
def test_a_wrong_training_names_the_field_and_starts_nothing(
    train: Operation, hub: Hub, content: bytes, named: str
):
    refused(lambda: train(content), named, hub)


@pytest.mark.parametrize(("content", "named"), WITH_REF, ids=shortened)
def test_a_wrong_merge_names_the_field_and_starts_nothing(
    merge: Operation, hub: Hub, content: bytes, named: str
):
    refused(lambda: merge(content), named, hub)


@pytest.mark.parametrize(("content", "named"), [*SCORINGS, *MISSED], ids=shortened)
def test_a_wrong_scoring_names_the_field_and_starts_nothing(
    score: Operation, hub: Hub, content: bytes, named: str
):
    refused(lambda: score(content), named, hub)


@pytest.mark.parametrize(
    ("content", "named"), [*SCORINGS, (body(circuits="PLANT1"), "circuits")], ids=shortened
)
def test_a_wrong_look_names_the_field_and_starts_nothing(hub: Hub, content: bytes, named: str):
    refused(lambda: operations.start_monitoring(content, hub), named, hub)


def refused(ask: Callable[[], Reply], named: str, hub: Hub) -> None:
    with pytest.raises(BadRequest) as error:
        ask()
    assert error.value.field == named
    assert hub.started == []


@settings(deadline=None)
@given(
    st.binary(max_size=200)
    | st.dictionaries(st.sampled_from(["stage", "day", "x"]), st.text()).map(json.dumps).map(str.encode)
)
def test_no_body_breaks_a_scoring(content: bytes):
    hub = Hub()
    try:
        operations.start_scoring(content, hub, repository=FakeRepository())  # type: ignore[arg-type] - a fake
    except BadRequest:
        assert hub.started == []


# --- lost pushes ------------------------------------------------------------------------------------------


@dataclass
class Lookout:
    """The look for lost pushes, with what it looks at."""

    repository: FakeRepository
    ledger: FakeLedger = field(default_factory=FakeLedger)
    events: FakeEvents = field(default_factory=FakeEvents)

    def look(self) -> list[str]:
        return operations.announce_lost_pushes(
            repository=self.repository,  # type: ignore[arg-type] - a fake of its shape
            ledger=self.ledger,  # type: ignore[arg-type] - a fake of its shape
            events=self.events,  # type: ignore[arg-type] - a fake of its shape
            settings=SETTINGS,
        )


@pytest.fixture
def lookout(repository: FakeRepository) -> Lookout:
    return Lookout(repository)


def test_a_branch_whose_head_was_not_handled_is_announced(lookout: Lookout):
    lookout.ledger.set_head("main", MAIN)
    lookout.ledger.set_head("develop", "c" * 40)
    assert lookout.look() == ["develop"]
    [event] = lookout.events.published
    push = read_push_event({"eventType": event.event_type, "data": event.data})
    assert (push.branch, push.before, push.after, push.requester) == (
        "develop",
        "c" * 40,
        DEVELOP,
        "data-scientist",
    )


def test_a_branch_never_seen_is_announced_as_new(lookout: Lookout):
    assert lookout.look() == ["main", "develop"]
    assert {event.data["before"] for event in lookout.events.published} == {ZERO_COMMIT}


def test_until_it_is_handled_it_is_announced_as_the_same_event(lookout: Lookout):
    lookout.ledger.set_head("main", MAIN)
    lookout.look()
    lookout.look()
    assert len({event.id for event in lookout.events.published}) == 1
    lookout.ledger.set_head("develop", DEVELOP)
    assert lookout.look() == []


def test_an_outage_of_the_git_host_is_waited_out(lookout: Lookout):
    lookout.repository.outage = True
    assert lookout.look() == []
    lookout.repository.outage = False
    assert lookout.look() == ["main", "develop"]


def test_an_outage_of_our_own_is_not_hidden(lookout: Lookout):
    lookout.events.outage = True
    with pytest.raises(Outage):
        lookout.look()
