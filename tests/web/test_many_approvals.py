"""Many open questions on a real table service: the board lists them, and answering one reads no other."""

import hashlib
import os
import time
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import httpx
import pytest

from busbar.clients.approvals import Approvals
from busbar.clients.audit import Audit
from busbar.clients.tables import Tables
from busbar.domain.approval import ApprovalRequest
from busbar.domain.circuits import Person
from busbar.domain.policies import GateName
from busbar.web import ballots
from tests.azure import LocalAzure
from tests.fakes import FakeEvidence, FakeRecords
from tests.served import KEY, served
from tests.web.test_many_clicks import NoSignIn

OPEN = int(
    os.environ.get("APPROVALS", "100")
)  # `APPROVALS=1000 … -s` prints the figures of docs/benchmarks.md
PEOPLE = tuple(Person(f"p{n}", f"p{n}@example.com", f"oid-{n}") for n in range(3))
JSON_BYTES = 1000  # a question


def question(number: int) -> ApprovalRequest:
    return ApprovalRequest(
        f"approve-prod-deployment-r-{number:012x}", GateName.PROD_DEPLOYMENT, f"Deploy to prod: r-{number:012x}, "
        "200 circuits", "200 models trained from commit 01234567.", "d1", "author", PEOPLE, 2,
        "2999-01-01T00:00:00+00:00", asked_at="2026-01-01T00:00:00+00:00"
    )  # fmt: skip


@pytest.fixture
def store(local_azure: LocalAzure) -> Approvals:
    """Approvals in tables of their own: the board shows what is in them, and nothing else."""
    found, tables, suffix = Approvals(local_azure.settings), Tables(local_azure.settings), uuid4().hex[:12]
    found._dossiers, found._tokens = tables[f"approvals{suffix}"], tables[f"tokens{suffix}"]
    return found


def test_many_questions_are_listed_and_one_is_answered(
    local_azure: LocalAzure, store: Approvals, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = time.perf_counter()
    with ThreadPoolExecutor(8) as pool:
        list(
            pool.map(lambda n: store.create(question(n), {"oid-0": hashed(f"link-of-{n:020}")}), range(OPEN))
        )
    opened = time.perf_counter() - begun
    clients = {"approvals": store, "audit": Audit(local_azure.settings, f"audit{uuid4().hex[:12]}")}
    clients |= {"records": FakeRecords(), "evidence": FakeEvidence(), "settings": NoSignIn()}
    with served(monkeypatch, clients) as app:
        page, page_seconds = timed(f"{app.url}/")
        document, json_seconds = timed(f"{app.url}/api/circuits")
        assert 0 < page.text.count("Deploy to prod: r-") < OPEN  # the page is short; the JSON has them all
        assert len(document.json()["pending"]) == OPEN
        assert len(document.content) < OPEN * JSON_BYTES
        monkeypatch.setattr(store, "open", None)  # who answers one question lists no other
        link = f"link-of-{OPEN // 2:020}"
        fields = {"csrf": ballots.csrf(link, question(OPEN // 2)), "choice": "approve"}
        begun = time.perf_counter()
        answer = httpx.post(f"{app.url}/approvals/{link}", data=fields, timeout=60, trust_env=False)
        answered = time.perf_counter() - begun
    assert answer.status_code == 200
    assert len(store.dossier(question(OPEN // 2).id).votes) == 1  # type: ignore[union-attr] - it was asked
    print(
        f"\n{OPEN} open: asked in {opened:.1f} s, board {page_seconds:.2f} s and {len(page.content) / 1e3:.0f} kB, "
        f"JSON {json_seconds:.2f} s and {len(document.content) / 1e3:.0f} kB, one answered in {answered:.2f} s"
    )


def timed(url: str) -> tuple[httpx.Response, float]:
    begun = time.perf_counter()
    answer = httpx.get(url, headers={"x-functions-key": KEY}, timeout=60, trust_env=False)
    return answer.raise_for_status(), time.perf_counter() - begun


def hashed(token: str) -> str:

    return hashlib.sha256(token.encode()).hexdigest()
