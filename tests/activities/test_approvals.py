"""Links, mails, votes, reminders."""

import re
from dataclasses import replace

import pytest

from activities.approvals import (
    approval_token,
    ask_approvers,
    close_approval,
    count_votes,
    escalate_approval,
    remind_approvers,
    token_hash,
)
from activities.questions import open_question, release_question
from busbar.domain.agenda import Action, agenda
from busbar.domain.approval import ApprovalRequest, ApprovalVerdict, Choice, Outcome, Vote
from busbar.domain.errors import Conflict, Rejected
from busbar.domain.policies import GateName
from busbar.domain.steps import Question, ReleaseQuestion, Reminder
from tests.activities.bench import CIRC1, CIRC2, COMMIT, SETTINGS, Bench, pin
from tests.fakes import FakeMail


def ask(bench: Bench, gate: GateName = GateName.PROD_DEPLOYMENT) -> ApprovalRequest:
    return bench.run(release_question, ReleaseQuestion(bench.release(pin(CIRC1), pin(CIRC2)), gate))


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
    assert [(owner[0].request, owner[1]) for owner in owners if owner] == [
        (question, person) for person in question.approvers
    ]


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


def test_a_mail_about_something_else_needs_no_release(bench: Bench):
    question = Question(
        GateName.DRIFT_RETRAIN, "PLANT1", "Retrain PLANT1", "why", "d" * 64, "timer", COMMIT, bench.policies()
    )
    bench.run(ask_approvers, bench.run(open_question, question))
    assert mailed(bench, "drift-retrain: Retrain PLANT1") == ["ml-lead", "ml-lead-deputy"]


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


def test_closing_says_what_the_votes_said(bench: Bench):
    question = ask(bench)
    bench.run(ask_approvers, question)
    vote(bench, question, 2, Choice.REJECT, "too early")
    verdict = bench.run(close_approval, question)
    assert verdict == ApprovalVerdict(question.id, Outcome.REJECTED, "plant-lead rejected: too early")
    assert bench.run(close_approval, question) == verdict
    assert bench.approvals.open() == []


def test_closing_without_a_decision_is_the_expiry(bench: Bench):
    question = ask(bench)
    bench.run(ask_approvers, question)
    vote(bench, question, 0)
    verdict = bench.run(close_approval, question)
    assert verdict.sentence == "only 1 of 2 votes until 2025-12-12T12:00:00+00:00"
    assert verdict.outcome is Outcome.EXPIRED
    with pytest.raises(Conflict, match="only 1 of 2 votes"):
        vote(bench, question, 1)


def test_what_happened_is_audited_and_a_vote_that_could_not_be_is_when_it_closes(bench: Bench):
    question = ask(bench)
    bench.run(ask_approvers, question)
    bench.run(remind_approvers, reminder(question))
    bench.run(escalate_approval, escalation(question))
    vote(bench, question, 0)
    vote(bench, question, 1)
    bench.run(close_approval, question)
    subject = question.subject
    assert [(entry.kind, entry.sentence) for entry in bench.audit.entries()] == [
        ("approval-asked", f"{subject}: asked: platform-lead, senior-engineer, plant-lead"),
        ("approval-reminded", f"{subject}: reminded (1): platform-lead, senior-engineer, plant-lead"),
        (
            "approval-escalated",
            f"{subject}: escalated to ml-lead, ml-lead-deputy",
        ),
        ("vote", f"platform-lead approved {subject}"),
        ("vote", f"senior-engineer approved {subject}"),
        ("verdict", f"{subject}: approved by platform-lead and senior-engineer"),
    ]


# --- reminders and escalation -----------------------------------------------------------------------------


def reminder(question: ApprovalRequest, number: int = 1) -> Reminder:
    return Reminder(question, next(due for due in agenda(question) if due.number == number))


def escalation(question: ApprovalRequest) -> Reminder:
    return Reminder(question, next(due for due in agenda(question) if due.action is Action.ESCALATE))


def mailed(bench: Bench, text: str) -> list[str]:
    return sorted(mail.to.partition("@")[0] for mail in bench.mail.sent.values() if text in mail.subject)


