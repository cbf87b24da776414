"""The stand-ins have the clients' shape: what a test proves over a fake is asked of the real client alike."""

import inspect
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from busbar.clients.approvals import Approvals
from busbar.clients.audit import Audit
from busbar.clients.blobs import Blobs
from busbar.clients.email import Mail
from busbar.clients.environments import Environments
from busbar.clients.event_grid import Events
from busbar.clients.evidence import Evidence
from busbar.clients.ledger import Ledger
from busbar.clients.machine_learning import MachineLearning
from busbar.clients.records import Records
from busbar.clients.releases import Releases
from busbar.clients.reports import Reports
from busbar.clients.repositories import Repository
from busbar.domain.audit import verify
from tests import fakes

PAIRS = [
    (fakes.FakeApprovals, Approvals, set[str]()),
    (fakes.FakeAudit, Audit, set[str]()),
    (fakes.FakeBlobs, Blobs, {"delete", "delete_below", "write_once"}),
    (fakes.FakeMail, Mail, set[str]()),
    (fakes.FakeEvents, Events, set[str]()),
    (fakes.FakeEnvironments, Environments, set[str]()),
    (fakes.FakeEvidence, Evidence, set[str]()),
    (fakes.FakeLedger, Ledger, set[str]()),
    (fakes.FakeMachineLearning, MachineLearning, set[str]()),
    (fakes.FakeRecords, Records, set[str]()),
    (fakes.FakeReleases, Releases, set[str]()),
    (fakes.FakeReports, Reports, set[str]()),
    (fakes.FakeRepository, Repository, set[str]()),
]


def public(kind: type) -> dict[str, Callable[..., Any]]:
    found = inspect.getmembers(kind, inspect.isfunction)
    return {name: function for name, function in found if not name.startswith("_")}


@pytest.mark.parametrize(("fake", "real", "unused"), PAIRS, ids=[pair[1].__name__ for pair in PAIRS])
def test_a_fake_takes_and_gives_what_the_client_does(fake: type, real: type, unused: set[str]):
    ours, theirs = public(fake), public(real)
    assert theirs.keys() - ours.keys() == unused
    for name in theirs.keys() - unused:
        assert inspect.signature(ours[name]) == inspect.signature(theirs[name]), name


def test_many_threads_leave_one_chain():
    """An operator's thread writes while an activity does."""
    audit = fakes.FakeAudit()
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(lambda number: _say(audit, number), range(200)))
    finally:
        sys.setswitchinterval(interval)
    assert verify(audit.entries(), audit.head()).whole
    assert len(audit.entries()) == 200


def _say(audit: fakes.FakeAudit, number: int) -> None:
    said = {"kind": "vote", "subject": "r-1", "actor": "ml-lead", "sentence": "approved"}
    audit.append(id=f"vote-{number}", **said, details={})
