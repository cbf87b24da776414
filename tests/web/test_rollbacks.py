"""Rollback by program and by button: what starts, what is refused, and that nobody presses it for somebody else."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlencode

import pytest

from busbar.domain.errors import BadRequest, Conflict
from busbar.domain.policies import Stage
from busbar.domain.records import Candidate, DeploymentRecord
from busbar.domain.recovery import InstanceStatus, Standing, Trail
from busbar.domain.rollback import Cause, Scope, plan, step_back
from busbar.domain.steps import CircuitMoved, RollbackReport, RollbackRun
from busbar.web import rollbacks
from busbar.web.reply import Reply
from tests.activities.bench import CIRC1, CIRC2, SETTINGS, serving
from tests.fakes import NOON, FakeAudit, FakeRecords, FakeReports

KEY = "a-function-key"


@dataclass
class Hub:
    """The durable client: what was started, and how what is known stands."""

    started: list[tuple[str, str, Any]] = field(default_factory=list[tuple[str, str, Any]])
    known: dict[str, InstanceStatus] = field(default_factory=dict[str, InstanceStatus])

    def start(self, orchestrator: str, instance_id: str, request: Any) -> bool:
        if instance_id in self.known:
            return False
        self.started.append((orchestrator, instance_id, request))
        self.known[instance_id] = InstanceStatus.RUNNING
        return True

    below: dict[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])

    def trail(self, instance_id: str) -> Trail:
        return Trail(self.below.get(instance_id, ()))

    def terminate(self, instance_id: str, reason: str) -> None:
        self.known[instance_id] = InstanceStatus.TERMINATED

    def standing(self, instance_id: str) -> Standing | None:
        status = self.known.get(instance_id)
        return status and Standing(instance_id, "rollback", status)


class Keys:
    """The Functions host: it knows one key."""

    def accepted(self, key: str) -> bool:
        return key == KEY


@dataclass
class Desk:
    """Everything that a rollback meets."""

    records: FakeRecords = field(default_factory=FakeRecords)
    reports: FakeReports = field(default_factory=FakeReports)
    audit: FakeAudit = field(default_factory=FakeAudit)
    hub: Hub = field(default_factory=Hub)
    easy_auth: bool = False

    @property
    def settings(self) -> Any:
        return replace(SETTINGS, easy_auth=self.easy_auth)

    def post(self, **fields: Any) -> Reply:
        body = json.dumps(fields).encode()
        return rollbacks.start_rollback(body, self.hub, records=self.records, audit=self.audit)  # type: ignore[arg-type] - a fake

    def lift(self, **fields: Any) -> Reply:
        return rollbacks.lift(json.dumps(fields).encode(), records=self.records, audit=self.audit)  # type: ignore[arg-type] - a fake

    def preview(self, **params: str) -> dict[str, Any]:
        return json.loads(rollbacks.preview(params, records=self.records).body)  # type: ignore[arg-type] - a fake

    def show(self, headers: Mapping[str, str] | None = None, **params: str) -> Reply:
        return rollbacks.show(params, headers or {}, records=self.records, settings=self.settings)  # type: ignore[arg-type] - a fake

    def press(self, headers: Mapping[str, str] | None = None, **fields: str) -> Reply:
        return rollbacks.press(
            urlencode(fields).encode(),
            headers or {},
            self.hub,
            records=self.records,  # type: ignore[arg-type] - a fake
            audit=self.audit,
            settings=self.settings,
            keys=Keys(),
        )

    def read(self, id: str) -> Reply:
        return rollbacks.rollback_json(id, records=self.records, reports=self.reports)  # type: ignore[arg-type] - a fake

    def page(self, id: str) -> Reply:
        return rollbacks.page(id, records=self.records, reports=self.reports)  # type: ignore[arg-type] - a fake


def served(key: Any = CIRC1) -> DeploymentRecord:
    """Version 2 of r-bad serves prod, version 1 did."""
    before = serving(key, Stage.PROD, "1")
    after = replace(serving(key, Stage.PROD, "2"), release_id="r-bad").active
    return before.serving(after, NOON)


@pytest.fixture
def desk() -> Desk:
    made = Desk()
    for key in (CIRC1, CIRC2):
        made.records.save_deployment(served(key))
    return made


def back(record: DeploymentRecord, rollback: str = "rollback-1") -> DeploymentRecord:
    step = plan(Scope.parse(Stage.PROD, ""), [record]).returns[0]
    return step_back(record, step, Cause(rollback, "operator", "it drifts", NOON))


WISH = {"stage": "prod", "scope": "PLANT1/CIRC1", "reason": "it drifts"}


# --- by program -------------------------------------------------------------------------------------------


def test_the_plan_is_shown_before_anything_is_done(desk: Desk):
    shown = desk.preview(stage="prod", scope="PLANT1")
    assert [step["circuit"] for step in shown["returns"]] == ["PLANT1/CIRC1", "PLANT1/CIRC2"]
    assert shown["sentence"] == "PLANT1 in prod: 2 circuits to roll back"
    assert not shown["refused"]
    assert desk.hub.started == []


def test_a_wish_starts_one_rollback_that_says_who_and_why(desk: Desk):
    reply = desk.post(**WISH, requester="operator-1")
    [(orchestrator, instance_id, run)] = desk.hub.started
    assert reply.status == 202
    assert json.loads(reply.body) == {
        "id": instance_id,
        "sentence": "PLANT1/CIRC1 in prod: 1 circuit to roll back",
        "wanted": 1,
    }
    assert orchestrator == "rollback"
    assert (run.id, run.actor, run.reason, str(run.scope)) == (
        instance_id,
        "operator-1",
        "it drifts",
        "PLANT1/CIRC1 in prod",
    )


def test_the_same_wish_while_it_runs_is_the_same_rollback(desk: Desk):
    first, second = desk.post(**WISH), desk.post(**WISH)
    assert first.body == second.body
    assert len(desk.hub.started) == 1


def test_after_one_that_moved_nothing_the_next_is_another_attempt(desk: Desk):
    first = json.loads(desk.post(**WISH).body)["id"]
    desk.hub.known[first] = InstanceStatus.COMPLETED
    assert json.loads(desk.post(**WISH).body)["id"] == first.replace("-a1", "-a2")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"reason": ""}, "reason"),
        ({"reason": "  "}, "reason"),
        ({"reason": 7}, "reason"),
        ({"reason": "x" * 1001}, "reason"),
        ({"stage": "moon"}, "stage"),
        ({"scope": "PLANT1/"}, "circuits"),
        ({"scope": ["PLANT1"]}, "scope"),
        ({"scope": ""}, "all"),
        ({"scope": "", "all": "yes"}, "all"),
        ({"drill": "perhaps"}, "drill"),
    ],
)
def test_what_is_wrong_is_named_and_starts_nothing(desk: Desk, changes: dict[str, Any], field: str):
    with pytest.raises(BadRequest) as refused:
        desk.post(**WISH | changes)
    assert refused.value.field == field
    assert (desk.hub.started, desk.audit.entries()) == ([], [])


def test_all_of_a_stage_has_to_be_said(desk: Desk):
    assert desk.post(stage="prod", reason="it drifts", all=True).status == 202
    assert str(desk.hub.started[0][2].scope) == "all of prod"


def test_with_no_earlier_release_it_is_refused_and_audited(desk: Desk):
    desk.records.save_deployment(serving(stage=Stage.PROD, version="1"))
    with pytest.raises(Conflict, match="nothing served prod before v1"):
        desk.post(**WISH)
    assert desk.hub.started == []
    [entry] = desk.audit.entries()
    assert (entry.kind, entry.subject, entry.actor) == (
        "rollback-refused",
        "PLANT1/CIRC1 in prod",
        "operator",
    )
    assert entry.sentence == "nothing is rolled back: PLANT1/CIRC1: nothing served prod before v1"


def test_a_drill_does_not_touch_a_ramp(desk: Desk):
    candidate = Candidate(**vars(served().active) | {"deployment": "circ1-v3"}, share=10)
    desk.records.save_deployment(replace(served(), candidate=candidate))
    with pytest.raises(Conflict, match="a ramp is under way in prod"):
        desk.post(**WISH, drill=True)


def report(*, ended: bool = False) -> RollbackReport:
    run = RollbackRun("rollback-1", Scope.parse(Stage.PROD, "PLANT1"), "operator", "it drifts", NOON)
    moved = (
        CircuitMoved(CIRC1, True, "v2 → v1", 0.4),
        CircuitMoved(CIRC2, False, "PLANT1/CIRC2: no quota", 0),
    )
    return RollbackReport(run, 2, (), ended, moved if ended else (), 12.0 if ended else 0.0)


@pytest.mark.parametrize("ended", [False, True])
def test_a_rollback_says_how_many_are_back(desk: Desk, ended: bool):
    desk.reports.save("rollbacks", "rollback-1", report(ended=ended))
    desk.records.save_deployment(back(served(CIRC1)))
    desk.records.save_deployment(back(served(CIRC2), "rollback-other"))
    said = json.loads(desk.read("rollback-1").body)
    assert (said["back"], said["wanted"], said["ended"], said["done"]) == (1, 2, ended, False)
    html = desk.page("rollback-1").body
    assert ("no quota" in html, 'http-equiv="refresh"' in html) == (ended, not ended)


def test_an_unknown_rollback_is_a_404_with_its_id(desk: Desk):
    assert (desk.read("rollback-x").status, desk.page("rollback-x").status) == (404, 404)
    assert "rollback-x" in desk.read("rollback-x").body


# --- a rollout under way ----------------------------------------------------------------------------------

ROLLOUT, WAVE = "deploy-prod-r-bad", "deploy-prod-r-bad-wave-1"
CHILDREN = (f"{WAVE}-PLANT1-CIRC1", f"{WAVE}-PLANT1-CIRC2")


@pytest.mark.parametrize(
    ("scope", "ended"),
    [
        ("PLANT1/CIRC1", {CHILDREN[0]}),
        ("PLANT1", set(CHILDREN)),
        ("r-bad", {ROLLOUT, WAVE, *CHILDREN}),
        ("", {ROLLOUT, WAVE, *CHILDREN}),
    ],
)
def test_what_would_bring_it_back_is_stopped_first(desk: Desk, scope: str, ended: set[str]):
    desk.hub.known = dict.fromkeys([ROLLOUT, WAVE, *CHILDREN], InstanceStatus.RUNNING)
    desk.hub.below = {ROLLOUT: (WAVE,), WAVE: CHILDREN}
    assert desk.post(stage="prod", scope=scope, reason="it drifts", all=not scope).status == 202
    assert {id for id, status in desk.hub.known.items() if status is InstanceStatus.TERMINATED} == ended


def test_a_rollout_that_has_ended_and_a_drill_stop_nothing(desk: Desk):
    desk.hub.known = {ROLLOUT: InstanceStatus.COMPLETED, CHILDREN[0]: InstanceStatus.RUNNING}
    desk.hub.below = {ROLLOUT: CHILDREN}
    desk.post(stage="prod", scope="r-bad", reason="it drifts")
    desk.hub.known[ROLLOUT] = InstanceStatus.RUNNING
    desk.post(stage="prod", scope="r-bad", reason="practice", drill=True)
    assert InstanceStatus.TERMINATED not in desk.hub.known.values()


# --- lifting ----------------------------------------------------------------------------------------------


def test_a_person_lets_it_serve_again_and_the_log_says_so(desk: Desk):
    desk.records.save_deployment(back(served()))
    said = json.loads(desk.lift(**WISH | {"reason": "fixed"}, requester="ml-lead").body)
    assert said["lifted"] == ["PLANT1/CIRC1 v2"]
    record = desk.records.deployment(Stage.PROD, CIRC1)
    assert record
    assert (record.rolled_back, record.deployment) == ((), "circ1-v1")
    assert desk.audit.entries()[0].sentence == "ml-lead lets PLANT1/CIRC1 v2 serve prod again: fixed"


@pytest.mark.parametrize(("scope", "lifts"), [("r-bad", True), ("r-other", False), ("PLANT2", False)])
def test_only_what_the_scope_means_is_lifted(desk: Desk, scope: str, lifts: bool):
    desk.records.save_deployment(back(served()))
    if lifts:
        assert desk.lift(**WISH | {"scope": scope}).status == 200
    else:
        with pytest.raises(Conflict, match="nothing to lift"):
            desk.lift(**WISH | {"scope": scope})


# --- by button --------------------------------------------------------------------------------------------

FORM = {"stage": "prod", "scope": "PLANT1/CIRC1", "reason": "it drifts", "all": "no"}
SIGNED_IN = {"X-MS-CLIENT-PRINCIPAL-ID": "oid-1", "X-MS-CLIENT-PRINCIPAL-NAME": "lead@example.com"}


def csrf(desk: Desk, headers: Mapping[str, str] = SIGNED_IN) -> str:
    found = re.search(r'name="csrf" value="(\w+)"', desk.show(headers, stage="prod", scope="PLANT1").body)
    assert found
    return found[1]


def test_looking_at_the_button_does_nothing(desk: Desk):
    reply = desk.show(stage="prod", scope="PLANT1")
    assert (reply.status, desk.hub.started) == (200, [])
    assert 'type="password"' in reply.body


def test_with_the_function_key_the_button_works(desk: Desk):
    reply = desk.press(**FORM, key=KEY, name="operator-1")
    [(_, instance_id, run)] = desk.hub.started
    assert (reply.status, reply.headers["Location"]) == (303, f"/rollbacks/{instance_id}")
    assert run.actor == "operator-1"


@pytest.mark.parametrize("key", ["", "another", KEY.upper()])
def test_without_the_key_nobody_rolls_back(desk: Desk, key: str):
    assert desk.press(SIGNED_IN, **FORM, key=key).status == 403  # without Easy Auth a header proves nothing
    assert desk.hub.started == []


def test_a_signed_in_person_needs_no_key(desk: Desk):
    desk.easy_auth = True
    assert desk.press(SIGNED_IN, **FORM, csrf=csrf(desk)).status == 303
    assert desk.hub.started[0][2].actor == "lead@example.com"


def test_another_site_cannot_press_the_button(desk: Desk):
    desk.easy_auth = True
    own = csrf(desk)
    other = {"X-MS-CLIENT-PRINCIPAL-ID": "oid-2"}
    refused = [
        desk.press(SIGNED_IN, **FORM),
        desk.press(other, **FORM, csrf=own),
        desk.press({}, **FORM, csrf=own),
    ]
    assert [reply.status for reply in refused] == [403] * 3
    assert desk.press(SIGNED_IN, **FORM, key=KEY).status == 403
    assert desk.hub.started == []


def test_who_is_signed_out_is_told_to_sign_in(desk: Desk):
    desk.easy_auth = True
    html = desk.show(stage="prod", scope="PLANT1").body
    assert "Sign in to roll back" in html
    assert "<form" not in html


@pytest.mark.parametrize(
    ("changes", "status"),
    [({"reason": ""}, 400), ({"stage": "moon"}, 400), ({"scope": "PLANT9"}, 409), ({"scope": ""}, 400)],
)  # fmt: skip
def test_a_wrong_form_is_a_page_that_says_why(desk: Desk, changes: dict[str, str], status: int):
    reply = desk.press(**FORM | changes, key=KEY)
    assert (reply.status, desk.hub.started) == (status, [])
    assert "Nothing was rolled back" in reply.body


def test_a_body_that_is_no_form_is_refused(desk: Desk):
    reply = rollbacks.press(
        b"\xff\xfe",
        {},
        desk.hub,
        records=desk.records,  # type: ignore[arg-type] - a fake
        audit=desk.audit,
        settings=desk.settings,
        keys=Keys(),
    )
    assert reply.status == 400
