"""What finished long ago is forgotten: parents first, then their children, never what is still needed."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest
from durabletask import task

from localazure.task_hub import retention
from localazure.task_hub.clock import ManualClock, sleep_until
from localazure.task_hub.model import Query, Status

DAY = 86_400.0
START = datetime(2031, 4, 1, tzinfo=UTC).timestamp()
WEEK = timedelta(days=7)


def leaf(ctx, value):
    yield from ()
    return value


def parent(ctx, children):
    calls = [
        ctx.call_sub_orchestrator("leaf", input=c, instance_id=f"{ctx.instance_id}:{c}") for c in children
    ]
    yield task.when_all(calls)
    return (yield ctx.wait_for_external_event("go"))


def waits(ctx, _):
    return (yield ctx.wait_for_external_event("go"))


def eternal(ctx, round_):
    yield ctx.call_sub_orchestrator("leaf", instance_id=f"round {round_}")
    yield ctx.wait_for_external_event("next")
    ctx.continue_as_new(round_ + 1)


def fails(ctx, _):
    raise ValueError("no luck")
    yield


def deserter(ctx, _):
    """Ends without waiting for its child."""
    ctx.call_sub_orchestrator("waits", instance_id="left behind")
    yield ctx.create_timer(timedelta(seconds=1))


ALL = [leaf, parent, waits, eternal, fails, deserter]


class Sweeps:
    """When the next sweep is due: known once the one before is done."""

    def __init__(self):
        self.next = START

    async def sleep_until(self, clock: ManualClock, when: float) -> None:
        self.next = when
        await sleep_until(clock, when)


@pytest.fixture(autouse=True)
def sweeps(monkeypatch) -> Sweeps:
    sweeps = Sweeps()
    monkeypatch.setattr(retention, "sleep_until", sweeps.sleep_until)
    monkeypatch.setattr(retention, "PAUSE", 0)
    monkeypatch.setattr(retention, "BATCH", 3)
    monkeypatch.setattr(retention, "LONGEST_INTERVAL", DAY / 10)
    return sweeps


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def pass_by(clock, sweeps):
    """Lets days pass for a hub, with their sweeps."""

    async def pass_by(hub, days: float) -> set[str]:
        async def settled() -> None:
            await hub.hub.settled()
            await hub.until(lambda: sweeps.next > clock.now())

        await clock.pass_time(days * DAY, settled)
        return {instance.id for instance in hub.hub.query(Query())}

    return pass_by


def test_what_finished_before_the_retention_goes_and_nothing_else(run, open_hub, clock, pass_by):
    async def scenario():
        async with open_hub(ALL, clock=clock, retention=WEEK) as hub:
            for n in range(8):
                await hub.run("leaf", n, f"old{n}")
            await hub.run("fails", None, "failed")
            await hub.hub.start("waits", None, "running")
            await hub.hub.start("leaf", None, "scheduled", start_at=START + 100 * DAY)
            await hub.hub.start("waits", None, "suspended")
            await hub.hub.suspend("suspended")
            await pass_by(hub, 4)
            await hub.run("leaf", 1, "young")
            assert len(await pass_by(hub, 2.9)) == 13
            assert await pass_by(hub, 0.2) == {"running", "scheduled", "suspended", "young"}
            assert hub.hub.history("old1") == []
            assert await pass_by(hub, 4) == {"running", "scheduled", "suspended"}

    run(scenario())


def test_children_stay_with_their_parent_and_go_with_it(run, open_hub, clock, pass_by):
    async def scenario():
        async with open_hub(ALL, clock=clock, retention=WEEK) as hub:
            await hub.hub.start("parent", json.dumps(list(range(7))), "p")
            assert len(await pass_by(hub, 30)) == 8
            await hub.hub.raise_event("p", "go")
            await hub.finished("p")
            assert len(await pass_by(hub, 6.9)) == 8
            assert await pass_by(hub, 0.2) == set()

    run(scenario())


def test_children_of_a_former_execution_go(run, open_hub, clock, pass_by):
    """Or an orchestration that lives for ever would keep all it ever started."""

    async def scenario():
        async with open_hub(ALL, clock=clock, retention=WEEK) as hub:
            await hub.hub.start("eternal", "1", "e")
            for _ in range(3):
                await pass_by(hub, 3)
                await hub.hub.raise_event("e", "next")
            assert await pass_by(hub, 0.1) == {"e", "round 2", "round 3", "round 4"}
            assert await pass_by(hub, 20) == {"e", "round 4"}

    run(scenario())


def test_a_child_that_outlives_its_parent_is_left_to_run(run, open_hub, clock, pass_by):
    async def scenario():
        async with open_hub(ALL, clock=clock, retention=WEEK) as hub:
            await hub.hub.start("deserter", None, "d")
            assert await pass_by(hub, 8) == {"left behind"}
            await hub.hub.raise_event("left behind", "go", "1")
            assert (await hub.finished("left behind")).status == Status.COMPLETED
            assert await pass_by(hub, 7.1) == set()

    run(scenario())


def test_without_a_retention_everything_is_kept(run, open_hub, clock):
    async def scenario():
        async with open_hub(ALL, clock=clock) as hub:
            await hub.run("leaf", 1, "old")
            clock.advance(10_000 * DAY)
            await asyncio.sleep(0.05)
            assert hub.hub.get("old") is not None

    run(scenario())


def test_the_file_shrinks(run, open_hub, clock, pass_by, tmp_path):
    async def scenario():
        async with open_hub(ALL, clock=clock, retention=WEEK) as hub:
            for n in range(20):
                await hub.run("leaf", "x" * 200_000, f"i{n}")
            await pass_by(hub, 7.1)

    run(scenario())
    assert (tmp_path / "hub.sqlite").stat().st_size < 1_000_000
