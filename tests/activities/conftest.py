"""A bench with clean clients."""

import sys

import pytest

from activities import ACTIVITIES
from tests.activities.bench import Bench
from tests.fakes import NOON


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    """The clock of the records stands at noon."""
    for module in {sys.modules[activity.__module__] for activity in ACTIVITIES}:
        for clock in ("now", "moment"):
            if hasattr(module, clock):
                monkeypatch.setattr(module, clock, lambda: NOON)
    return Bench()
