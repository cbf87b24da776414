"""Going back: a table of what happens to whom, and what two rollbacks at once do to each other."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from busbar.domain.circuits import CircuitKey
from busbar.domain.errors import BadRequest, Rejected
from busbar.domain.policies import Stage
from busbar.domain.records import Candidate, DeploymentRecord, RolledBack, Served
from busbar.domain.rollback import (
    Cause,
    Move,
    Return,
    RollbackPlan,
    Scope,
    ScopeKind,
    Stay,
    plan,
    rollouts,
    step_back,
    step_forward,
)

KEY = CircuitKey("PLANT1", "CIRC1")
GOOD, BAD = "r-900d", "r-bad"
SINCE = "2025-12-10T00:00:00+00:00"


def served(version: int, release: str = GOOD, key: CircuitKey = KEY) -> Served:
    name = f"{key.plant_id}_{key.circuit_id}_model"
    return Served(
        f"{key.circuit_id.lower()}-v{version}", name, str(version), "2025-12-09", "c.yaml", "t", release
    )


def record(version: int = 2, release: str = BAD, key: CircuitKey = KEY) -> DeploymentRecord:
    """Version 2 of the bad release serves prod, version 1 served before."""
    first = DeploymentRecord.first(key, Stage.PROD, "be-plant1-prod", served(version - 1, key=key))
    return first.serving(served(version, release, key), SINCE)


def ramping(version: int = 3, release: str = BAD) -> DeploymentRecord:
    """Version 3 ramps up beside version 2; its deployment took the place of version 1's."""
    candidate = Candidate(**vars(served(version, release)), share=25)
    return replace(record(release=GOOD), candidate=candidate, previous_stands=False)


CAUSE = Cause("rollback-1", "operator", "it drifts", "2025-12-11")


def mark() -> RolledBack:
    return CAUSE.mark(served(2, BAD))


def scope(text: str = "PLANT1/CIRC1", stage: Stage = Stage.PROD) -> Scope:
    return Scope.parse(stage, text)


def back(found: DeploymentRecord) -> DeploymentRecord:
    """The record after a rollback of its circuit."""
    step = only(plan(scope(), [found]))
    return step_back(found, step, CAUSE)


def only(found: RollbackPlan) -> Return:
    [step] = found.returns
    return step


# --- scopes -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "kind", "said"),
    [
        ("PLANT1/CIRC1", ScopeKind.CIRCUIT, "PLANT1/CIRC1 in prod"),
        (" PLANT1 ", ScopeKind.PLANT, "PLANT1 in prod"),
        ("r-0123456789ab", ScopeKind.RELEASE, "r-0123456789ab in prod"),
        ("", ScopeKind.STAGE, "all of prod"),
    ],
)
def test_a_scope_is_read_from_what_an_operator_types(text: str, kind: ScopeKind, said: str):
    found = scope(text)
    assert (found.kind, found.target, str(found)) == (kind, text.strip(), said)


@pytest.mark.parametrize("text", ["PLANT1/", "/CIRC1", "a b", "PLANT1/CIRC1/x", "é", "'; drop", "PLANT1\x00"])
def test_what_is_no_scope_is_refused_by_name(text: str):
    with pytest.raises(BadRequest):
        scope(text)


OTHER_PLANT = record(key=CircuitKey("PLANT2", "CIRC1"))


@pytest.mark.parametrize(
    ("text", "covered"),
    [
        ("PLANT1/CIRC1", [KEY]),
        ("PLANT1", [KEY]),
        ("PLANT2", [OTHER_PLANT.key]),
        (BAD, [KEY, OTHER_PLANT.key]),
        ("r-other", []),
        ("", [KEY, OTHER_PLANT.key]),
        ("PLANT1/CIRC9", []),
    ],
)
def test_a_rollback_touches_its_scope_alone(text: str, covered: list[CircuitKey]):
    assert [step.key for step in plan(scope(text), [OTHER_PLANT, record()]).returns] == covered


def test_the_same_wish_on_the_same_state_is_the_same_rollback():
    again = replace(record(), since="2025-12-12T00:00:00+00:00")  # deployed once more meanwhile
    one, same, other = (plan(scope(), [found]).fingerprint for found in (record(), record(), again))
    assert one == same != other


def test_another_stage_stays_as_it_is():
    assert plan(scope(stage=Stage.TEST), [record()]).refused


# --- one circuit ------------------------------------------------------------------------------------------


def test_what_served_before_serves_again():
    assert only(plan(scope(), [record()])) == Return(
        KEY, Stage.PROD, Move.RETURN, "circ1-v2", "circ1-v1", SINCE, "PLANT1/CIRC1: v2 → v1 in prod"
    )


def test_a_deployment_that_is_gone_is_created_again():
    step = only(plan(scope(), [replace(record(), previous_stands=False)]))
    assert step.gone
    assert step.sentence.endswith("v2 → v1 in prod; circ1-v1 is gone and is created again from its record")


def test_during_a_ramp_the_candidate_alone_goes():
    step = only(plan(scope(), [ramping()]))
    assert (step.move, step.leaves, step.serves) == (Move.WITHDRAW, "circ1-v3", "circ1-v2")
    assert step.sentence == "PLANT1/CIRC1: candidate v3 is withdrawn, v2 goes on serving prod"


def test_a_ramp_of_another_release_goes_on():
    found = plan(scope(BAD), [replace(ramping(release="r-newer"), release_id=BAD)])
    assert only(found).move is Move.RETURN


