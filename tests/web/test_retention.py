"""Retention by program, by timer and on its page."""

import json
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from busbar.domain.errors import BadRequest, Conflict, NotFound
from busbar.domain.policies import RetentionPolicy, Stage
from busbar.domain.recovery import InstanceStatus, Standing
from busbar.domain.retention import REGISTRY, RetentionPlan, Ruling, job, model
from busbar.domain.steps import Fate, RetentionReport, RetentionRun
from busbar.web import retention
from tests.activities.bench import COMMIT, FILES, repository
from tests.fakes import NOON, FakeReports, FakeRepository


@dataclass
class Hub:
    """The durable client: what was started, and how what is known stands."""

    started: dict[str, RetentionRun] = field(default_factory=dict[str, RetentionRun])
    ended: set[str] = field(default_factory=set[str])

    def start(self, orchestrator: str, instance_id: str, request: Any) -> bool:
        assert orchestrator == "retention"
        return self.started.setdefault(instance_id, request) is request

    def standing(self, instance_id: str) -> Standing | None:
        status = InstanceStatus.FAILED if instance_id in self.ended else InstanceStatus.RUNNING
        known = instance_id in self.started
        return Standing(instance_id, "retention", status, "looking at every model in dev") if known else None


@pytest.fixture
def hub() -> Hub:
    return Hub()


OLD, SHARED = model(Stage.DEV, "PLANT1_CIRC1_model", "1"), model(REGISTRY, "PLANT1_CIRC1_model", "1")
DEPLOYED = model(Stage.DEV, "PLANT1_CIRC1_model", "2")
PLAN = RetentionPlan(
    (Ruling(OLD, "90 days old, kept for 30, and nothing refers to it"),),
    (Ruling(DEPLOYED, "serves PLANT1/CIRC1 in prod"),),
    7,
)
TERMS = {Stage.DEV: RetentionPolicy(30, 14, 60, 30)}
LOOK = RetentionRun("retention-2025-12-09T1200", "operator", NOON, TERMS)
PURGE = replace(LOOK, id=f"purge-{LOOK.id}", apply=True, shown=LOOK.id)


def reported(*reports: RetentionReport) -> FakeReports:
    found = FakeReports()
    for report in reports:
        found.save("retention", report.run.id, report)
    return found


def post(hub: Hub, reports: FakeReports | None = None, /, **fields: str) -> RetentionRun:
    given: Any = {"repository": repository(), "reports": reports or FakeReports()}
    reply = retention.start(json.dumps(fields).encode(), hub, **given)
    assert reply.status == 202
    return hub.started[json.loads(reply.body)["id"]]


def test_a_look_takes_its_days_from_the_default_branch(hub: Hub):
    run = post(hub, requester="operator")
    assert run.terms == {
        Stage.DEV: RetentionPolicy(30, 14, 60, 30),
        Stage.TEST: RetentionPolicy(90, 30, 180, 90),
        Stage.PROD: RetentionPolicy(365, 90, 730, 180),
    }
    assert (run.apply, run.shown, run.place, run.actor) == (False, "", "", "operator")
    assert (run.commit, run.training.compute) == (COMMIT, "training-cluster")


def test_a_look_at_one_place_says_so(hub: Hub):
    run = post(hub, stage="registry")
    assert run.place == "registry"
    assert run.id.endswith("-registry")


def test_a_purge_is_of_a_report_and_of_its_place(hub: Hub):
    run = post(hub, reported(RetentionReport(replace(LOOK, place="dev"), PLAN, ended=True)), apply=LOOK.id)
    assert (run.id, run.apply, run.shown, run.place) == (f"purge-{LOOK.id}", True, LOOK.id, "dev")


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"stage": "production"}, BadRequest),
        ({"stage": 7}, BadRequest),
        ({"apply": "retention-2020-01-01"}, NotFound),
        ({"apply": PURGE.id}, Conflict),
    ],
)
def test_what_makes_no_sense_starts_nothing(hub: Hub, fields: dict[str, Any], error: type[Exception]):
    reports = reported(RetentionReport(PURGE, PLAN, ended=True))
    given: Any = {"repository": repository(), "reports": reports}
    with pytest.raises(error):
        retention.start(json.dumps(fields).encode(), hub, **given)
    assert hub.started == {}


