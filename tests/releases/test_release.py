"""Releases of a light fleet on the real stack: what people approve goes out, what fails comes back by itself.

All in one file, so that one worker runs it and one stack is started.
"""

from collections.abc import Mapping
from typing import Any

import pytest

from busbar.domain.drift_plan import IncidentStatus
from busbar.domain.policies import Stage
from busbar.domain.records import RunStatus
from tests.journeys.stack import ROOT, Stack
from tests.releases import steps
from tests.releases.conftest import Released, RolledBack
from tests.releases.steps import (
    DRIFTING,
    GOOD,
    LATE,
    LEFT_OUT,
    ONLINE,
    SLOW,
    LightFleet,
    Retrained,
    serving,
)

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.skipif(
        not (ROOT / "node_modules" / ".bin" / "azurite").exists(), reason="Azurite is not installed: npm ci"
    ),
]


def online(stack: Stack) -> tuple[Any, str]:
    """Prod's workspace, and the endpoint of the circuit that is served online."""
    ml = stack.workspace(Stage.PROD)
    (endpoint,) = ml.online_endpoints.list()
    return ml, str(endpoint.name)


def shares(traffic: Mapping[str, int]) -> dict[str, int]:
    return {name: share for name, share in traffic.items() if share}


def test_a_release_that_all_approve_serves_everywhere(fleet: LightFleet, first: Released) -> None:
    assert first.run.status is RunStatus.COMPLETED, first.run.sentence
    for stage in Stage:
        assert serving(first.snapshot, stage) == dict.fromkeys(fleet.keys, "1")


def test_what_fails_at_a_quarter_goes_back_alone(fleet: LightFleet, second: Released) -> None:
    assert second.run.status is RunStatus.COMPLETED, second.run.sentence
    new = dict.fromkeys(fleet.keys, "2")
    assert serving(second.snapshot, Stage.TEST) == new | {LEFT_OUT: "1"}
    assert serving(second.snapshot, Stage.PROD) == new | {LEFT_OUT: "1", LATE: "1"}


def test_the_verdict_says_where_and_by_which_number(second: Released) -> None:
    assert f"{LATE} v2 at 25 % in prod: roll back: max_failed_rows_percent failed" in second.run.sentence
    assert f"{SLOW} v2" not in second.run.sentence


def test_a_failed_candidate_leaves_nothing_behind(stack: Stack, second: Released) -> None:
    ml = stack.workspace(Stage.PROD)
    (endpoint,) = ml.batch_endpoints.list()
    names = {one.name for one in ml.batch_deployments.list(endpoint.name)}
    assert {one for one in names if one.startswith(f"{LATE.circuit_id.lower()}-")} == {"circ2-v1"}
    assert {one for one in names if one.startswith(f"{GOOD.circuit_id.lower()}-")} == {"circ1-v1", "circ1-v2"}


def test_an_online_circuit_was_tried_on_copies_and_then_took_over(stack: Stack, second: Released) -> None:
    ml, name = online(stack)
    assert shares(ml.online_endpoints.get(name).traffic) == {"online-v2": 100}
    deployments = {one.name: one for one in ml.online_deployments.list(name)}
    assert set(deployments) == {"online-v1", "online-v2"}
    registry = "azureml://registries/mlops-central-registry"
    assert deployments["online-v2"].model == f"{registry}/models/PLANT1_CIRC4_model/versions/2"
    assert f"{registry}/codes/" in deployments["online-v2"].code_configuration.code
    listed = " ".join(steps.operator(stack, "audit", "--limit", "500").stdout.split())
    for place in ("mirrored 50 %", "at 10 %", "at 25 %", "at 50 %"):
        assert f"{ONLINE} v2 {place} in prod: advance" in listed
    asked = ml.online_deployments.get_logs("online-v2", name, 5000).count("POST /score 200")
    assert asked > 8  # by name, and by copies of what the champion was asked


def test_one_command_takes_a_stage_back(fleet: LightFleet, second: Released, rolled_back: RolledBack) -> None:
    assert rolled_back.command.returncode == 0, rolled_back.command.stdout + rolled_back.command.stderr
    assert serving(rolled_back.snapshot, Stage.PROD) == dict.fromkeys(fleet.keys, "1")
    assert serving(rolled_back.snapshot, Stage.TEST) == serving(second.snapshot, Stage.TEST)


def test_a_rollback_gives_an_online_circuits_requests_back(stack: Stack, rolled_back: RolledBack) -> None:
    ml, name = online(stack)
    assert shares(ml.online_endpoints.get(name).traffic) == {"online-v1": 100}


def test_there_is_no_second_step_back(rolled_back: RolledBack) -> None:
    assert rolled_back.again.returncode == 1
    assert "nothing" in rolled_back.again.stdout + rolled_back.again.stderr


def test_what_nobody_answers_is_rejected(fleet: LightFleet, unanswered: Released) -> None:
    assert unanswered.run.status is RunStatus.REJECTED
    assert "nobody decided until" in unanswered.run.sentence
    assert serving(unanswered.snapshot, Stage.TEST) == dict.fromkeys(fleet.keys, "3")
    assert serving(unanswered.snapshot, Stage.PROD) == dict.fromkeys(fleet.keys, "1")


def test_an_environment_is_moved_without_training_anything(
    stack: Stack, fleet: LightFleet, unanswered: Released, moved: Released
) -> None:
    assert moved.run.status is RunStatus.COMPLETED, moved.run.sentence
    for stage in (Stage.TEST, Stage.PROD):
        assert serving(moved.snapshot, stage) == serving(unanswered.snapshot, stage)
        builds = {state.deployments[stage].scoring_version for state in moved.snapshot.circuits.values()}
        assert {build.partition("-env")[2] for build in builds} == {steps.ENVIRONMENT}
    listed = steps.operator(stack, "releases").stdout
    assert listed.count("environment  ") == 2, listed  # a release set a stage, in the index like any other
    told = steps.operator(stack, "environments", "show", steps.ENVIRONMENT).stdout
    assert f"{steps.ENVIRONMENT}: released" in told
    matrix = stack.functions.get(f"/environments/{steps.ENVIRONMENT}")
    assert matrix.status_code == 200
    assert all(str(key) in matrix.text for key in fleet.keys)


def test_what_drifts_is_asked_about_committed_and_trained_alone(retrained: Retrained) -> None:
    assert retrained.subject == f"Train again in prod: {DRIFTING}, data drift"
    assert retrained.incident.circuits == (DRIFTING,)
    assert retrained.incident.status is IncidentStatus.COMMITTED
    assert retrained.trained == {DRIFTING: "2025-12-20"}
    shown = retrained.command.stdout
    assert retrained.command.returncode == 0, shown + retrained.command.stderr
    assert shown.count("no drift") == 5
    assert "flow has moved" in shown


def test_the_audit_log_is_whole(stack: Stack, retrained: Retrained) -> None:
    verified = steps.operator(stack, "audit", "--verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    listed = " ".join(steps.operator(stack, "audit", "--limit", "200").stdout.split())
    assert "alarms in the control room" in listed
    assert f"{LATE} v2 at 25 % in prod: roll back" in listed
    assert f"{DRIFTING}: data drift: flow has moved: committed: approved by" in listed
