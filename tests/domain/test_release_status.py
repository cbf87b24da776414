"""Where a circuit of a release set stands, from what is on record."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pytest

from busbar.domain.approval import ApprovalRequest, ApprovalVerdict, Choice, Dossier, Outcome, Vote
from busbar.domain.circuits import CircuitKey
from busbar.domain.policies import GateName, Stage
from busbar.domain.records import Candidate, DeploymentRecord, RolledBack
from busbar.domain.release_record import (
    Held,
    Leg,
    Origin,
    Place,
    ReleaseRecord,
    ReleaseStatus,
    Superseded,
)
from busbar.domain.release_status import GATES, OnRecord, State, latest, standings
from tests.domain.pins import pin, release

PIN = pin("CIRC1")
KEY = PIN.key
RECORD = ReleaseRecord.of(release(PIN, pin("CIRC2")), Origin.TRAINING, "2025-12-09T12:00:00.000+00:00")
SERVES = DeploymentRecord(
    KEY, Stage.TEST, "be", "circ1-v3", "m", "3", "2025-12-03", "c.yaml", "noon", RECORD.id
)


def leg(place: Place, *reached: CircuitKey, why: str = "") -> Leg:
    held = () if KEY in reached else (Held(KEY, why),)
    return Leg(place, "…", "later", reached, held)


def dossier(place: Place, outcome: Outcome | None = None, *votes: Vote, said: str = "so they say") -> Dossier:
    id = f"approve-{GATES[place]}-{RECORD.id}-12345678"
    request = ApprovalRequest(id, GATES[place], "s", "t", "digest", "somebody", (), 2, "tomorrow", RECORD.id)
    return Dossier(request, votes, ApprovalVerdict(id, outcome, said) if outcome else None)


@dataclass(frozen=True)
class Case:
    """What is on record, and the states that follow at registry, test and prod, with what the last one says."""

    legs: tuple[Leg, ...]
    asked: tuple[Dossier, ...]
    states: tuple[State, State, State]
    says: str = ""
    superseded: tuple[Superseded, ...] = ()
    serving: Mapping[Stage, DeploymentRecord] = field(default_factory=dict[Stage, DeploymentRecord])
    status: ReleaseStatus = ReleaseStatus.OPEN


REACHED = leg(Place.REGISTRY, KEY)
TESTED = leg(Place.TEST, KEY)
EXCLUDED = Vote("x", "o", "qa-lead", Choice.APPROVE, "a known drift", (KEY,))
NEWER = replace(SERVES, model_version="4", release_id="r-newer", deployment="circ1-v4")
BACK = RolledBack("circ1-v3", "3", RECORD.id, "rollback-1", "rule", "error 9 % > 5 %", "noon")
RAMP = Candidate(
    "circ1-v3", "m", "3", "2025-12-03", "c.yaml", "noon", RECORD.id, share=25, progress="step 2 of 4"
)
AHEAD, NEVER = State.AHEAD, State.NEVER

CASES = {
    "just composed": Case((), (), (AHEAD, AHEAD, AHEAD)),
    "waits": Case(
        (),
        (dossier(Place.REGISTRY),),
        (State.WAITING, AHEAD, AHEAD),
        "waits for registry-promotion: 0 of 2 votes, until tomorrow",
    ),
    "approved": Case(
        (), (dossier(Place.REGISTRY, Outcome.APPROVED),), (State.GOING, AHEAD, AHEAD), "so they say"
    ),
    "promoted": Case((REACHED,), (), (State.PROMOTED, AHEAD, AHEAD), "v3 is in the registry"),
    "promoted and waits": Case(
        (REACHED,),
        (dossier(Place.TEST),),
        (State.PROMOTED, State.WAITING, AHEAD),
        "waits for test-deployment",
    ),
    "deployed": Case(
        (REACHED, TESTED),
        (),
        (State.PROMOTED, State.DEPLOYED, AHEAD),
        "v3 serves test since noon",
        serving={Stage.TEST: SERVES},
    ),
    "served it before": Case(
        (REACHED, TESTED),
        (),
        (State.PROMOTED, State.DEPLOYED, AHEAD),
        "v3 serves test",
        serving={Stage.TEST: replace(SERVES, release_id="r-old")},
    ),
    "ramping": Case(
        (REACHED,),
        (),
        (State.PROMOTED, State.RAMPING, AHEAD),
        "v3 takes 25 %: step 2 of 4",
        serving={Stage.TEST: replace(NEWER, candidate=RAMP)},
    ),
    "replaced": Case(
        (REACHED, TESTED),
        (),
        (State.PROMOTED, State.REPLACED, AHEAD),
        "v4 of release set r-newer serves test since noon",
        serving={Stage.TEST: NEWER},
    ),
    "rolled back": Case(
        (REACHED, TESTED),
        (),
        (State.PROMOTED, State.ROLLED_BACK, AHEAD),
        "v3 was rolled back by rule at noon UTC: error 9 % > 5 %",
        serving={Stage.TEST: replace(NEWER, rolled_back=(BACK,))},
    ),
    "held back": Case(
        (REACHED, leg(Place.TEST, why="max_mae failed")),
        (),
        (State.PROMOTED, State.HELD, NEVER),
        "max_mae failed",
    ),
    "left out": Case(
        (),
        (dossier(Place.REGISTRY, Outcome.APPROVED, EXCLUDED),),
        (State.EXCLUDED, NEVER, NEVER),
        "left out by qa-lead at registry-promotion: a known drift",
    ),
    "rejected": Case(
        (leg(Place.REGISTRY, why="was not promoted: qa-lead rejected: no"),),
        (dossier(Place.REGISTRY, Outcome.REJECTED),),
        (State.REJECTED, NEVER, NEVER),
        "qa-lead rejected: no",
        status=ReleaseStatus.REJECTED,
    ),
    "expired": Case(
        (REACHED,),
        (dossier(Place.TEST, Outcome.EXPIRED, said="nobody decided"),),
        (State.PROMOTED, State.REJECTED, NEVER),
        "nobody decided",
    ),
    "superseded": Case(
        (REACHED,),
        (dossier(Place.TEST, Outcome.SUPERSEDED),),
        (State.PROMOTED, State.SUPERSEDED, NEVER),
        "release set r-newer pins the circuit",
        (Superseded(KEY, "r-newer"),),
    ),
    "superseded after it was deployed": Case(
        (REACHED, TESTED),
        (),
        (State.PROMOTED, State.DEPLOYED, State.SUPERSEDED),
        "r-newer",
        (Superseded(KEY, "r-newer"),),
        {Stage.TEST: SERVES},
    ),
    "another one superseded, asked anew": Case(
        (),
        (dossier(Place.REGISTRY, Outcome.SUPERSEDED), dossier(Place.REGISTRY)),
        (State.WAITING, AHEAD, AHEAD),
        "waits for",
        (Superseded(CircuitKey("PLANT1", "CIRC2"), "r-newer"),),
    ),
    "failed before it came there": Case((), (), (NEVER, NEVER, NEVER), status=ReleaseStatus.FAILED),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_circuit_stands_where_the_records_say(case: Case):
    record = replace(RECORD, legs=case.legs, superseded=case.superseded, status=case.status)
    deployments = {(stage, KEY): serving for stage, serving in case.serving.items()}
    found = standings(PIN, OnRecord(record, case.asked, deployments))
    assert tuple(one.state for one in found) == case.states
    assert [one.place for one in found] == list(Place)
    assert case.says in latest(found).sentence


def test_every_place_has_its_gate():
    assert list(GATES.values()) == [
        GateName.REGISTRY_PROMOTION,
        GateName.TEST_DEPLOYMENT,
        GateName.PROD_DEPLOYMENT,
    ]
