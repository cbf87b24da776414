"""A turn is given what was there at one moment, whatever is committed while it is read."""

import asyncio
import contextlib
import itertools
import sqlite3

import pytest

from localazure.task_hub.database import connect, prepared
from localazure.task_hub.store import Reader
from localazure.task_hub.transitions import Transitions


def test_an_instance_that_is_suspended_meanwhile_is_not_given_its_suspension(tmp_path):
    path = tmp_path / "hub.sqlite"
    with (
        prepared(path),
        contextlib.closing(connect(path)) as writing,
        contextlib.closing(connect(path)) as reading,
    ):
        given = [work_while_it_is_suspended(moment, writing, reading) for moment in range(1, 100)]
    assert all(kinds in (None, ["executionStarted"]) for kinds in given), given
    assert ["executionStarted"] in given


def work_while_it_is_suspended(moment, writing, reading):
    """The kinds of the events that an instance is given, which is suspended at a moment of the reading."""
    instance_id = f"i{moment}"
    Transitions(writing, 0).start(instance_id, "any", None)
    moments = itertools.count(1)

    def meanwhile() -> None:
        if next(moments) == moment:
            Transitions(writing, 0).suspend(instance_id, None)

    reading.set_progress_handler(meanwhile, 1)
    work = Reader(reading).work(instance_id, 0)
    reading.set_progress_handler(None, 1)
    return work and [event.WhichOneof("eventType") for event in work.events]


def test_another_thread_may_not_read_beside_the_loop(open_hub, run):
    """Its statements would keep an old commit in view, and a turn would miss what woke it."""

    async def read() -> None:
        async with open_hub() as hub:
            with pytest.raises(sqlite3.ProgrammingError, match="same thread"):
                await asyncio.to_thread(hub.hub.get, "any")
            assert hub.hub.get("any") is None

    run(read())
