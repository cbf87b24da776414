"""Questions, links, mails, votes."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from activities.approvals import (
    approval_token,
    ask_approvers,
    close_approval,
    count_votes,
    environment_question,
    release_question,
    token_hash,
)
from activities.assets import register_environment, share_environment
from busbar.domain.approval import ApprovalRequest, ApprovalVerdict, Choice, Outcome, Vote
from busbar.domain.errors import ConfigurationError, Conflict, NotFound
from busbar.domain.policies import ApprovalPolicy, GateName, Policies
from busbar.domain.release import ReleaseSet
from busbar.domain.steps import EnvironmentPromotion, EnvironmentRegistration, Release, ReleaseQuestion
from tests.activities.bench import CIRC1, CIRC2, COMMIT, ENVIRONMENT, RUN, SETTINGS, Bench, pin

REGISTERED = EnvironmentRegistration(ENVIRONMENT, "1.1.0", newly_registered=True)


def ask(
    bench: Bench, gate: GateName = GateName.PROD_DEPLOYMENT, release: Release | None = None
) -> ApprovalRequest:
    return bench.run(
        release_question, ReleaseQuestion(release or bench.release(pin(CIRC1), pin(CIRC2)), gate)
    )


def stored(bench: Bench, request: ApprovalRequest) -> ReleaseSet:
    assert request.release_id
    release = bench.records.release(request.release_id)
    assert release
    return release


# --- questions --------------------------------------------------------------------------------------------

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
    assert (question.quorum, question.requester) == (quorum, "data-scientist")
    assert question.digest == stored(bench, question).digest
    assert question.id == f"approve-{gate}-{question.release_id}-{question.digest[:8]}"
    left = datetime.fromisoformat(question.expires_at) - datetime.now(UTC)
    assert timedelta(hours=71) < left <= timedelta(hours=72)


def test_a_question_about_less_is_another_question(bench: Bench):
    release = bench.release(pin(CIRC1), pin(CIRC2))
    whole, less = ask(bench, release=release), ask(bench, release=release.less((CIRC2,)))
    assert less.digest == stored(bench, less).without((CIRC2,)).digest != whole.digest
    assert less.id != whole.id
    assert less.excluded == (CIRC2,)
    assert "1 circuit" in less.subject


def test_a_repeat_keeps_the_deadline(bench: Bench):
    first = ask(bench)
    asked = replace(first, expires_at="2025-12-12T12:00:00+00:00")
    bench.run(ask_approvers, asked)
    assert ask(bench) == asked


def test_without_a_policy_nobody_can_be_asked(bench: Bench):
    release = bench.release(pin(), policies=Policies())
    with pytest.raises(
        ConfigurationError, match=r"config/pipeline.yaml: approvals.prod-deployment is missing"
    ):
        ask(bench, release=release)


def test_a_release_that_is_not_on_record_cannot_be_asked_about(bench: Bench):
    with pytest.raises(NotFound, match="r-lost is not on record"):
        ask(bench, release=replace(bench.release(pin()), id="r-lost"))


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


# --- mails and links --------------------------------------------------------------------------------------


def test_each_approver_gets_one_mail_with_a_link_of_their_own(bench: Bench):
    question = ask(bench)
    bench.run(ask_approvers, question)
    assert [mail.to for mail in bench.mail.sent.values()] == [person.mail for person in question.approvers]
    links = [
        re.findall(r"https://busbar\.example\.com/approvals/([\w-]+)", mail.text)
        for mail in bench.mail.sent.values()
    ]
    assert all(len(set(link)) == 1 and len(link[0]) == 43 for link in links)
    owners = [bench.approvals.find(token_hash(link[0])) for link in links]
    assert owners == [(question, person) for person in question.approvers]


def test_the_requester_gets_no_mail_and_no_link(bench: Bench):
    question = replace(ask(bench), requester="PLATFORM-LEAD")
    bench.run(ask_approvers, question)
    assert [mail.to for mail in bench.mail.sent.values()] == [
        "senior-engineer@example.com",
        "plant-lead@example.com",
    ]
    lead = question.approvers[0]
    assert bench.approvals.find(token_hash(approval_token(question, lead.object_id, SETTINGS))) is None


def test_only_the_hash_of_a_token_is_kept(bench: Bench):
    question = ask(bench)
    bench.run(ask_approvers, question)
    kept = repr(bench.approvals)
    for person in question.approvers:
        token = approval_token(question, person.object_id, SETTINGS)
        assert token not in kept
        assert token_hash(token) in kept


def test_a_token_is_the_same_again_and_bound_to_everything():
    from busbar.domain.circuits import Person

    people = (Person("one", "one@example.com", "oid-1"), Person("two", "two@example.com", "oid-2"))
    base = ApprovalRequest(
        "approve-x", GateName.PROD_DEPLOYMENT, "s", "t", "digest", "r", people, 1, "2025-12-12"
    )
    token = approval_token(base, "oid-1", SETTINGS)
    assert token == approval_token(
        replace(base, subject="other words", expires_at="later"), "oid-1", SETTINGS
    )
    others = [
        approval_token(base, "oid-2", SETTINGS),
        approval_token(replace(base, digest="other"), "oid-1", SETTINGS),
        approval_token(replace(base, id="approve-y"), "oid-1", SETTINGS),
        approval_token(base, "oid-1", replace(SETTINGS, approval_key="another key")),
    ]
    assert len({token, *others}) == 5


def test_a_mail_about_an_environment_needs_no_release(bench: Bench):
    question = environment(bench)
    assert question
    bench.run(ask_approvers, question)
    assert {mail.to for mail in bench.mail.sent.values()} == {
        "ml-lead@example.com",
        "ml-lead-deputy@example.com",
    }


# --- votes ------------------------------------------------------------------------------------------------


def vote(
    bench: Bench, request: ApprovalRequest, who: int, choice: Choice = Choice.APPROVE, reason: str = ""
) -> None:
    person = request.approvers[who]
    bench.approvals.cast(Vote(request.id, person.object_id, person.login, choice, reason))


def test_votes_are_counted_as_they_stand(bench: Bench):
    question = ask(bench)
    bench.run(ask_approvers, question)
    seen = [bench.run(count_votes, question)]
    for who in (0, 1):
        vote(bench, question, who)
        seen.append(bench.run(count_votes, question))
    assert [verdict.outcome for verdict in seen] == [Outcome.PENDING, Outcome.PENDING, Outcome.APPROVED]
    assert [verdict.sentence for verdict in seen[:2]] == ["0 of 2 votes", "1 of 2 votes"]


def test_a_verdict_is_written_once(bench: Bench):
    question = ask(bench)
    bench.run(ask_approvers, question)
    rejected = ApprovalVerdict(question.id, Outcome.REJECTED, "plant-lead rejected: too early")
    assert bench.run(close_approval, rejected) == rejected
    assert bench.run(close_approval, rejected) == rejected
    assert bench.approvals.verdict(question.id) == rejected
    with pytest.raises(Conflict):
        bench.run(close_approval, replace(rejected, outcome=Outcome.APPROVED))
    assert COMMIT[:8] in question.summary
