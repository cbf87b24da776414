"""Deployments: which pins go to a stage, and what serves from then on."""

from dataclasses import replace

import pytest

from activities.serving import activate_deployment, create_deployment, look_at_deployment, plan_deployment
from busbar.domain.errors import NotFound, Rejected
from busbar.domain.policies import Policies, ScaleFreePolicy, Stage, StagePolicy, Thresholds
from busbar.domain.records import DeploymentRecord, RolledBack
from busbar.domain.steps import CircuitDeployment, DeploymentPlan, DeploymentState, StageDeployment
from tests.activities.bench import CIRC1, CIRC2, CIRC3, HASH, METRICS, SETTINGS, Bench, pin, serving
from tests.fakes import NOON, Outage

STRICT = Policies(stages={Stage.PROD: StagePolicy(Thresholds(max_mae=0.5), "fast-cluster")})
CONFIG = f"circuit_configs/PLANT1_CIRC1/{HASH}.yaml"


def planned(bench: Bench, *pins: object, policies: Policies | None = None) -> DeploymentPlan:
    release = bench.release(*pins, policies=policies or Policies())  # type: ignore[arg-type] - pins
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
    release = bench.release(pin(CIRC1), pin(CIRC2), pin(CIRC3), policies=Policies()).less((CIRC2,))
    plan = bench.run(plan_deployment, StageDeployment(Stage.PROD, release))
    assert ([item.key for item in plan.pins], plan.held) == ([CIRC1, CIRC3], ())


def test_a_release_that_is_not_on_record_cannot_be_planned(bench: Bench):
    release = replace(bench.release(pin()), id="r-lost")
    with pytest.raises(NotFound, match="r-lost is not on record"):
        bench.run(plan_deployment, StageDeployment(Stage.TEST, release))


# --- one circuit ------------------------------------------------------------------------------------------


def request(stage: Stage = Stage.TEST, version: str = "1", policies: Policies = STRICT) -> CircuitDeployment:
    return CircuitDeployment(stage, pin(version=version), policies, None if stage is Stage.DEV else "r-1")


def deploy(bench: Bench, stage: Stage = Stage.TEST, version: str = "1") -> DeploymentRecord:
    for activity in (create_deployment, activate_deployment):
        bench.run(activity, request(stage, version))
    record = bench.records.deployment(stage, CIRC1)
    assert record
    return record


@pytest.fixture(autouse=True)
def configured(bench: Bench) -> None:
    bench.ml.write_file(Stage.DEV, CONFIG, b"circuit_id: CIRC1\n")


COMPONENTS = [
    (Stage.DEV, "azureml:scoring_pipeline:1.0.0-env1.1.0", "scoring-cluster"),
    (
        Stage.PROD,
        "azureml://registries/central-registry/components/scoring_pipeline/versions/1.0.0-env1.1.0",
        "fast-cluster",
    ),
]


@pytest.mark.parametrize(("stage", "component", "compute"), COMPONENTS)
def test_dev_runs_its_own_component_and_the_other_stages_the_registrys(
    bench: Bench, stage: Stage, component: str, compute: str
):
    record = deploy(bench, stage)
    assert bench.ml.components_of[stage, record.endpoint, record.deployment] == (component, compute)
    assert bench.ml.files[stage, CONFIG] == b"circuit_id: CIRC1\n"
    assert bench.ml.endpoints == {(stage, record.endpoint): {"plant_id": "PLANT1"}}
    assert bench.ml.deployments[stage, record.endpoint, record.deployment].tags == {
        "plant_id": "PLANT1",
        "circuit_id": "CIRC1",
        "model_name": "PLANT1_CIRC1_model",
        "model_version": "1",
        "cutoff_date": "2025-12-09",
        "training_hash": HASH,
        "release_id": "" if stage is Stage.DEV else "r-1",
    }


def test_circuits_of_a_plant_share_its_endpoint(bench: Bench):
    bench.ml.write_file(Stage.DEV, CONFIG.replace("CIRC1", "CIRC2"), b"")
    deploy(bench)
    bench.run(create_deployment, replace(request(), pin=pin(CIRC2)))
    assert len(bench.ml.endpoints) == 1
    assert sorted(name for _, _, name in bench.ml.deployments) == ["circ1-v1", "circ2-v1"]


