"""Function keys are asked of the host that knows them; reports are kept under kind and id."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from uuid import uuid4

import pytest

from busbar.clients.keys import Keys
from busbar.clients.reports import Reports
from busbar.domain.errors import TemporarilyUnavailable
from tests.activities.bench import SETTINGS
from tests.azure import LocalAzure


@contextmanager
def host() -> Generator[str]:
    """A Functions host that accepts one key."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            accepted = self.path == "/api/key" and self.headers["x-functions-key"] == "right"
            self.send_response(204 if accepted else 401)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(
    ("key", "accepted"),
    [
        ("right", True),
        ("wrong", False),
        ("", False),
        ("right\r\nx: y", False),
        ("é", False),
        ("x" * 257, False),
    ],
)
def test_a_key_is_what_the_host_accepts(key: str, accepted: bool):
    with host() as url:
        assert Keys(replace(SETTINGS, public_url=url)).accepted(key) is accepted


def test_a_host_that_does_not_answer_says_nothing_about_a_key():
    with host() as url:
        pass
    with pytest.raises(TemporarilyUnavailable, match="could not be checked"):
        Keys(replace(SETTINGS, public_url=url)).accepted("right")


@dataclass(frozen=True)
class Report:
    number: int


def test_a_report_is_replaced_by_the_next_and_listed_under_its_kind(local_azure: LocalAzure):
    reports, kind = Reports(local_azure.settings), uuid4().hex
    assert reports.read(kind, "a") is None
    for id, number in (("b", 1), ("a", 2), ("a", 3)):
        reports.save(kind, id, Report(number))
    assert (reports.read(kind, "a"), reports.ids(kind)) == ({"number": 3}, ["a", "b"])
