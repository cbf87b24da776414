"""What may be purged, found out over fakes; and its going, which looks once more at everything that refers to it."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from activities.retention import (
    BATCH,
    close_retention,
    note_prediction_purge,
    plan_retention,
    purge_batch,
    submit_prediction_purge,
    survey_holdings,
)
from busbar.codec import from_wire
from busbar.domain import names
from busbar.domain.approval import ApprovalRequest
from busbar.domain.circuits import Person
from busbar.domain.drift import DriftVerdict
from busbar.domain.drift_plan import Incident, IncidentStatus
from busbar.domain.errors import AccessDenied
from busbar.domain.events import JobStatus
from busbar.domain.policies import Backoff, GateName, RetentionPolicy, Stage, TrainingPolicy
from busbar.domain.records import Offer, RunRecord, RunStatus, ScoringRecord
from busbar.domain.release import Pin
from busbar.domain.release_record import Origin, ReleaseRecord
from busbar.domain.retention import PLACES, REGISTRY, Item, Kind, data_asset, job, model
from busbar.domain.steps import JobState, PredictionPurge, PurgeBatch, RetentionReport, RetentionRun, Survey
from tests.activities.bench import CIRC1, COMMIT, RUN, Bench, pin, serving
from tests.components import shipped_build
from tests.fakes import NOON

AT = datetime.fromisoformat(NOON) + timedelta(days=1000)
TERMS = {stage: RetentionPolicy(30, 14, 60, 30) for stage in Stage}
QUICK = TrainingPolicy(poll=Backoff(0.05, 0.05))
LOOK = RetentionRun("retention-1", "operator", AT.isoformat(), TERMS, commit=COMMIT, training=QUICK)
PURGE = replace(LOOK, id="purge-retention-1", apply=True, shown=LOOK.id)


def trained(bench: Bench, one: Pin, *, shared: bool = False, **tags: str) -> None:
    """A model that was trained, registered and perhaps shared, with its job's files and its data, all at noon."""
    asset = names.data_asset(one.key)
    bench.releases.keep_pin(one)
    bench.ml.write_file(Stage.DEV, f"mltable/{asset}/{one.data_asset_version}/delta-3/MLTable", b"t")
    bench.ml.data[asset, one.data_asset_version] = {"delta_version": "3"}
    made = {"data_asset_name": asset, "data_asset_version": one.data_asset_version, **tags}
    bench.job(one.job, JobStatus.COMPLETED, **made)
    bench.ml.write_file(Stage.DEV, f"jobs/{one.job}/metrics.json", b"{}")
    bench.ml.create_model(one.model_name, one.model_version, one.job, {"build_id": COMMIT})
    if shared:
        bench.ml.share_model(one.model_name, one.model_version)


def other_data(one: Pin, version: str) -> Pin:
    return replace(one, data_asset_version=version, cutoff_date=version)


@pytest.fixture
def bench() -> Bench:
    """Two versions of a circuit; the second serves prod."""
    made = Bench()
    trained(made, FIRST, shared=True)
    trained(made, SECOND, shared=True)
    made.records.save_deployment(serving(CIRC1, Stage.PROD, "2"))
    return made


FIRST, SECOND = other_data(pin(CIRC1, "1"), "2025-06-01"), other_data(pin(CIRC1, "2"), "2025-07-01")


def look(bench: Bench, run: RetentionRun = LOOK) -> RetentionReport:
    for kind, place in PLACES:
        bench.run(survey_holdings, Survey(run, kind, place))
    bench.run(plan_retention, run)
    return report(bench, run.id)


def report(bench: Bench, id: str) -> RetentionReport:
    return from_wire(RetentionReport, bench.reports.read("retention", id))


def purge(bench: Bench, run: RetentionRun = PURGE) -> RetentionReport:
    """What the orchestration does, without one."""
    for kind, place in PLACES:
        bench.run(survey_holdings, Survey(run, kind, place))
    for number in range(bench.run(plan_retention, run).batches):
        bench.run(purge_batch, PurgeBatch(run, number))
    return closed(bench, run)


def closed(bench: Bench, run: RetentionRun) -> RetentionReport:
    """The job that deletes forecasts is done, too."""
    job = bench.run(submit_prediction_purge, run)
    if job is not None:
        bench.ml.ended(Stage.DEV, job.name)
        bench.ml.write_file(
            Stage.DEV, f"jobs/{job.name}/report.json", b'{"rows": 1200, "before": "2028-08-05"}'
        )
    state = bench.ml.job(Stage.DEV, job.name) if job else None
    bench.run(note_prediction_purge, PredictionPurge(run, state))
    bench.run(close_retention, run)
    return report(bench, run.id)


