"""What the writer does when the disk is full, the database is locked, or a transition is at fault."""

import asyncio
import json
import logging
import sqlite3
import threading
import time

import pytest

from localazure.task_hub import client, workers
from localazure.task_hub.clock import SystemClock
from localazure.task_hub.database import connect, prepared
from localazure.task_hub.model import InstanceExists, Status, TaskHubUnavailable
from localazure.task_hub.writer import Writer

LOG = "localazure.task_hub.writer"
PAGE = 4096


def steps(ctx, n):
    results = []
    for step in range(4):
        results.append((yield ctx.call_activity("work", input=[n, step])))
    event = yield ctx.wait_for_external_event("go")
    return [len(results), event]


def wait(ctx, _):
    return (yield ctx.wait_for_external_event("go"))


class Disk:
    """Takes the space from the database that the hub writes to, and gives it back."""

    def __init__(self, monkeypatch):
        self.connections = list[sqlite3.Connection]()
        monkeypatch.setattr(client, "connect", self._connect)

    def _connect(self, *arguments, **settings):
        self.connections.append(connect(*arguments, **settings))
        return self.connections[-1]

    def leave(self, pages: int) -> None:
        (count,) = self.connections[0].execute("PRAGMA page_count").fetchone()
        self.connections[0].execute(f"PRAGMA max_page_count={count + pages}")

    def give_back(self) -> None:
        self.connections[0].execute("PRAGMA max_page_count=1000000")

    def interrupt_reading(self, interrupted: bool) -> None:
        self.connections[1].set_progress_handler((lambda: 1) if interrupted else None, 1)


@pytest.fixture
def disk(monkeypatch) -> Disk:
    return Disk(monkeypatch)


def messages(caplog, level: int) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.name == LOG and r.levelno == level]


def test_a_full_disk_stops_nothing_for_good(run, open_hub, disk, caplog):
    ran = []

    async def work(value):
        ran.append(tuple(value))
        await asyncio.sleep(0.001)
        return "x" * PAGE

    async def scenario():
        async with open_hub([steps], [work], limit=5) as hub:
            ids = [await hub.hub.start("steps", json.dumps(n), f"i{n}") for n in range(20)]
            await hub.until(lambda: len(ran) > 20)
            disk.leave(pages=10)
            await hub.until(lambda: hub.hub.trouble)
            with pytest.raises(TaskHubUnavailable, match=r"full\. Free space on its disk"):
                await hub.hub.start("steps", json.dumps("x" * 20 * PAGE), "refused")
            await asyncio.sleep(0.2)
            before = len(ran)
            await asyncio.sleep(0.2)
            assert len(ran) == before, "work goes on while nothing can be recorded"
            assert hub.hub.get("i0") is not None
            assert not any(hub.hub.get(instance_id).status.finished for instance_id in ids)
            disk.give_back()
            for n, instance_id in enumerate(ids):
                await hub.hub.raise_event(instance_id, "go", str(n))
            for n, instance_id in enumerate(ids):
                assert json.loads((await hub.finished(instance_id)).output) == [4, n]
            assert hub.hub.trouble is None
            assert hub.hub.get("refused") is None
        assert sorted(ran) == [(n, step) for n in range(20) for step in range(4)]

    run(scenario())
    began, ended = messages(caplog, logging.ERROR), messages(caplog, logging.WARNING)
    assert len(began) == len(ended) <= 3, "an outage is logged once, and its end"
    assert "database or disk is full" in began[0]


def test_one_result_that_does_not_fit_is_one_outage_though_the_rest_goes_on(run, open_hub, disk, caplog):
    def large(_):
        return "x" * 100 * PAGE

    def one(ctx, _):
        return len((yield ctx.call_activity("large")))

    async def scenario():
        async with open_hub([one, wait], [large]) as hub:
            disk.leave(pages=40)
            await hub.hub.start("one", None, "large")
            await hub.until(lambda: hub.hub.trouble)
            for n in range(20):
                await hub.hub.start("wait", None, f"small{n}")
                await asyncio.sleep(0.01)
                assert hub.hub.trouble
            disk.give_back()
            assert (await hub.finished("large")).output == str(100 * PAGE)
            assert hub.hub.trouble is None

    run(scenario())
    assert [len(messages(caplog, level)) for level in (logging.ERROR, logging.WARNING)] == [1, 1]


def test_a_hub_that_is_closed_while_the_disk_is_full_goes_on_at_the_next_start(run, open_hub, disk):
    ran = []

    def work(value):
        ran.append(tuple(value))
        return "x" * PAGE

    async def scenario():
        async with open_hub([steps], [work], grace=0.05) as hub:
            for n in range(5):
                await hub.hub.start("steps", json.dumps(n), f"i{n}")
                await hub.hub.raise_event(f"i{n}", "go", str(n))
            disk.leave(pages=0)
            await hub.until(lambda: hub.hub.trouble)
        async with open_hub([steps], [work]) as hub:
            for n in range(5):
                assert json.loads((await hub.finished(f"i{n}")).output) == [4, n]
        assert set(ran) == {(n, step) for n in range(5) for step in range(4)}

    run(scenario())


