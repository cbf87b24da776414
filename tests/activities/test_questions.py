"""Questions: what is asked, of whom, until when, bound to what."""

from dataclasses import replace

import pytest

from activities.approvals import ask_approvers
from activities.assets import register_environment, share_environment
from activities.questions import environment_question, open_question, release_question
from busbar.domain.approval import ApprovalRequest, EvidenceLink, StandIn
from busbar.domain.errors import ConfigurationError, NotFound
from busbar.domain.policies import ApprovalPolicy, Demands, GateName, Policies, ScaleFreePolicy, Thresholds
from busbar.domain.release import ReleaseSet
from busbar.domain.steps import (
    EnvironmentPromotion,
    EnvironmentRegistration,
    Question,
    Release,
    ReleaseQuestion,
)
from tests.activities.bench import CIRC1, CIRC2, COMMIT, ENVIRONMENT, RUN, Bench, pin

REGISTERED = EnvironmentRegistration(ENVIRONMENT, "1.1.0", newly_registered=True)
PEOPLE = "config/people.yaml"
LEAD = "    object_id: 5f0c1d3e-0000-4000-8000-000000000006\n"  # of platform-lead


def ask(
    bench: Bench, gate: GateName = GateName.PROD_DEPLOYMENT, release: Release | None = None
) -> ApprovalRequest:
    asked = release or bench.release(pin(CIRC1), pin(CIRC2))
    return bench.run(release_question, ReleaseQuestion(asked, gate))


def stored(bench: Bench, request: ApprovalRequest) -> ReleaseSet:
    assert request.release_id
    release = bench.records.release(request.release_id)
    assert release
    return release


GATES = [
    (GateName.REGISTRY_PROMOTION, "Promote to the registry: ", ["ml-lead", "ml-lead-deputy"], 1),
    (GateName.TEST_DEPLOYMENT, "Deploy to test: ", ["qa-lead", "qa-engineer"], 1),
    (GateName.PROD_DEPLOYMENT, "Deploy to prod: ", ["platform-lead", "senior-engineer", "plant-lead"], 2),
]


@pytest.mark.parametrize(("gate", "verb", "logins", "quorum"), GATES)
def test_a_question_is_put_to_the_gates_group(
    bench: Bench, gate: GateName, verb: str, logins: list[str], quorum: int
):
    question = ask(bench, gate)
    assert question.subject.startswith(verb)
    assert [person.login for person in question.approvers] == logins
    assert (question.quorum, question.requester, question.circuits) == (quorum, "data-scientist", 2)
    assert question.digest == stored(bench, question).digest
    assert question.id == f"approve-{gate}-{question.release_id}-{question.digest[:8]}"
    assert (question.asked_at, question.expires_at) == (
        "2025-12-09T12:00:00+00:00",
        "2025-12-12T12:00:00+00:00",
    )
    assert COMMIT[:8] in question.summary


def test_a_question_knows_when_and_to_whom_it_is_escalated(bench: Bench):
    question = ask(bench)
    assert question.escalate_at == "2025-12-11T12:00:00+00:00"
    assert [person.login for person in question.escalation] == ["ml-lead", "ml-lead-deputy"]
    assert ask(bench, GateName.TEST_DEPLOYMENT).escalate_at is None


def test_a_question_about_less_is_another_question(bench: Bench):
    release = bench.release(pin(CIRC1), pin(CIRC2))
    whole, less = ask(bench, release=release), ask(bench, release=release.less((CIRC2,)))
    assert less.digest == stored(bench, less).without((CIRC2,)).digest != whole.digest
    assert less.id != whole.id
    assert (less.excluded, less.circuits) == ((CIRC2,), 1)
    assert "1 circuit" in less.subject


def test_a_repeat_keeps_the_deadline(bench: Bench):
    asked = replace(ask(bench), expires_at="2025-12-10T12:00:00+00:00")
    bench.run(ask_approvers, asked)
    assert ask(bench) == asked


def test_a_stage_that_asks_nobody_has_no_question(bench: Bench):
    release = bench.release(pin(), policies=Policies())
    assert bench.run(release_question, ReleaseQuestion(release, GateName.PROD_DEPLOYMENT)) is None


def test_the_other_gates_always_ask_somebody(bench: Bench):
    release = bench.release(pin(), policies=Policies())
    with pytest.raises(
        ConfigurationError, match=r"config/pipeline.yaml: approvals.registry-promotion is mis"
    ):
        ask(bench, GateName.REGISTRY_PROMOTION, release)


