"""Processes that die in the middle of an activity: before its first call of a client, before its second, and so on."""

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.activities.bench import Bench

CLIENTS = (
    "ml",
    "records",
    "blobs",
    "evidence",
    "environments",
    "approvals",
    "mail",
    "repository",
    "reports",
    "audit",
    "releases",
    "drifts",
    "events",
)
MANY = 100


class Killed(Exception):
    """The process died before this call."""


@dataclass
class _Life:
    """How many calls of clients the process still lives for."""

    calls: int

    def spend(self, call: str) -> None:
        if self.calls == 0:
            raise Killed(call)
        self.calls -= 1


@dataclass
class _Client:
    """A client whose calls take a life."""

    name: str
    client: Any
    life: _Life

    def __getattr__(self, method: str) -> Callable[..., Any]:
        def call(*values: Any, **named: Any) -> Any:
            self.life.spend(f"{self.name}.{method}")
            return getattr(self.client, method)(*values, **named)

        return call


def killed_at_every_call(bench: Bench, activity: Callable[..., Any], request: Any) -> Iterator[str]:
    """Run the activity again and again, each time a call further, until it gets through; the calls not made."""
    for calls in range(MANY):
        try:
            with _living(bench, calls):
                bench.run(activity, request)
        except Killed as killed:
            yield str(killed)
        else:
            return
    raise AssertionError(f"{activity.__name__} makes more than {MANY} calls")


@contextmanager
def _living(bench: Bench, calls: int) -> Generator[None]:
    life, real = _Life(calls), {name: getattr(bench, name) for name in CLIENTS}
    vars(bench).update({name: _Client(name, client, life) for name, client in real.items()})
    try:
        yield
    finally:
        vars(bench).update(real)