def test_a_database_that_another_program_locks_is_waited_for(run, open_hub, disk, tmp_path, caplog):
    async def scenario():
        async with open_hub([wait]) as hub:
            await hub.hub.start("wait", None, "i")
            await hub.hub.wait_until_started("i")
            disk.connections[0].execute("PRAGMA busy_timeout=10")
            other = sqlite3.connect(tmp_path / "hub.sqlite", isolation_level=None)
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(TaskHubUnavailable, match=r"locked\. End the other program"):
                await hub.hub.raise_event("i", "go", "1")
            assert hub.hub.trouble
            other.execute("ROLLBACK")
            other.close()
            await hub.hub.raise_event("i", "go", "2")
            assert (await hub.finished("i")).output == "2"
            assert hub.hub.trouble is None

    run(scenario())
    assert [len(messages(caplog, level)) for level in (logging.ERROR, logging.WARNING)] == [1, 1]


class Group:
    """Holds a writer back, so that what is handed in meanwhile makes one group."""

    def __init__(self, writer: Writer):
        self._writer = writer

    async def commit(self, *transitions):
        held = threading.Event()
        first = asyncio.create_task(self._apply(lambda _: held.wait(5)))
        await asyncio.sleep(0.01)
        rest = [asyncio.create_task(self._apply(transition)) for transition in transitions]
        await asyncio.sleep(0.01)
        held.set()
        await first
        return await asyncio.gather(*rest, return_exceptions=True)

    async def _apply(self, transition):
        return await self._writer.apply(transition, lambda effects: None)


def test_one_transition_at_fault_does_not_harm_its_neighbours(run, tmp_path):
    def violates(to):
        to.start("twice", "f", None)
        to._db.execute("INSERT INTO instances SELECT * FROM instances WHERE id='twice'")

    def breaks(to):
        to.start("broken", "f", None)
        raise LookupError("a bug")

    async def scenario():
        path = tmp_path / "hub.sqlite"
        with prepared(path):
            writer = Writer(connect(path), asyncio.get_running_loop(), SystemClock())
            results = await Group(writer).commit(
                lambda to: to.start("a", "f", None),
                violates,
                lambda to: to.start("b", "f", None),
                breaks,
                lambda to: to.start("a", "f", None),
                lambda to: to.start("c", "f", None),
            )
            await writer.close()
            ids = [row[0] for row in connect(path).execute("SELECT id FROM instances ORDER BY id")]
        kinds = [type(result) for result in results]
        nothing = type(None)
        assert kinds == [nothing, sqlite3.IntegrityError, nothing, LookupError, InstanceExists, nothing]
        assert ids == ["a", "b", "c"]
        assert writer.trouble is None

    run(scenario())


def test_what_is_small_is_kept_though_a_neighbour_does_not_fit(run, tmp_path):
    async def scenario():
        path = tmp_path / "hub.sqlite"
        with prepared(path):
            db = connect(path)
            writer = Writer(db, asyncio.get_running_loop(), SystemClock())
            (count,) = db.execute("PRAGMA page_count").fetchone()
            db.execute(f"PRAGMA max_page_count={count + 3}")
            results = await Group(writer).commit(
                lambda to: to.start("small", "f", None),
                lambda to: to.start("large", "f", "x" * 50 * PAGE),
                lambda to: to.start("small too", "f", None),
            )
            await writer.close()
            ids = [row[0] for row in db.execute("SELECT id FROM instances ORDER BY id")]
        assert [type(result) for result in results] == [type(None), TaskHubUnavailable, type(None)]
        assert ids == ["small", "small too"]

    run(scenario())


def test_what_a_caller_began_happens_even_if_it_does_not_wait(run, open_hub):
    async def scenario():
        async with open_hub([wait]) as hub:
            caller = asyncio.create_task(hub.hub.start("wait", None, "i"))
            await asyncio.sleep(0)
            caller.cancel()
            await hub.until(lambda: hub.hub.get("i"))
            await hub.until(lambda: hub.hub.get("i").status == Status.RUNNING)

    run(scenario())


def test_the_log_does_not_grow_without_end_and_is_gone_after_a_close(run, open_hub, tmp_path):
    path = tmp_path / "hub.sqlite"
    log = path.with_name("hub.sqlite-wal")
    payload, later = json.dumps("x" * 20_000), time.time() + 3600

    async def scenario():
        sizes = []
        async with open_hub([wait]) as hub:
            for _ in range(30):
                await asyncio.gather(*(hub.hub.start("wait", payload, start_at=later) for _ in range(50)))
                sizes.append(log.stat().st_size)
        assert max(sizes) < 24 * 1024 * 1024
        assert path.stat().st_size > 28 * 1024 * 1024
        assert not log.exists()

    run(scenario())


def test_what_could_not_be_read_is_tried_again(run, open_hub, disk, caplog, monkeypatch):
    monkeypatch.setattr(workers, "PAUSE_AFTER_FAILURE", 0.02)

    async def scenario():
        async with open_hub([wait]) as hub:
            await hub.hub.start("wait", None, "waiting")
            await hub.hub.wait_until_started("waiting")
            disk.interrupt_reading(True)
            await hub.hub.raise_event("waiting", "go", '"now"')
            await hub.until(lambda: "turn of waiting" in caplog.text)
            disk.interrupt_reading(False)
            return await hub.finished("waiting")

    assert json.loads(run(scenario()).output) == "now"