def test_only_who_has_not_voted_is_reminded_and_once(bench: Bench):
    question = ask(bench)
    bench.run(ask_approvers, question)
    vote(bench, question, 1)
    for _ in range(2):
        bench.run(remind_approvers, reminder(question))
    assert mailed(bench, "Reminder 1: prod-deployment") == ["plant-lead", "platform-lead"]
    bench.run(remind_approvers, reminder(question, 2))
    assert mailed(bench, "Reminder 2: ") == ["plant-lead", "platform-lead"]
    text = next(mail.text for mail in bench.mail.sent.values() if "Reminder 1" in mail.subject)
    assert "You have not voted yet: 1 of 2 votes so far. This moves no deadline." in text
    assert "2025-12-12 12:00 UTC" in text
    dossier = bench.approvals.dossier(question.id)
    assert dossier
    assert [(one.kind, one.number, one.logins) for one in dossier.notices] == [
        ("asked", 0, ("platform-lead", "senior-engineer", "plant-lead")),
        ("reminded", 1, ("platform-lead", "plant-lead")),
        ("reminded", 2, ("platform-lead", "plant-lead")),
    ]


def test_nobody_is_reminded_of_what_is_decided(bench: Bench):
    question = ask(bench)
    bench.run(ask_approvers, question)
    vote(bench, question, 0, Choice.REJECT, "no")
    bench.run(remind_approvers, reminder(question))
    bench.run(escalate_approval, escalation(question))
    assert mailed(bench, "Reminder") == mailed(bench, "Escalated") == []


def test_an_escalation_lets_others_vote_by_links_of_their_own(bench: Bench):
    question = ask(bench)
    bench.run(ask_approvers, question)
    bench.run(escalate_approval, escalation(question))
    assert mailed(bench, "Escalated: prod-deployment") == ["ml-lead", "ml-lead-deputy"]
    deputy = question.escalation[1]
    found = bench.approvals.find(token_hash(approval_token(question, deputy.object_id, SETTINGS)))
    assert found
    assert found[1] == deputy
    early, late = "2025-12-11T11:59:59+00:00", "2025-12-11T12:00:00+00:00"
    ballot = Vote(question.id, deputy.object_id, deputy.login, Choice.APPROVE, at=early)
    with pytest.raises(Conflict, match="ml-lead-deputy is not asked"):
        bench.approvals.cast(ballot)
    bench.approvals.cast(replace(ballot, at=late))
    vote(bench, question, 0)
    assert (
        bench.run(count_votes, question).sentence
        == "approved by ml-lead-deputy (escalated) and platform-lead"
    )


def test_who_is_added_by_the_escalation_is_reminded_later_on(bench: Bench):
    question = replace(ask(bench), reminder_hours=12.0)
    bench.run(ask_approvers, question)
    bench.run(remind_approvers, reminder(question, 4))  # at the hour of the escalation
    bench.run(escalate_approval, escalation(question))
    bench.run(remind_approvers, reminder(question, 5))
    assert mailed(bench, "Reminder 4") == ["plant-lead", "platform-lead", "senior-engineer"]
    assert mailed(bench, "Reminder 5") == [
        "ml-lead", "ml-lead-deputy", "plant-lead", "platform-lead", "senior-engineer",
    ]  # fmt: skip


# --- addresses that the service refuses -------------------------------------------------------------------


class Particular(FakeMail):
    """A mail service that takes no mail to some."""

    refused: tuple[str, ...] = ()

    def send(self, to: str, subject: str, html: str, text: str, *, operation_id: str) -> None:
        if to in self.refused:
            raise Rejected(f"cannot send mail: {to} is no address")
        super().send(to, subject, html, text, operation_id=operation_id)


def test_one_wrong_address_keeps_nobody_else_from_being_asked(bench: Bench):
    mail = Particular()
    mail.refused, bench.mail = ("plant-lead@example.com",), mail
    question = ask(bench)
    bench.run(ask_approvers, question)
    dossier = bench.approvals.dossier(question.id)
    assert dossier
    assert dossier.notices[0].logins == ("platform-lead", "senior-engineer")
    assert dossier.notices[0].failed == (
        "plant-lead: cannot send mail: plant-lead@example.com is no address",
    )


def test_a_question_that_reaches_nobody_is_an_error(bench: Bench):
    mail = Particular()
    mail.refused, bench.mail = ("qa-lead@example.com", "qa-engineer@example.com"), mail
    with pytest.raises(Rejected, match=r"qa-lead@example\.com is no address"):
        bench.run(ask_approvers, ask(bench, GateName.TEST_DEPLOYMENT))
