"""What is done about drift: decided once, told once, asked of those who decide, and put on record."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from activities.responses import announce_drift, close_incident, drift_question, plan_responses, tell_owners
from busbar.domain.approval import ApprovalRequest
from busbar.domain.circuits import CircuitKey
from busbar.domain.drift import CircuitDrift, DriftRecord, DriftVerdict, remembered
from busbar.domain.drift_plan import Incident, IncidentStatus
from busbar.domain.errors import Rejected
from busbar.domain.events import DriftDetected, EventType
from busbar.domain.policies import GateName, Stage
from busbar.domain.steps import DriftResponding, IncidentEnd, MonitoringPlan, MonitoringRun
from tests.activities.bench import CIRC1, CIRC2, CIRC3, COMMIT, SETTINGS, Bench
from tests.fakes import NOON

DAY = "2025-12-09"
RUN = MonitoringRun("monitor-prod-2025-12-09", Stage.PROD, date(2025, 12, 9))
OTHER = CircuitKey("PLANT2", "CIRC2")  # whose owner is senior-engineer


def judged(
    bench: Bench, key: CircuitKey, verdict: DriftVerdict = DriftVerdict.DATA, day: str = DAY, **rest: Any
) -> None:
    found = CircuitDrift(key, day, verdict, f"{key}: {verdict}", excess=2.0, **rest)
    bench.drifts.change_record(Stage.PROD, key, lambda before: remembered(before, Stage.PROD, found, NOON))


def decided(bench: Bench, *keys: CircuitKey) -> DriftResponding:
    request = DriftResponding(RUN, MonitoringPlan(COMMIT, bench.policies(), (keys,)))
    bench.run(plan_responses, request)
    return request


def detected(bench: Bench, *keys: CircuitKey) -> DriftDetected:
    for key in keys:
        judged(bench, key)
    decided(bench, *keys)
    incident = bench.drifts.incidents()[0]
    return DriftDetected(incident.id, incident.stage, incident.sentence)


def record(bench: Bench, key: CircuitKey) -> DriftRecord:
    found = bench.drifts.record(Stage.PROD, key)
    assert found is not None
    return found


# --- decided ------------------------------------------------------------------------------------------------


def test_what_is_decided_stands_beside_the_verdict_and_in_the_audit_log(bench: Bench):
    judged(bench, CIRC1)
    judged(bench, CIRC2, DriftVerdict.DATA_QUALITY)
    decided(bench, CIRC1, CIRC2)
    (incident,) = bench.drifts.incidents()
    assert (incident.circuits, incident.run, incident.status) == ((CIRC1,), RUN.id, IncidentStatus.DETECTED)
    assert record(bench, CIRC1).incident == incident.id
    assert record(bench, CIRC1).response == f"a retrain is asked for: {incident.id}"
    assert "repair the sensor first" in record(bench, CIRC2).response
    (entry,) = bench.audit.entries()
    assert (entry.kind, entry.subject, entry.actor) == ("drift", RUN.id, "drift policy")
    assert entry.sentence == (
        "prod 2025-12-09: 2 circuits judged: 1 data drift, 1 data quality; 1 retrain asked for in 1 incident"
    )


def test_what_was_decided_stays_decided(bench: Bench):
    judged(bench, CIRC1)
    request = decided(bench, CIRC1)
    before = bench.snapshot()
    judged(bench, CIRC1, DriftVerdict.SOUND)
    assert "1 data drift" in bench.run(plan_responses, request)
    assert bench.drifts.incidents() == before["drifts"].incidents()


def test_what_another_day_or_run_looked_at_is_not_decided_about(bench: Bench):
    judged(bench, CIRC1, day="2025-12-08")
    judged(bench, CIRC2)
    decided(bench, CIRC1)
    assert bench.drifts.incidents() == []


def test_what_another_stage_was_asked_about_is_not_asked_again(bench: Bench):
    detected(bench, CIRC1)
    found = CircuitDrift(CIRC1, DAY, DriftVerdict.DATA, "PLANT1/CIRC1: data drift", excess=2.0)
    bench.drifts.change_record(Stage.TEST, CIRC1, lambda before: remembered(before, Stage.TEST, found, NOON))
    run = replace(RUN, id="monitor-test-2025-12-09", stage=Stage.TEST)
    bench.run(plan_responses, DriftResponding(run, MonitoringPlan(COMMIT, bench.policies(), ((CIRC1,),))))
    assert len(bench.drifts.incidents()) == 1
    told = bench.drifts.record(Stage.TEST, CIRC1)
    assert told is not None
    assert told.response.endswith("is still undecided")


# --- told ---------------------------------------------------------------------------------------------------


def test_owners_are_told_what_is_new_in_one_mail_each(bench: Bench):
    judged(bench, CIRC1, DriftVerdict.DATA_QUALITY)
    judged(bench, CIRC2, DriftVerdict.SOUND, forecasts="PLANT1/CIRC2: flow is flat")
    judged(bench, OTHER)
    bench.run(tell_owners, decided(bench, CIRC1, CIRC2, OTHER))
    mails = {sent.to: sent for sent in bench.mail.sent.values()}
    assert set(mails) == {"data-scientist@example.com", "senior-engineer@example.com"}
    owner = mails["data-scientist@example.com"]
    for part in (owner.text, owner.html):
        assert "PLANT1/CIRC1: data quality" in part
        assert "PLANT1/CIRC2: flow is flat" in part
        assert "PLANT2/CIRC2" not in part
    assert owner.subject.startswith("[Busbar] PLANT1/CIRC1: data quality")
    assert owner.subject.endswith(", and 1 more")
    assert "a retrain is asked for" in mails["senior-engineer@example.com"].text
    assert f"{SETTINGS.public_url}/drift?stage=prod" in owner.text


def test_what_was_so_the_day_before_is_no_news(bench: Bench):
    for day in ("2025-12-08", DAY):
        judged(bench, CIRC1, DriftVerdict.DATA_QUALITY, day=day)
        judged(bench, CIRC2, DriftVerdict.SOUND, day=day, forecasts="flat")
    bench.run(tell_owners, decided(bench, CIRC1, CIRC2))
    assert bench.mail.sent == {}


def test_an_address_that_is_refused_keeps_nobody_else_from_knowing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
):
    send = bench.mail.send

    def picky(to: str, subject: str, html: str, text: str, *, operation_id: str) -> None:
        if to.startswith("data-scientist"):
            raise Rejected("no such mailbox")
        send(to, subject, html, text, operation_id=operation_id)

    monkeypatch.setattr(bench.mail, "send", picky)
    judged(bench, CIRC1)
    judged(bench, OTHER)
    assert bench.run(tell_owners, decided(bench, CIRC1, OTHER)) == ("data-scientist: no such mailbox",)
    assert [sent.to for sent in bench.mail.sent.values()] == ["senior-engineer@example.com"]


def test_a_circuit_without_an_owner_is_of_those_who_decide(bench: Bench):
    commit = bench.edit("config/circuits.yaml", "owner: data-scientist ", "").commit
    judged(bench, CIRC1)
    request = decided(bench, CIRC1)
    bench.run(tell_owners, replace(request, plan=replace(request.plan, commit=commit)))
    assert {sent.to for sent in bench.mail.sent.values()} == {
        "ml-lead@example.com",
        "ml-lead-deputy@example.com",
    }


# --- announced and asked ------------------------------------------------------------------------------------


def test_what_nobody_was_asked_about_yet_is_announced(bench: Bench):
    drift = detected(bench, CIRC1)
    assert bench.run(announce_drift, Stage.PROD) == (drift.incident,)
    (event,) = bench.events.published
    assert (event.event_type, event.id, event.subject) == (
        EventType.DRIFT_DETECTED, drift.incident, "prod/PLANT1/CIRC1",
    )  # fmt: skip
    bench.run(drift_question, drift)
    assert bench.run(announce_drift, Stage.PROD) == ()


def asked(bench: Bench, *keys: CircuitKey) -> tuple[ApprovalRequest, Incident]:
    drift = detected(bench, *keys)
    question = bench.run(drift_question, drift)
    assert question is not None
    incident = bench.drifts.incident(drift.incident)
    assert incident is not None
    return question, incident


def test_an_incident_is_asked_about_once_with_all_its_circuits(bench: Bench):
    question, incident = asked(bench, CIRC1, CIRC2, CIRC3)
    assert (question.gate, question.requester, question.quorum) == (GateName.DRIFT_RETRAIN, "busbar", 1)
    assert {person.login for person in question.approvers} == {"ml-lead", "ml-lead-deputy"}
    assert question.subject == "Train again in prod: PLANT1, plant-wide, data drift"
    assert [one.key for one in question.asked] == [CIRC1, CIRC2, CIRC3]
    assert question.asked[0].sentence == "PLANT1/CIRC1: data drift"
    assert question.asked[0].address == "/circuits/PLANT1/CIRC1/drift?stage=prod"
    assert (question.circuits, question.digest) == (3, incident.digest)
    assert (incident.status, incident.approval) == (IncidentStatus.WAITING, question.id)


# --- ended --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("end", "status"),
    [
        ({"commit": "c" * 40}, IncidentStatus.COMMITTED),
        ({}, IncidentStatus.REJECTED),
        ({"expired": True}, IncidentStatus.EXPIRED),
        ({"failed": True}, IncidentStatus.FAILED),
    ],
)
def test_how_it_ended_stands_with_every_circuit(bench: Bench, end: dict[str, Any], status: IncidentStatus):
    _, incident = asked(bench, CIRC1, CIRC2, CIRC3)
    request = IncidentEnd(incident.id, "as ml-lead said", excluded=(CIRC2,), **end)
    ended = bench.run(close_incident, request)
    assert (ended.status, ended.said, ended.at) == (status, "as ml-lead said", NOON)
    assert record(bench, CIRC1).response == f"{status}: as ml-lead said"
    assert record(bench, CIRC2).response == f"{status}: left out by who approved the rest"
    entry = bench.audit.entries()[-1]
    assert entry.sentence.endswith(f"on the same day: {status}: as ml-lead said")


def test_a_newer_incident_of_a_circuit_keeps_its_own_response(bench: Bench):
    _, incident = asked(bench, CIRC1)
    newer = replace(
        record(bench, CIRC1), incident="drift-newer", response="a retrain is asked for: drift-newer"
    )
    bench.drifts.change_record(Stage.PROD, CIRC1, lambda _: newer)
    bench.run(close_incident, IncidentEnd(incident.id, "late"))
    assert record(bench, CIRC1) == newer
