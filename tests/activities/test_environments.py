"""An environment-only release: what it concerns, what the trial is given, what is made of its reports."""

import json
from dataclasses import replace
from typing import Any

import pytest

from activities.environments import (
    compose_update,
    look_at_environment,
    note_environment,
    plan_environment_update,
    read_comparison,
    submit_comparison,
    update_question,
)
from busbar.domain.environments import Change, EnvironmentStatus
from busbar.domain.events import ZERO_COMMIT, JobStatus
from busbar.domain.policies import GateName, Stage
from busbar.domain.release import Pin
from busbar.domain.steps import (
    EnvironmentChange,
    EnvironmentLook,
    EnvironmentNote,
    EnvironmentRegistration,
    EnvironmentRun,
    EnvironmentUpdate,
    JobState,
    StageQuestion,
    StageUpdate,
    Trial,
    TrialBatch,
    TriedBatch,
)
from tests.activities.bench import CIRC1, CIRC2, COMMIT, ENVIRONMENT, FILES, RUN, Bench, pin, serving
from tests.components import shipped_version

YAML = "ml_components/environments/sensor-forecasting-env.yaml"
NEXT_ENVIRONMENT = EnvironmentRegistration(ENVIRONMENT, "1.2.0", newly_registered=True)


def deployed(bench: Bench, *pins: Pin, stage: Stage = Stage.PROD) -> None:
    """The pins serve a stage, as one release set."""
    release = bench.release(*pins)
    for one in pins:
        record = serving(one.key, stage, one.model_version)
        record = replace(
            record, release_id=release.id, scoring_version=one.scoring_build, deployment=one.deployment
        )
        bench.records.save_deployment(record)


def update(bench: Bench) -> EnvironmentUpdate:
    """A commit that raises the environment's version, on its way."""
    run = bench.edit(YAML, '"1.1.0"', '"1.2.0"')
    asked = EnvironmentRun("environment-1-2-0-b", run.commit, run.requester)
    return EnvironmentUpdate(asked, NEXT_ENVIRONMENT, bench.policies())


def batch(bench: Bench, *trials: Trial) -> TrialBatch:
    given = trials or (Trial(CIRC1, "1", "1.1.0", "job-1", "configs/1.yaml"),)
    return TrialBatch(update(bench), "1.1.0", given, 1, "environment-1-2-0-b-trial-1")


# --- a push -----------------------------------------------------------------------------------------------

PUSHES = [
    ("1.1.0", Change.SAME, ""),
    ("1.1.1", Change.NON_BREAKING, "environment 1.1.0 → 1.1.1: what is trained stays as it is"),
    (
        "2.0.0",
        Change.BREAKING,
        "environment 1.1.0 → 2.0.0 is breaking: every circuit has to be trained again",
    ),
    (
        "1.0.0",
        Change.DOWNGRADE,
        "environment 1.1.0 → 1.0.0 is a downgrade: what is deployed stays in its environment",
    ),
]


@pytest.mark.parametrize(("version", "kind", "told"), PUSHES)
def test_what_a_push_does_to_the_environment(bench: Bench, version: str, kind: Change, told: str):
    run = bench.edit(YAML, '"1.1.0"', f'"{version}"')
    look = EnvironmentLook(run, EnvironmentRegistration(ENVIRONMENT, version))
    assert bench.run(look_at_environment, look) == EnvironmentChange(kind, told)


@pytest.mark.parametrize("before", [ZERO_COMMIT, "f" * 40])
def test_without_a_past_a_push_moves_nothing(bench: Bench, before: str):
    run = replace(bench.edit(YAML, '"1.1.0"', '"1.2.0"'), before=before)
    assert bench.run(look_at_environment, EnvironmentLook(run, NEXT_ENVIRONMENT)).change is Change.SAME


# --- the plan ---------------------------------------------------------------------------------------------


def test_every_model_in_test_and_prod_is_tried_once(bench: Bench):
    deployed(bench, pin(CIRC1), pin(CIRC2))
    deployed(bench, pin(CIRC1), pin(CIRC2, "2"), stage=Stage.TEST)
    deployed(bench, pin(CIRC1, "9"), stage=Stage.DEV)
    plan = bench.run(plan_environment_update, update(bench))
    assert [(one.key, one.model_version, one.before, one.problem) for one in plan.trials] == [
        (CIRC1, "1", "1.1.0", ""),
        (CIRC2, "1", "1.1.0", ""),
        (CIRC2, "2", "1.1.0", ""),
    ]
    assert plan.trials[0].job == pin(CIRC1).job


def test_a_model_that_nobody_knows_the_origin_of_cannot_be_tried(bench: Bench):
    deployed(bench, pin(CIRC1))
    record = bench.records.deployment(Stage.PROD, CIRC1)
    assert record
    bench.records.save_deployment(replace(record, release_id="r-gone"))
    [trial] = bench.run(plan_environment_update, update(bench)).trials
    assert trial.problem == "no release set on record says what made it (release r-gone)"


def test_where_nothing_is_deployed_there_is_nothing_to_plan(bench: Bench):
    plan = bench.run(plan_environment_update, update(bench))
    assert (plan.update.possible, plan.trials) == (False, ())


# --- the trial --------------------------------------------------------------------------------------------


