"""The ledger, on a real table service."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from busbar.clients.ledger import Ledger
from busbar.domain.errors import TemporarilyUnavailable
from tests.azure import LocalAzure

NOON = datetime(2025, 12, 9, 12, tzinfo=UTC)


def winners(ledger: Ledger, event: str, threads: int) -> int:
    def claimed(_: int) -> bool:
        try:
            return ledger.claim(event)
        except TemporarilyUnavailable:
            return False

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(claimed, range(threads))).count(True)


def test_of_twenty_threads_one_wins_the_claim(local_azure: LocalAzure):
    ledger, event = Ledger(local_azure.settings), f"push/{uuid4()}"
    assert winners(ledger, event, 20) == 1


def test_a_claim_is_busy_then_expires_and_is_taken_up_by_one(local_azure: LocalAzure):
    event = f"push/{uuid4()}"
    assert Ledger(local_azure.settings, now=lambda: NOON).claim(event, seconds=60)
    before = Ledger(local_azure.settings, now=lambda: NOON + timedelta(seconds=59))
    with pytest.raises(TemporarilyUnavailable, match="somebody else"):
        before.claim(event)
    after = Ledger(local_azure.settings, now=lambda: NOON + timedelta(seconds=61))
    assert winners(after, event, 10) == 1


def test_a_done_event_is_never_claimed_again(local_azure: LocalAzure):
    event = f"push/{uuid4()}"
    ledger = Ledger(local_azure.settings, now=lambda: NOON)
    assert ledger.claim(event)
    ledger.done(event)
    assert not ledger.claim(event)
    assert not Ledger(local_azure.settings, now=lambda: NOON + timedelta(days=30)).claim(event)


def test_a_released_claim_is_free_at_once(local_azure: LocalAzure):
    ledger, event = Ledger(local_azure.settings), f"push/{uuid4()}"
    assert ledger.claim(event)
    ledger.release(event)
    assert ledger.claim(event)


@pytest.mark.parametrize("strange", ["a/b#c?d\\e", "ünïcode", "x" * 3000, "%20", ""])
def test_event_ids_may_be_any_text(local_azure: LocalAzure, strange: str):
    ledger, event = Ledger(local_azure.settings), f"{uuid4()}{strange}"
    assert ledger.claim(event)
    ledger.done(event)
    assert not ledger.claim(event)


@pytest.mark.parametrize("branch", ["develop", "release/1.0#x", "feature/ä?b"])
def test_heads_are_kept_per_branch(local_azure: LocalAzure, branch: str):
    ledger, branch = Ledger(local_azure.settings), f"{branch}-{uuid4()}"
    assert ledger.head(branch) is None
    ledger.set_head(branch, "a" * 40)
    ledger.set_head(branch, "b" * 40)
    assert ledger.head(branch) == "b" * 40