@pytest.mark.parametrize(
    ("found", "text", "reason"),
    [
        (replace(record(), previous=None), "", "PLANT1/CIRC1: nothing served prod before v2"),
        (
            record().serving(served(1), "t").marked(mark()),
            "",
            "PLANT1/CIRC1 is already back: v2 was rolled back by operator at 2025-12-11 UTC: it drifts, "
            "and nothing else served prod before",
        ),
        (
            record().serving(served(1), "t").marked(mark()),
            BAD,
            "PLANT1/CIRC1 is already back: v1 serves prod",
        ),
    ],
)
def test_a_circuit_that_stays_says_why(found: DeploymentRecord, text: str, reason: str):
    refusal = plan(scope(text), [found])
    assert refusal.refused
    assert refusal.stays == (Stay(KEY, reason),)
    assert refusal.sentence == f"nothing is rolled back: {reason}"


def test_a_scope_in_which_nothing_serves_is_a_refusal():
    assert plan(scope("r-none"), [record()]).sentence == (
        "nothing is rolled back: nothing of r-none in prod is deployed"
    )


def test_a_drill_leaves_ramps_alone():
    found = plan(scope(""), [ramping(), OTHER_PLANT]).without_ramps()
    assert only(found).key == OTHER_PLANT.key
    assert found.stays == (Stay(KEY, "PLANT1/CIRC1: a ramp is under way in prod"),)


def test_a_plan_counts():
    found = plan(scope(""), [record(), replace(OTHER_PLANT, previous=None)])
    assert found.sentence == "all of prod: 1 circuit to roll back, 1 circuit to stay"


@pytest.mark.parametrize(
    ("text", "stopped"),
    [
        ("PLANT1/CIRC1", {BAD: (KEY,), GOOD: (KEY,)}),
        ("PLANT1", {BAD: (KEY,), GOOD: (KEY,)}),
        (BAD, {BAD: ()}),
        (GOOD, {GOOD: ()}),
        ("", {BAD: (), GOOD: ()}),
        ("PLANT2", {}),
    ],
)
def test_what_may_bring_a_circuit_forward_again_is_stopped(text: str, stopped: dict[str, Any]):
    assert rollouts(scope(text), [ramping()]) == stopped


STEP = only(plan(scope(), [record()]))


# --- the step itself --------------------------------------------------------------------------------------


def test_a_rollback_swaps_what_serves_with_what_served_and_marks_the_bad_one():
    after = back(record())
    assert (after.deployment, after.release_id) == ("circ1-v1", GOOD)
    assert after.previous
    assert after.previous.deployment == "circ1-v2"
    assert after.mark("circ1-v2") == mark()


def test_a_withdrawn_candidate_is_marked_and_what_serves_serves_on():
    after = back(ramping())
    assert (after.deployment, after.candidate) == ("circ1-v2", None)
    assert after.mark("circ1-v3")


def test_a_second_rollback_with_nothing_earlier_is_a_refusal():
    assert plan(scope(), [back(record())]).refused


def test_after_a_withdrawn_candidate_a_second_rollback_goes_one_further():
    assert only(plan(scope(), [back(ramping())])).serves == "circ1-v1"


def test_a_candidate_that_took_over_meanwhile_goes_back_all_the_same():
    step = only(plan(scope(), [ramping()]))
    over = ramping().serving(served(3, BAD), "t")
    assert step_back(over, step, CAUSE).deployment == "circ1-v2"


@pytest.mark.parametrize("before", [record(), ramping()])
def test_a_repeat_changes_nothing(before: DeploymentRecord):
    step = only(plan(scope(), [before]))
    after = step_back(before, step, CAUSE)
    assert step_back(after, step, replace(CAUSE, rollback="rollback-2")) == after


@pytest.mark.parametrize("meanwhile", [None, record().serving(served(4), "t")])
def test_what_changed_since_the_plan_is_left_alone(meanwhile: DeploymentRecord | None):
    with pytest.raises(Rejected, match="PLANT1/CIRC1"):
        step_back(meanwhile, only(plan(scope(), [record()])), CAUSE)


def test_a_drill_comes_forward_again():
    after = step_forward(back(record()), STEP, "rollback-1", "later")
    assert (after.deployment, after.rolled_back) == ("circ1-v2", ())
    assert after.previous
    assert after.previous.deployment == "circ1-v1"


def test_forward_of_what_that_rollback_did_not_touch_changes_nothing():
    assert step_forward(back(record()), STEP, "rollback-2", "later") == back(record())
    with pytest.raises(Rejected):
        step_forward(None, STEP, "rollback-1", "later")


def test_forward_does_not_take_over_from_what_was_deployed_since():
    newer = back(record()).serving(served(4), "t")
    after = step_forward(newer, STEP, "rollback-1", "later")
    assert after == newer.lifted("circ1-v2")


# --- whatever happens -------------------------------------------------------------------------------------

EVENTS = st.sampled_from(["deploy", "ramp", "advance", "back", "forward"])


@given(st.lists(EVENTS, max_size=30))
def test_whatever_happens_in_any_order_no_marked_deployment_serves(events: list[str]):
    """A model of a circuit's life: deployments count up, ramps start and finish, rollbacks go back and forward."""
    now, newest, gone = record(), 2, list[Return]()
    for event in events:
        match event:
            case "deploy":
                newest += 1
                now = now.serving(served(newest, BAD), "t")
            case "ramp" if now.candidate is None:
                newest += 1
                now = replace(now, candidate=Candidate(**vars(served(newest, BAD))), previous_stands=False)
            case "advance" if now.candidate:
                now = now.serving(served(int(now.candidate.model_version), BAD), "t")
            case "back" if (found := plan(scope(), [now])).returns:
                gone.append(only(found))
                now = step_back(now, gone[-1], CAUSE)
            case "forward" if gone:
                now = step_forward(now, gone.pop(), "rollback-1", "t")
            case _:
                continue
        assert now.mark(now.deployment) is None
        assert now.candidate is None or now.mark(now.candidate.deployment) is None