def test_the_job_is_given_the_models_and_both_builds(bench: Bench):
    unknown = Trial(CIRC2, "1", "1.1.0", problem="nobody knows")
    asked = batch(bench, *batch(bench).trials, unknown)
    job = bench.run(submit_comparison, asked)
    version = shipped_version("scoring/compare_environments")
    path = "environments/environment-1-2-0-b/models-1.json"
    assert bench.ml.jobs[Stage.DEV, job.name].inputs == {
        "before": f"compare_environments:{version}-env1.1.0",
        "after": f"compare_environments:{version}-env1.2.0",
        "models": path,
        "sensor_data": "abfss://sensors@account.dfs.core.windows.net/readings",
        "compute": "training-cluster",
    }
    document = json.loads(bench.ml.files[Stage.DEV, path])
    assert (document["windows"], [one["circuit_id"] for one in document["models"]]) == (24, ["CIRC1"])
    assert bench.ml.jobs[Stage.DEV, job.name].state.tags["orchestration_id"] == asked.orchestration_id


def report(**item: Any) -> bytes:
    measured = {
        "plant_id": "PLANT1", "circuit_id": "CIRC1", "model_version": "1", "problem": None, "failed_rows": 0,
        "latency_ms": {"p95": 1.0}, "compared": 24, "differently_read": 0, "one_sided": 0, "max_difference": 0.0,
    }  # fmt: skip
    return json.dumps({"models": [measured | item]}).encode()


def tried(bench: Bench, state: JobState | None = None, **item: Any) -> Any:
    asked = batch(bench, *batch(bench).trials, Trial(CIRC2, "1", "1.1.0", problem="nobody knows"))
    for part in ("before", "after"):
        bench.ml.write_file(Stage.DEV, f"jobs/trial/{part}.json", report(**item))
    return bench.run(read_comparison, TriedBatch(asked, state or JobState("trial", JobStatus.COMPLETED)))


def test_each_model_gets_its_verdict(bench: Bench):
    first, second = tried(bench)
    assert (first.key, first.compatible) == (CIRC1, True)
    assert (second.compatible, second.sentence) == (False, "PLANT1/CIRC2 v1 in 1.2.0: nobody knows")
    assert not tried(bench, max_difference=0.5)[0].compatible


def test_a_job_that_failed_is_the_verdict_on_all_of_its_models(bench: Bench):
    error = "The environment could not be built.\nResolving…\nno version of numpy==99 was found"
    first, second = tried(bench, JobState("trial", JobStatus.FAILED, error))
    assert first.sentence == (
        "PLANT1/CIRC1 v1 in 1.2.0: The environment could not be built. … no version of numpy==99 was found"
    )
    assert second.sentence.endswith("nobody knows")


# --- the question -----------------------------------------------------------------------------------------


def test_a_stages_release_set_holds_the_same_models_moved_to_the_new_environment(bench: Bench):
    deployed(bench, pin(CIRC1), pin(CIRC2))
    deployed(bench, replace(pin(CIRC1), moved_to="1.2.0"), pin(CIRC2), stage=Stage.TEST)
    moving = update(bench)
    prod = bench.run(compose_update, StageUpdate(moving, Stage.PROD))
    test = bench.run(compose_update, StageUpdate(moving, Stage.TEST))
    assert (prod.circuits, test.circuits) == ((CIRC1, CIRC2), (CIRC2,))
    stored = bench.records.release(prod.id)
    assert stored
    [first, _] = stored.pins
    version = shipped_version("scoring/scoring_pipeline")
    assert first == replace(pin(CIRC1), moved_to="1.2.0", scoring_version=version)
    assert (first.deployment, first.scoring_build) == ("circ1-v1-e1-2-0", f"{version}-env1.2.0")


def test_a_stage_that_has_it_already_has_no_release_set(bench: Bench):
    deployed(bench, replace(pin(CIRC1), moved_to="1.2.0"))
    moving = update(bench)
    assert bench.run(compose_update, StageUpdate(moving, Stage.PROD)) is None
    assert bench.run(compose_update, StageUpdate(moving, Stage.TEST)) is None


def test_the_question_shows_the_matrix_and_is_asked_once_a_stage(bench: Bench):
    deployed(bench, pin(CIRC1))
    moving = update(bench)
    release = bench.run(compose_update, StageUpdate(moving, Stage.PROD))
    asked = bench.run(update_question, StageQuestion(moving, Stage.PROD, release, "1 of 1 model compatible"))
    assert (asked.gate, asked.release_id) == (GateName.ENVIRONMENT_UPDATE, release.id)
    assert asked.subject == "Move prod to environment 1.2.0: 1 circuit"
    assert "1 of 1 model compatible" in asked.summary
    assert [(link.label, link.address) for link in asked.evidence] == [
        ("Compatibility matrix", "/environments/1.2.0")
    ]
    again = bench.run(update_question, StageQuestion(moving, Stage.TEST, release, "x"))
    assert again.id != asked.id


# --- the record -------------------------------------------------------------------------------------------


def test_a_refused_attempt_leaves_the_matrix_of_the_one_before(bench: Bench):
    moving, matrix = update(bench), tried(bench)
    bench.run(note_environment, EnvironmentNote(moving, EnvironmentStatus.RELEASED, "done", matrix))
    again = replace(moving, run=replace(moving.run, id="environment-1-2-0-again"))
    bench.run(note_environment, EnvironmentNote(again, EnvironmentStatus.REFUSED, "nothing to do"))
    kept = bench.environments.get("1.2.0")
    assert kept
    assert (kept.status, kept.matrix, kept.commit) == (EnvironmentStatus.RELEASED, matrix, moving.run.commit)
    said = [entry.sentence for entry in bench.audit.entries()]
    assert said == ["environment 1.2.0 released: done", "environment 1.2.0 refused: nothing to do"]


def test_the_fleets_files_are_those_of_this_repository():
    """The tests above edit them: should they read otherwise, they test nothing."""
    assert b'version: "1.1.0"' in FILES[YAML]
    assert RUN.commit == COMMIT