def parts(one: Pin) -> set[Item]:
    models = {model(place, one.model_name, one.model_version) for place in (Stage.DEV, REGISTRY)}
    return models | {job(Stage.DEV, one.job), data_asset(names.data_asset(one.key), one.data_asset_version)}


def goes(found: RetentionReport) -> set[Item]:
    return {ruling.item for ruling in found.plan.purge}


def test_what_is_old_and_refers_to_nothing_may_go_and_what_serves_stays_whole(bench: Bench):
    found = look(bench)
    assert goes(found) == parts(FIRST)
    assert {ruling.item for ruling in found.plan.kept} == parts(SECOND)
    assert {ruling.reason for ruling in found.plan.kept} == {"serves PLANT1/CIRC1 in prod"}
    assert found.ended
    assert found.sentence == "2 models, 1 job, 1 data asset to purge; 4 kept although old, 0 young enough"


def test_looking_touches_nothing(bench: Bench):
    before = bench.snapshot()["ml"]
    look(bench)
    assert bench.snapshot()["ml"] == before


def test_what_is_young_stays(bench: Bench):
    run = replace(LOOK, at=(datetime.fromisoformat(NOON) + timedelta(days=14)).isoformat())
    assert goes(look(bench, run)) == set()
    assert report(bench, LOOK.id).plan.young == 8


def test_what_others_made_is_none_of_ours(bench: Bench):
    bench.job("frosty_pea_7b4x", JobStatus.COMPLETED)
    bench.ml.create_model("PLANT1_CIRC1_model", "7", "by-hand", {})
    bench.ml.data["PLANT1_CIRC1", "mine"] = {}
    bench.ml.data["somebodys", "1"] = {"delta_version": "1"}
    assert goes(look(bench)) == parts(FIRST)


def test_a_job_that_has_not_ended_is_new_and_keeps_what_it_trains_on(bench: Bench):
    bench.ml.jobs[Stage.DEV, FIRST.job] = replace(
        bench.ml.jobs[Stage.DEV, FIRST.job],
        state=replace(bench.ml.jobs[Stage.DEV, FIRST.job].state, status=JobStatus.RUNNING),
    )
    kept = {ruling.item: ruling.reason for ruling in look(bench).plan.kept}
    assert kept[data_asset("PLANT1_CIRC1", "2025-06-01")] == f"is needed by job {FIRST.job} in dev"
    assert job(Stage.DEV, FIRST.job) not in goes(report(bench, LOOK.id))


def opened(bench: Bench) -> None:
    release = bench.release(FIRST)
    stored = bench.records.release(release.id)
    assert stored is not None
    bench.releases.add(ReleaseRecord.of(stored, Origin.HAND, NOON))


def asked(bench: Bench) -> None:
    person = Person("qa", "qa@example.com", "object-qa", ("qa",))
    release = bench.release(FIRST)
    request = ApprovalRequest(
        "approve-1", GateName.TEST_DEPLOYMENT, "?", "", "d", "data-scientist", (person,), 1, NOON, release.id
    )
    bench.approvals.create(request, {})


def offered(bench: Bench) -> None:
    bench.records.save_offer(Stage.PROD, Offer(bench.release(FIRST).id))


def under_way(bench: Bench) -> None:
    bench.records.save_run(
        RunRecord(RUN.id, COMMIT, "develop", "data-scientist", RunStatus.RUNNING, "", NOON)
    )
    bench.job(FIRST.job, JobStatus.COMPLETED, orchestration_id=f"{RUN.id}-PLANT1-CIRC1")


def rolled_back(bench: Bench) -> None:
    from busbar.domain.records import RolledBack

    record = serving(CIRC1, Stage.TEST, "2")
    bench.records.save_deployment(
        record.marked(RolledBack("circ1-v1", "1", None, "rollback-1", "operator", "bad", NOON))
    )


REFERRING = {
    "is in release set": opened,
    "about which test-deployment is asked": asked,
    "which is offered to prod": offered,
    "is of train-": under_way,
    "was rolled back for PLANT1/CIRC1 in test": rolled_back,
}


@pytest.mark.parametrize("reason", REFERRING)
def test_whatever_refers_to_a_model_keeps_it(bench: Bench, reason: str):
    REFERRING[reason](bench)
    found = look(bench)
    assert model(Stage.DEV, FIRST.model_name, "1") not in goes(found)
    assert any(reason in ruling.reason for ruling in found.plan.kept)


