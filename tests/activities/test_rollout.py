"""Before a release touches a stage: which pins go, which stay back, and whether there is room."""

from dataclasses import replace

import pytest

from activities.rollout import plan_deployment
from activities.serving import names_of
from busbar.domain.errors import NotFound
from busbar.domain.policies import Policies, QuotaPolicy, ScaleFreePolicy, Stage, StagePolicy, Thresholds
from busbar.domain.records import RolledBack
from busbar.domain.release import Pin
from busbar.domain.steps import CircuitDeployment, DeploymentPlan, DeploymentState, StageDeployment
from tests.activities.bench import CIRC1, CIRC2, CIRC3, METRICS, SETTINGS, Bench, pin, serving
from tests.fakes import NOON

STRICT = Policies(stages={Stage.PROD: StagePolicy(Thresholds(max_mae=0.5), "fast-cluster")})


def planned(bench: Bench, *pins: Pin, policies: Policies | None = None) -> DeploymentPlan:
    bench.shared(*pins)
    release = bench.release(*pins, policies=policies or Policies())
    return bench.run(plan_deployment, StageDeployment(Stage.PROD, release))


def test_every_pin_of_the_release_goes(bench: Bench):
    assert planned(bench, pin(CIRC1), pin(CIRC2)) == DeploymentPlan((pin(CIRC1), pin(CIRC2)))


def test_the_stages_gates_hold_back_with_their_numbers(bench: Bench):
    plan = planned(bench, pin(CIRC1), pin(CIRC2, metrics=replace(METRICS, mae=0.4)), policies=STRICT)
    assert [item.key for item in plan.pins] == [CIRC2]
    assert plan.held == ((CIRC1, "PLANT1/CIRC1 held back: max_mae failed: 1 (limit ≤ 0.5)"),)


def test_a_circuits_own_limits_count_in_every_stage(bench: Bench):
    own = replace(pin(CIRC1), thresholds=Thresholds(max_mae=2.0))
    assert planned(bench, own, policies=STRICT).pins == (own,)


def test_the_scale_free_gates_are_the_releases(bench: Bench):
    plan = planned(bench, pin(), policies=Policies(gates=ScaleFreePolicy(min_skill_seasonal_naive=0.5)))
    assert "min_skill_seasonal_naive failed: 0.4 (limit > 0.5)" in plan.held[0][1]


@pytest.mark.parametrize(("served", "goes"), [("1", True), ("2", True), ("3", False), ("10", False)])
def test_nothing_older_than_what_serves(bench: Bench, served: str, goes: bool):
    bench.records.save_deployment(serving(stage=Stage.PROD, version=served))
    bench.records.save_deployment(serving(stage=Stage.TEST, version="99"))
    plan = planned(bench, pin(version="2"))
    assert bool(plan.pins) == goes
    if not goes:
        told = f"PLANT1/CIRC1 held back: prod already serves version {served}, this is 2"
        assert plan.held == ((CIRC1, told),)


def test_what_approvers_left_out_is_neither_deployed_nor_held(bench: Bench):
    bench.shared(pin(CIRC1), pin(CIRC3))
    release = bench.release(pin(CIRC1), pin(CIRC2), pin(CIRC3), policies=Policies()).less((CIRC2,))
    plan = bench.run(plan_deployment, StageDeployment(Stage.PROD, release))
    assert ([item.key for item in plan.pins], plan.held) == ([CIRC1, CIRC3], ())


def test_a_release_that_is_not_on_record_cannot_be_planned(bench: Bench):
    release = replace(bench.release(pin()), id="r-lost")
    with pytest.raises(NotFound, match="r-lost is not on record"):
        bench.run(plan_deployment, StageDeployment(Stage.TEST, release))


def test_a_model_that_the_registry_does_not_have_stays_back(bench: Bench):
    bench.shared(pin(CIRC1))
    release = bench.release(pin(CIRC1), pin(CIRC2), policies=Policies())
    plan = bench.run(plan_deployment, StageDeployment(Stage.PROD, release))
    told = "PLANT1/CIRC2 held back: model PLANT1_CIRC2_model:1 is not in the registry: promote it first"
    assert plan == DeploymentPlan((pin(CIRC1),), ((CIRC2, told),))


# --- quotas -----------------------------------------------------------------------------------------------


def standing(bench: Bench, *names: str, stage: Stage = Stage.PROD) -> str:
    """Deployments that stand on the plant's endpoint."""
    endpoint, _ = names_of(CircuitDeployment(stage, pin(), Policies()), SETTINGS)
    bench.ml.ensure_endpoint(stage, endpoint, {"plant_id": "PLANT1"})
    for name in names:
        bench.ml.deployments[stage, endpoint, name] = DeploymentState(ready=True)
    return endpoint


def test_a_release_that_breaks_a_quota_is_refused_with_the_numbers(bench: Bench):
    endpoint = standing(bench, "circ8-v1", "circ9-v1")
    plan = planned(bench, pin(CIRC1), pin(CIRC2), policies=Policies(quotas=QuotaPolicy(3)))
    assert plan.refusal.startswith(
        f"endpoint {endpoint} would have 4 deployments (2 there, 2 new) and may have 3"
    )


def test_what_makes_room_and_what_serves_already_does_not_count(bench: Bench):
    standing(bench, "circ1-v1", "circ1-v2", "circ2-v1")
    first = serving(stage=Stage.PROD, version="1")
    bench.records.save_deployment(first.serving(replace(first.active, deployment="circ1-v2"), NOON))
    bench.records.save_deployment(serving(CIRC2, Stage.PROD))
    plan = planned(bench, pin(CIRC1, "3"), pin(CIRC2), policies=Policies(quotas=QuotaPolicy(3)))
    assert (len(plan.pins), plan.refusal) == (2, "")


def test_the_endpoints_of_all_workspaces_count(bench: Bench):
    for stage in (Stage.DEV, Stage.TEST):
        standing(bench, stage=stage)
    assert planned(bench, pin(), policies=Policies(quotas=QuotaPolicy(endpoints=3))).refusal == ""
    plan = planned(bench, pin(), policies=Policies(quotas=QuotaPolicy(endpoints=2)))
    assert plan.refusal.startswith("the region would have 3 endpoints (2 there, 1 new) and may have 2")


# --- what was rolled back stays out -----------------------------------------------------------------------

MARK = RolledBack("circ1-v2", "2", "r-1", "rollback-1", "operator", "it drifts", NOON)
LIFT = "v2 was rolled back by operator at 2025-12-09 12:00 UTC: it drifts; a person has to lift that first"


def marked(bench: Bench) -> None:
    bench.records.save_deployment(serving(stage=Stage.PROD, version="1").marked(MARK))


def test_a_rolled_back_version_is_held_back_whatever_release_carries_it(bench: Bench):
    marked(bench)
    plan = planned(bench, pin(version="2"))
    assert plan == DeploymentPlan((), ((CIRC1, f"PLANT1/CIRC1 held back: {LIFT}"),))


def test_a_newer_version_than_the_one_rolled_back_goes(bench: Bench):
    marked(bench)
    assert planned(bench, pin(version="3")).pins == (pin(version="3"),)
