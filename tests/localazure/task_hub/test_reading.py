"""A turn is given what was there at one moment, whatever is committed while it is read."""

import contextlib

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
        Transitions(writing, 0).start("i", "any", None)

        def meanwhile(statement: str) -> None:
            if "inbox" in statement:
                reading.set_trace_callback(None)
                Transitions(writing, 0).suspend("i", None)

        reading.set_trace_callback(meanwhile)
        work = Reader(reading).work("i", 0)
        assert [event.WhichOneof("eventType") for event in work.events] == ["executionStarted"]
        assert Reader(reading).work("i", 0) is None