@pytest.mark.parametrize(
    ("known", "seen"),
    [
        (None, DeploymentState(ready=False)),
        (DeploymentState(ready=False), DeploymentState(ready=False)),
        (
            DeploymentState(ready=False, failed=True, error="e"),
            DeploymentState(ready=False, failed=True, error="e"),
        ),
    ],
)
def test_a_look_says_where_a_deployment_stands(
    bench: Bench, known: DeploymentState | None, seen: DeploymentState
):
    record = deploy(bench)
    place = (Stage.TEST, record.endpoint, record.deployment)
    del bench.ml.deployments[place]
    if known:
        bench.ml.deployments[place] = known
    assert bench.run(look_at_deployment, request()) == seen


def test_a_deployment_that_failed_is_made_again(bench: Bench):
    record = deploy(bench)
    place = (Stage.TEST, record.endpoint, record.deployment)
    bench.ml.deployments[place] = DeploymentState(ready=False, failed=True)
    bench.run(create_deployment, request())
    assert bench.run(look_at_deployment, request()).ready


def test_what_serves_is_on_record(bench: Bench):
    record = deploy(bench)
    assert record == DeploymentRecord(
        key=CIRC1,
        stage=Stage.TEST,
        endpoint=record.endpoint,
        deployment="circ1-v1",
        model_name="PLANT1_CIRC1_model",
        model_version="1",
        cutoff_date="2025-12-09",
        circuit_config=CONFIG,
        since=NOON,
        release_id="r-1",
        scoring_version="1.0.0-env1.1.0",
        training_hash=HASH,
        compute="scoring-cluster",
    )
    assert record.endpoint.startswith("be-plant1-test-")
    assert SETTINGS.workspace_id(Stage.TEST).endswith("/test-ws")


def before(record: DeploymentRecord) -> str | None:
    return record.previous.deployment if record.previous else None


def deployments(bench: Bench) -> list[str]:
    return sorted(name for _, _, name in bench.ml.deployments)


def test_a_circuit_keeps_at_most_the_deployment_before(bench: Bench):
    kept = [(before(deploy(bench, version=str(version))), deployments(bench)) for version in (1, 2, 3, 4)]
    assert kept == [
        (None, ["circ1-v1"]),
        ("circ1-v1", ["circ1-v1", "circ1-v2"]),
        ("circ1-v2", ["circ1-v2", "circ1-v3"]),
        ("circ1-v3", ["circ1-v3", "circ1-v4"]),
    ]
    assert before(deploy(bench, version="4")) == "circ1-v3"
    assert deployments(bench) == ["circ1-v3", "circ1-v4"]


def test_going_back_to_the_deployment_before_keeps_it(bench: Bench):
    for version in ("1", "2", "1"):
        record = deploy(bench, version=version)
    assert (record.deployment, before(record)) == ("circ1-v1", "circ1-v2")
    assert deployments(bench) == ["circ1-v1", "circ1-v2"]


def test_a_clean_up_that_failed_is_caught_up_by_the_retry(bench: Bench):
    for version in ("1", "2"):
        deploy(bench, version=version)
    bench.run(create_deployment, request(version="3"))
    bench.ml.outage = True
    with pytest.raises(Outage):
        bench.run(activate_deployment, request(version="3"))
    bench.ml.outage = False
    bench.run(activate_deployment, request(version="3"))
    assert deployments(bench) == ["circ1-v2", "circ1-v3"]


# --- what was rolled back stays out -----------------------------------------------------------------------

MARK = RolledBack("circ1-v2", "2", "r-1", "rollback-1", "operator", "it drifts", NOON)
LIFT = (
    "v2 was rolled back by operator at 2025-12-09T12:00:00+00:00: it drifts; a person has to lift that first"
)


def marked(bench: Bench) -> None:
    bench.records.save_deployment(serving(stage=Stage.PROD, version="1").marked(MARK))


def test_a_rolled_back_version_is_held_back_whatever_release_carries_it(bench: Bench):
    marked(bench)
    plan = planned(bench, pin(version="2"))
    assert plan == DeploymentPlan((), ((CIRC1, f"PLANT1/CIRC1 held back: {LIFT}"),))


def test_a_newer_version_than_the_one_rolled_back_goes(bench: Bench):
    marked(bench)
    assert planned(bench, pin(version="3")).pins == (pin(version="3"),)


def test_a_deployment_that_was_rolled_back_meanwhile_does_not_become_active(bench: Bench):
    marked(bench)
    bench.run(create_deployment, request(Stage.PROD, "2"))
    with pytest.raises(Rejected, match="PLANT1/CIRC1: v2 was rolled back by operator"):
        bench.run(activate_deployment, request(Stage.PROD, "2"))
    assert bench.records.deployment(Stage.PROD, CIRC1) == serving(stage=Stage.PROD, version="1").marked(MARK)