@pytest.mark.parametrize("reason", REFERRING)
def test_what_came_to_be_needed_after_it_was_shown_stays(bench: Bench, reason: str):
    assert model(Stage.DEV, FIRST.model_name, "1") in goes(look(bench))
    REFERRING[reason](bench)
    done = purge(bench)
    assert model(Stage.DEV, FIRST.model_name, "1") not in {fate.item for fate in done.fates if fate.purged}
    assert any(reason in fate.sentence for fate in done.fates if not fate.purged)
    assert ("model", Stage.DEV, FIRST.model_name, "1") not in bench.ml.archived


def test_what_comes_to_be_needed_while_it_is_purged_stays(bench: Bench):
    """Between the plan of a purge and the turn of a batch."""
    look(bench)
    for kind, place in PLACES:
        bench.run(survey_holdings, Survey(PURGE, kind, place))
    assert bench.run(plan_retention, PURGE).batches == 1
    opened(bench)
    bench.run(purge_batch, PurgeBatch(PURGE, 0))
    done = closed(bench, PURGE)
    assert bench.ml.archived == set()
    assert done.sentence == "nothing purged, 4 stayed"


def test_a_purge_deletes_files_and_archives_and_says_what_became_of_each(bench: Bench):
    look(bench)
    done = purge(bench)
    assert {fate.item for fate in done.fates if fate.purged} == parts(FIRST)
    assert done.sentence == "2 models, 1 job, 1 data asset purged"
    assert bench.ml.archived == {
        ("model", "dev", FIRST.model_name, "1"),
        ("model", "registry", FIRST.model_name, "1"),
        ("job", "dev", FIRST.job, ""),
        ("data", "dev", "PLANT1_CIRC1", "2025-06-01"),
    }
    left = {path for _, path in bench.ml.files}
    assert left == {
        f"jobs/{SECOND.job}/metrics.json",
        "mltable/PLANT1_CIRC1/2025-07-01/delta-3/MLTable",
        "jobs/purge-retention-1-forecasts/report.json",
    }
    entry = bench.audit.entries()[-1]
    assert (entry.kind, entry.actor, entry.details) == (
        "purge", "operator", {"report": "/retention/purge-retention-1", "purged": 4, "stayed": 0},
    )  # fmt: skip


def test_a_purge_that_was_shown_a_place_touches_no_other(bench: Bench):
    run = replace(LOOK, place=REGISTRY)
    assert goes(look(bench, run)) == {model(REGISTRY, FIRST.model_name, "1")}
    purge(bench, replace(PURGE, place=REGISTRY))
    assert bench.ml.archived == {("model", "registry", FIRST.model_name, "1")}


def test_the_same_report_purged_again_finds_nothing_left(bench: Bench):
    look(bench)
    purge(bench)
    again = purge(bench, replace(PURGE, id="purge-again"))
    assert not any(fate.purged for fate in again.fates)
    assert {fate.sentence for fate in again.fates} == {"stays: it is gone already, or young again"}


def test_the_timer_purges_what_it_finds(bench: Bench):
    done = purge(bench, replace(LOOK, apply=True, actor="timer"))
    assert {fate.item for fate in done.fates if fate.purged} == parts(FIRST)


def test_what_azure_refuses_stays_with_its_reason_and_the_rest_goes(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
):
    def refused(place: str, name: str, version: str) -> None:
        raise AccessDenied(f"cannot archive model {name}:{version} in {place}: Forbidden")

    monkeypatch.setattr(bench.ml, "archive_model", refused)
    look(bench)
    done = purge(bench)
    assert done.sentence == "1 job, 1 data asset purged, 2 stayed"
    assert sum("Forbidden" in fate.sentence for fate in done.fates) == 2