def test_a_release_that_is_not_on_record_cannot_be_asked_about(bench: Bench):
    with pytest.raises(NotFound, match="r-lost is not on record"):
        ask(bench, release=replace(bench.release(pin()), id="r-lost"))


def delegated(bench: Bench, to: str, start: str = "2025-12-01", until: str = "2025-12-31") -> Release:
    """A release of a commit in which platform-lead delegates."""
    delegate = f"    delegate: {{to: {to}, from: {start}, until: {until}}}\n"
    run = bench.edit(PEOPLE, LEAD, LEAD + delegate)
    return replace(bench.release(pin()), commit=run.commit)


def test_a_delegate_is_asked_in_a_members_place(bench: Bench):
    question = ask(bench, release=delegated(bench, "qa-lead"))
    assert [person.login for person in question.approvers] == ["qa-lead", "senior-engineer", "plant-lead"]
    assert question.stand_ins == (StandIn("qa-lead", "platform-lead"),)


def test_a_delegation_of_another_month_does_not_hold(bench: Bench):
    question = ask(bench, release=delegated(bench, "qa-lead", "2026-01-01", "2026-01-31"))
    assert question.approvers[0].login == "platform-lead"
    assert question.stand_ins == ()


def test_who_delegates_to_the_requester_is_asked_in_person(bench: Bench):
    question = ask(bench, release=delegated(bench, "data-scientist"))
    assert question.approvers[0].login == "platform-lead"


def test_a_question_that_nobody_could_answer_is_not_asked(bench: Bench):
    policies = replace(
        bench.policies(), approvals={GateName.PROD_DEPLOYMENT: ApprovalPolicy(("qa",), quorum=2)}
    )
    release = replace(bench.release(pin(), policies=policies), requester="qa-lead")
    with pytest.raises(
        ConfigurationError, match=r"needs 2 .* beside qa-lead, who asks for it, qa-engineer may"
    ):
        ask(bench, release=release)


# --- questions about something else -----------------------------------------------------------------------


def environment(bench: Bench, **policies: object) -> ApprovalRequest | None:
    given = replace(bench.policies(), **policies)  # type: ignore[arg-type] - fields of Policies
    return bench.run(environment_question, EnvironmentPromotion(RUN, REGISTERED, given))


def test_a_new_environment_is_asked_about_and_one_in_the_registry_is_not(bench: Bench):
    question = environment(bench)
    assert question
    assert question.subject == "Promote environment sensor-forecasting-env:1.1.0 to the registry"
    assert question.release_id is None
    assert [person.login for person in question.approvers] == ["ml-lead", "ml-lead-deputy"]
    bench.run(register_environment, RUN)
    bench.run(share_environment, EnvironmentPromotion(RUN, REGISTERED, Policies()))
    assert environment(bench) is None


def test_an_environment_without_a_policy_cannot_be_asked_about(bench: Bench):
    only = {GateName.TEST_DEPLOYMENT: ApprovalPolicy(("qa",))}
    with pytest.raises(ConfigurationError, match="registry-promotion is missing"):
        environment(bench, approvals=only)


@pytest.mark.parametrize("gate", [GateName.ENVIRONMENT_UPDATE, GateName.DRIFT_RETRAIN])
def test_anything_with_a_digest_can_be_asked_about(bench: Bench, gate: GateName):
    evidence = (EvidenceLink("compatibility matrix", "/environments/env/1.1.0"),)
    question = Question(
        gate, "env-1.1.0", "Update", "why", "d" * 64, "timer", COMMIT, bench.policies(), evidence
    )
    request = bench.run(open_question, question)
    assert (request.id, request.evidence) == (f"approve-{gate}-env-1.1.0-dddddddd", evidence)
    other = bench.run(open_question, replace(question, digest="e" * 64))
    assert other.id != request.id


@pytest.mark.parametrize("address", ["javascript:alert(1)", "data:text/html,x", "evil.example.com", ""])
def test_evidence_is_a_page(address: str):
    with pytest.raises(ValueError, match="neither a path nor an http"):
        EvidenceLink("click me", address)


@pytest.mark.parametrize(
    ("gate", "demands"),
    [
        (GateName.REGISTRY_PROMOTION, None),
        (GateName.TEST_DEPLOYMENT, Demands(Thresholds(7.0, 10.0, 0.80), ScaleFreePolicy())),
        (GateName.PROD_DEPLOYMENT, Demands(Thresholds(5.0, 7.0, 0.85), ScaleFreePolicy())),
    ],
)
def test_a_question_carries_what_the_stage_behind_it_demands(
    bench: Bench, gate: GateName, demands: Demands | None
):
    assert ask(bench, gate).demands == demands
