"""The buttons of a run's page: what is offered, what is asked first, and who may press."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlencode

import pytest

from busbar.domain.records import RunRecord, RunStatus
from busbar.domain.recovery import InstanceStatus, Standing, Trail
from busbar.web import board, controls
from busbar.web.reply import Reply
from tests.activities.bench import RUN, SETTINGS
from tests.fakes import NOON, FakeAudit, FakeRecords

KEY = "a-function-key"


@dataclass
class Hub:
    """One orchestration, which does at once what it is told."""

    status: InstanceStatus | None = InstanceStatus.RUNNING
    started: list[str] = field(default_factory=list[str])

    def standing(self, instance_id: str) -> Standing | None:
        return self.status and Standing(instance_id, "training_pipeline", self.status, "training", NOON)

    def trail(self, instance_id: str) -> Trail:
        return Trail()

    def suspend(self, instance_id: str, reason: str) -> None:
        self.status = InstanceStatus.SUSPENDED

    def resume(self, instance_id: str, reason: str) -> None:
        self.status = InstanceStatus.RUNNING

    def terminate(self, instance_id: str, reason: str) -> None:
        self.status = InstanceStatus.TERMINATED

    def start(self, orchestrator: str, instance_id: str, request: Any) -> bool:
        self.started.append(orchestrator)
        return True

    def request(self, instance_id: str) -> Any:
        return {"id": RUN.id, "commit": RUN.commit, "branch": "develop", "requester": "somebody"}

    def again(self, orchestrator: str, instance_id: str, request: Any) -> None:
        self.started.append(orchestrator)
        self.status = InstanceStatus.RUNNING


class Keys:
    def accepted(self, key: str) -> bool:
        return key == KEY


@dataclass
class Desk:
    hub: Hub = field(default_factory=Hub)
    records: FakeRecords = field(default_factory=FakeRecords)
    audit: FakeAudit = field(default_factory=FakeAudit)
    easy_auth: bool = False

    def show(self, action: str, headers: Mapping[str, str] | None = None) -> Reply:
        settings = replace(SETTINGS, easy_auth=self.easy_auth)
        return controls.show(
            RUN.id,
            action,
            headers or {},
            self.hub,
            records=self.records,  # type: ignore[arg-type] - a fake
            settings=settings,
        )

    def press(self, action: str, **fields: str) -> Reply:
        return controls.press(
            RUN.id,
            action,
            urlencode({"reason": "wrong data", "key": KEY} | fields).encode(),
            {},
            self.hub,
            records=self.records,  # type: ignore[arg-type] - a fake
            audit=self.audit,
            settings=SETTINGS,
            keys=Keys(),
        )

    def page(self) -> str:
        return board.run_page(RUN.id, self.hub, records=self.records).body


@pytest.fixture
def desk() -> Desk:
    made = Desk()
    made.records.save_run(
        RunRecord(RUN.id, RUN.commit, "develop", "somebody", RunStatus.RUNNING, "3 to train", NOON)
    )
    return made


@pytest.mark.parametrize(
    ("status", "offered"),
    [
        (InstanceStatus.RUNNING, {"pause", "cancel"}),
        (InstanceStatus.SUSPENDED, {"resume", "cancel"}),
        (InstanceStatus.TERMINATED, {"retry"}),
        (None, set[str]()),
    ],
)
def test_a_runs_page_offers_what_makes_sense(desk: Desk, status: InstanceStatus | None, offered: set[str]):
    desk.hub.status = status
    page = desk.page()
    assert {
        action for action in ("pause", "resume", "cancel", "retry") if f"/runs/{RUN.id}/{action}" in page
    } == offered


def test_a_run_that_completed_offers_nothing(desk: Desk):
    desk.hub.status = InstanceStatus.COMPLETED
    desk.records.save_run(
        RunRecord(RUN.id, RUN.commit, "develop", "somebody", RunStatus.COMPLETED, "done", NOON)
    )
    assert "Operate" not in desk.page()


def test_looking_at_a_button_does_nothing(desk: Desk):
    page = desk.show("cancel")
    assert page.status == 200
    assert "3 to train" in page.body
    assert desk.hub.status is InstanceStatus.RUNNING


@pytest.mark.parametrize(("action", "status"), [("resume", 409), ("retry", 409), ("stop", 404)])
def test_what_makes_no_sense_is_said_before_it_is_asked_for(desk: Desk, action: str, status: int):
    assert desk.show(action).status == status


def test_pressing_does_it_and_leads_back_to_the_run(desk: Desk):
    reply = desk.press("pause", name="operator-1")
    assert (reply.status, reply.headers["Location"]) == (303, f"/runs/{RUN.id}")
    assert desk.hub.status is InstanceStatus.SUSPENDED
    assert "paused by operator-1: wrong data" in desk.page()
    assert [entry.sentence for entry in desk.audit.entries()] == [
        f"{RUN.id} is paused by operator-1: wrong data"
    ]


@pytest.mark.parametrize(
    ("action", "fields", "status"),
    [
        ("pause", {"key": "wrong"}, 403),
        ("pause", {"reason": " "}, 400),
        ("resume", {}, 409),
        ("stop", {}, 404),
    ],
)
def test_a_press_that_is_refused_does_nothing(desk: Desk, action: str, fields: dict[str, str], status: int):
    assert desk.press(action, **fields).status == status
    assert (desk.hub.status, desk.audit.entries()) == (InstanceStatus.RUNNING, [])


def test_who_is_signed_out_gets_no_button(desk: Desk):
    desk.easy_auth = True
    assert "<form" not in desk.show("pause").body
    assert "<form" in desk.show("pause", {"X-MS-CLIENT-PRINCIPAL-ID": "oid-1"}).body