def configured(apply: bool) -> FakeRepository:
    pipeline = FILES["config/pipeline.yaml"].replace(b"apply: false", f"apply: {str(apply).lower()}".encode())
    return FakeRepository({COMMIT: {**FILES, "config/pipeline.yaml": pipeline}}, {"main": COMMIT})


@pytest.mark.parametrize("apply", [False, True])
def test_the_week_is_looked_at_once_and_purged_only_if_the_configuration_says_so(hub: Hub, apply: bool):
    given: Any = {"repository": configured(apply)}
    first = retention.look_weekly(hub, **given)
    assert retention.look_weekly(hub, **given) == first
    assert hub.started[first].apply is apply
    assert first.count("-") == 3  # retention-2026-11-21


def read(hub: Hub, id: str, *reports: RetentionReport) -> Any:
    reply = retention.report_json(id, hub, reports=reported(*reports))
    return reply.status, json.loads(reply.body)


def test_a_report_is_told_as_it_comes(hub: Hub):
    assert read(hub, "retention-x")[0] == 404
    hub.started[LOOK.id] = LOOK
    assert read(hub, LOOK.id) == (200, {"ended": False, "sentence": "looking at every model in dev"})
    status, told = read(hub, LOOK.id, RetentionReport(LOOK, PLAN, ended=True))
    assert (status, told["ended"], told["sentence"]) == (
        200, True, "1 model to purge; 1 kept although old, 7 young enough",
    )  # fmt: skip


@pytest.mark.parametrize("reports", [(), (RetentionReport(PURGE, PLAN),)])
def test_one_that_broke_off_says_so(hub: Hub, reports: tuple[RetentionReport, ...]):
    hub.started[PURGE.id] = PURGE
    hub.ended.add(PURGE.id)
    assert read(hub, PURGE.id, *reports)[0] == 409


def squeezed(html: str) -> str:
    import re

    return " ".join(re.sub(r"<[^>]+>", " ", html.partition("</style>")[2]).split())


def test_the_page_shows_the_last_report_and_leads_to_the_others():
    older = RetentionReport(replace(LOOK, id="retention-2025-12-02"), RetentionPlan(), ended=True)
    done = RetentionReport(PURGE, PLAN, (Fate(OLD, True, "archived"),), ended=True)
    reports = reported(older, RetentionReport(LOOK, PLAN, ended=True), done)
    reply = retention.page(reports=reports)
    said = squeezed(reply.body)
    assert "1 model purged" in said
    assert "PLANT1_CIRC1_model :1" in said or "PLANT1_CIRC1_model:1" in said
    assert "serves PLANT1/CIRC1 in prod" in said
    assert "archived" in said
    for id in (older.run.id, LOOK.id):
        assert f'href="/retention/{id}"' in reply.body


def test_the_page_tells_of_forecasts():
    report = RetentionReport(LOOK, PLAN, ended=True, predictions="forecasts issued before 2025-06-12 go, too")
    assert "Forecasts issued before 2025-06-12 go, too." in squeezed(
        retention.page(reports=reported(report)).body
    )


def test_the_page_of_a_look_says_that_nothing_was_touched():
    reports = reported(RetentionReport(LOOK, PLAN, ended=True))
    said = squeezed(retention.one(LOOK.id, reports=reports).body)
    assert "nothing was touched" in said
    assert "90 days old, kept for 30, and nothing refers to it" in said
    assert "models dev 30 1 1" in said


def test_without_a_report_the_page_says_how_to_begin():
    assert "Nobody has looked yet" in retention.page(reports=FakeReports()).body
    assert retention.one("retention-x", reports=FakeReports()).status == 404


def test_a_long_list_is_cut_and_says_so():
    many = tuple(Ruling(job(Stage.DEV, f"job-{number}"), "old") for number in range(700))
    reports = reported(RetentionReport(LOOK, RetentionPlan(many), ended=True))
    assert "and 200 more to purge" in squeezed(retention.page(reports=reports).body)


def test_what_things_are_called_is_text():
    hostile = Ruling(job(Stage.DEV, "<script>x</script>"), "<b>why</b>")
    body = retention.page(reports=reported(RetentionReport(LOOK, RetentionPlan((hostile,)), ended=True))).body
    assert "<script>" not in body
    assert "<b>why" not in body
