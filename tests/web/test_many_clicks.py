"""Many people press at once, over HTTP, on a real table service: one outcome, and every page told the truth."""

import hashlib
import threading
from collections import Counter
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import uuid4

import httpx
import pytest

from busbar.clients.approvals import Approvals
from busbar.clients.audit import Audit
from busbar.domain.approval import ApprovalRequest, Choice, Dossier, Outcome
from busbar.domain.audit import verify
from busbar.domain.circuits import Person
from busbar.domain.policies import GateName
from busbar.durable import VOTED
from busbar.web import ballots
from tests.azure import LocalAzure
from tests.fakes import FakeEvidence, FakeRecords
from tests.served import Served, served

CLICKS = 50


@dataclass(frozen=True)
class Click:
    person: Person
    choice: Choice
    reply: httpx.Response


class NoSignIn:
    easy_auth = False


@dataclass
class Gate:
    """A request to a number of people, each with a link."""

    store: Approvals
    audit: Audit
    request: ApprovalRequest
    app: Served

    @classmethod
    @contextmanager
    def opened(
        cls, azure: LocalAzure, patch: pytest.MonkeyPatch, people: int, quorum: int
    ) -> Generator["Gate"]:
        id = f"approve-{uuid4()}"
        asked = tuple(Person(f"p{n}", f"p{n}@example.com", f"{id}-{n}") for n in range(people))
        request = ApprovalRequest(
            id, GateName.PROD_DEPLOYMENT, "Deploy", "all", "d1", "author", asked, quorum, "2999-01-01T00:00:00+00:00"
        )  # fmt: skip
        store = Approvals(azure.settings)
        audit = Audit(azure.settings, f"audit{uuid4().hex[:12]}")
        store.create(request, {one.object_id: _hash(_token(one)) for one in asked})
        clients = {"approvals": store, "audit": audit, "settings": NoSignIn()}
        with served(patch, clients | {"records": FakeRecords(), "evidence": FakeEvidence()}) as app:
            app.durable.running.add(id)
            yield cls(store, audit, request, app)

    def click(self, person: Person, choice: Choice) -> Click:
        link = _token(person)
        fields = {
            "csrf": ballots.csrf(link, self.request),
            "choice": choice,
            "reason": f"{person.login} says no",
        }
        url = f"{self.app.url}/approvals/{link}"
        return Click(person, choice, httpx.post(url, data=fields, timeout=60, trust_env=False))

    @property
    def woken(self) -> Counter[tuple[str, str]]:
        return Counter(self.app.durable.woken)

    @property
    def dossier(self) -> Dossier:
        dossier = self.store.dossier(self.request.id)
        assert dossier
        return dossier


def _token(person: Person) -> str:
    return f"token-of-{person.object_id}"


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def all_at_once(gate: Gate, choices: list[tuple[int, Choice]]) -> list[Click]:
    """Everybody waits for the same moment; who is asked and what they press, by place."""
    barrier = threading.Barrier(len(choices))

    def press(who: int, choice: Choice) -> Click:
        barrier.wait()
        return gate.click(gate.request.approvers[who], choice)

    with ThreadPoolExecutor(len(choices)) as pool:
        return [done.result() for done in [pool.submit(press, *one) for one in choices]]


YES, NO = Choice.APPROVE, Choice.REJECT
CROWDS = {
    "ten people, five clicks each, one against": (10, 3, [(n % 10, NO if n % 10 == 7 else YES) for n in range(CLICKS)]),
    "fifty people for a quorum of twenty": (50, 20, [(n, YES) for n in range(CLICKS)]),
    "fifty people, every second against": (50, 2, [(n, NO if n % 2 else YES) for n in range(CLICKS)]),
    "two people who cannot decide": (2, 2, [(n % 2, NO if n % 4 > 1 else YES) for n in range(CLICKS)]),
    "everybody, and still too few": (25, 26, [(n % 25, YES) for n in range(CLICKS)]),
}  # fmt: skip


@pytest.mark.parametrize(("people", "quorum", "choices"), CROWDS.values(), ids=CROWDS.keys())
def test_fifty_clicks_at_once_have_one_outcome(
    local_azure: LocalAzure,
    monkeypatch: pytest.MonkeyPatch,
    people: int,
    quorum: int,
    choices: list[tuple[int, Choice]],
):
    with Gate.opened(local_azure, monkeypatch, people, quorum) as gate:
        clicks = all_at_once(gate, choices)
        judge(gate, clicks, quorum)


def judge(gate: Gate, clicks: list[Click], quorum: int) -> None:
    dossier = gate.dossier
    counted = {click.person.login: click for click in clicks if click.reply.status_code == 200}

    # what counted is what was cast, once a person, and nothing after the verdict
    assert [click.reply.status_code for click in clicks].count(200) == len(counted) == len(dossier.votes)
    assert {vote.login: vote.choice for vote in dossier.votes} == {
        login: click.choice for login, click in counted.items()
    }
    assert {click.reply.status_code for click in clicks} <= {200, 410}
    assert all(vote.choice is YES for vote in dossier.votes[:-1])

    # the verdict is what the last counted vote made of it, and the record, the pages and the log agree
    if len(dossier.votes) < quorum and all(vote.choice is YES for vote in dossier.votes):
        assert dossier.verdict is None
        assert gate.woken == {}
    else:
        assert dossier.verdict
        rejected = dossier.votes[-1].choice is NO
        assert dossier.verdict.outcome is (Outcome.REJECTED if rejected else Outcome.APPROVED)
        last = counted[dossier.votes[-1].login]
        assert dossier.verdict.sentence in last.reply.text
        decided = [click for click in clicks if "This is decided" in click.reply.text]
        assert all(dossier.verdict.sentence in click.reply.text for click in decided)
        assert gate.woken[gate.request.id, VOTED] >= 1
        assert gate.store.conclude(gate.request.id).verdict == dossier.verdict
    entries = gate.audit.entries()
    assert sorted(entry.actor for entry in entries if entry.kind == "vote") == sorted(counted)
    assert verify(entries, gate.audit.head()).whole