def test_a_purge_of_many_goes_in_batches(bench: Bench):
    jobs = [f"score-test-2025-{month:02}-{day:02}-PLANT1-CIRC1" for month in (1, 2) for day in range(1, 29)]
    for name in jobs:
        bench.job(name, JobStatus.COMPLETED, Stage.TEST)
    bench.records.save_scoring(ScoringRecord(CIRC1, Stage.TEST, "2025-02-28", jobs[-1], "completed", 1, NOON))
    look(bench)
    for kind, place in PLACES:
        bench.run(survey_holdings, Survey(PURGE, kind, place))
    assert bench.run(plan_retention, PURGE).batches == -(-(4 + len(jobs) - 1) // BATCH)
    done = purge(bench)
    gone = [fate.item.name for fate in done.fates if fate.purged and fate.item.place == Stage.TEST]
    assert sorted(gone) == sorted(jobs[:-1])


# --- forecasts --------------------------------------------------------------------------------------------


def test_forecasts_go_by_a_job_that_is_told_the_longest_term_of_the_stages(bench: Bench):
    terms = {
        Stage.TEST: RetentionPolicy(predictions_days=90),
        Stage.PROD: RetentionPolicy(predictions_days=180),
    }
    run = replace(PURGE, terms=terms, at="2026-06-30T04:30:00+00:00")
    name = bench.run(submit_prediction_purge, run).name
    job = bench.ml.jobs[Stage.DEV, name]
    assert job.inputs == {
        "component": f"purge_predictions:{shipped_build('data/purge_predictions')}",
        "forecasts": "abfss://predictions@account.dfs.core.windows.net/forecasts",
        "before": "2026-01-01",
        "compute": "training-cluster",
    }
    assert job.state.tags == {"orchestration_id": PURGE.id}
    assert names.own_job(names.prediction_purge(names.purge_run(names.retention_run(AT))))


def test_a_look_says_which_forecasts_go_and_a_purge_how_many_went(bench: Bench):
    assert look(bench).predictions == f"forecasts issued before 2028-08-05 go, too; {DRIFT} go, too"
    told = f"1200 rows of forecasts issued before 2028-08-05 deleted; {DRIFT} deleted"
    assert purge(bench).predictions == told
    assert "1200 rows of forecasts" in bench.audit.entries()[-1].sentence


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (PredictionPurge(PURGE, problem="the component is missing"), "the component is missing"),
        (PredictionPurge(PURGE, JobState("j", JobStatus.FAILED, "out of memory")), "out of memory"),
        (PredictionPurge(PURGE, JobState("j", JobStatus.CANCELED)), "job j canceled"),
    ],
)
def test_forecasts_that_were_not_purged_are_told_with_the_reason(
    bench: Bench, found: PredictionPurge, said: str
):
    look(bench)
    bench.run(note_prediction_purge, found)
    for kind, place in PLACES:
        bench.run(survey_holdings, Survey(PURGE, kind, place))
    bench.run(plan_retention, PURGE)
    bench.run(purge_batch, PurgeBatch(PURGE, 0))
    bench.run(close_retention, PURGE)
    assert report(bench, PURGE.id).predictions == f"forecasts were not purged: {said}; {DRIFT} deleted"


def test_a_place_by_itself_has_no_forecasts(bench: Bench):
    assert bench.run(submit_prediction_purge, replace(PURGE, place=REGISTRY)) is None
    assert look(bench, replace(LOOK, place=REGISTRY)).predictions == ""


# --- drift reports ----------------------------------------------------------------------------------------

DRIFT = "drift reports of dev before 2028-08-21, of test before 2028-08-21, of prod before 2028-08-21"


def reported(bench: Bench, *days: str, stage: Stage = Stage.PROD) -> None:
    for day in days:
        bench.drifts.save_report(stage, CIRC1, day, {})
        bench.drifts.save_plot(stage, CIRC1, day, b"<svg/>")


def test_drift_reports_are_kept_as_long_as_the_stages_logs(bench: Bench):
    reported(bench, "2028-08-18", "2028-08-20", "2028-08-21")
    reported(bench, "2028-08-18", "2028-08-20", stage=Stage.TEST)
    look(bench)
    assert len(bench.drifts.reports) == 5
    purge(
        bench,
        replace(
            PURGE,
            terms={Stage.PROD: RetentionPolicy(logs_days=14), Stage.TEST: RetentionPolicy(logs_days=16)},
        ),
    )
    left = {(Stage.PROD, CIRC1, "2028-08-21"), (Stage.TEST, CIRC1, "2028-08-20")}
    assert (set(bench.drifts.reports), set(bench.drifts.plots)) == (left, left)


@pytest.mark.parametrize(
    ("status", "stays"), [(IncidentStatus.WAITING, True), (IncidentStatus.REJECTED, False)]
)
def test_what_an_open_incident_rests_on_stays(bench: Bench, status: IncidentStatus, stays: bool):
    reported(bench, "2028-08-18")
    opened = "2028-08-18T02:00:00+00:00"
    found = Incident(
        "d-1", Stage.PROD, "2028-08-18", "run", DriftVerdict.DATA, (CIRC1,), ("moved",), False, opened, opened
    )
    bench.drifts.add_incident(replace(found, status=status))
    look(bench)
    purge(bench)
    assert bool(bench.drifts.reports) is stays


def test_of_a_place_by_itself_only_its_own_go(bench: Bench):
    reported(bench, "2028-08-18")
    purge(bench, replace(PURGE, id="purge-test", shown="", place=Stage.TEST.value))
    assert bench.drifts.reports
    assert purge(bench, replace(PURGE, id="purge-prod", shown="", place=Stage.PROD.value)).predictions == (
        "drift reports of prod before 2028-08-21 deleted"
    )
    assert not bench.drifts.reports


# --- what was purged is as good as never made -------------------------------------------------------------


def test_each_kind_is_looked_for_where_it_is():
    assert {kind for kind, _ in PLACES} == set(Kind)
