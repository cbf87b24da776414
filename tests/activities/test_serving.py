"""Deployments: a candidate beside what serves, and what serves from then on."""

from dataclasses import replace

import pytest

from activities.serving import activate_deployment, create_deployment, look_at_deployment
from busbar.domain.errors import Rejected
from busbar.domain.policies import Policies, RampPolicy, Stage, StagePolicy
from busbar.domain.ramp import steps
from busbar.domain.records import DeploymentRecord, RolledBack
from busbar.domain.steps import CircuitDeployment, DeploymentState, Ramp
from tests.activities.bench import CIRC1, CIRC2, HASH, SETTINGS, Bench, pin, serving
from tests.fakes import NOON, Outage

STRICT = Policies(stages={Stage.PROD: StagePolicy(compute="fast-cluster")})
RAMPED = Policies(stages={Stage.TEST: StagePolicy(ramp=RampPolicy((50, 100)))})
CONFIG = f"circuit_configs/PLANT1_CIRC1/{HASH}.yaml"


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
    bench.ml.outage = True
    with pytest.raises(Outage):
        bench.run(create_deployment, request(version="3"))
    bench.ml.outage = False
    bench.run(create_deployment, request(version="3"))
    assert deployments(bench) == ["circ1-v2", "circ1-v3"]


# --- a candidate beside what serves -----------------------------------------------------------------------


def record_of(bench: Bench, stage: Stage = Stage.TEST) -> DeploymentRecord:
    record = bench.records.deployment(stage, CIRC1)
    assert record
    return record


def test_a_candidate_stands_beside_what_serves_and_has_no_share_yet(bench: Bench):
    champion = deploy(bench, version="1").active
    ramp = bench.run(create_deployment, request(version="2", policies=RAMPED))
    assert ramp == Ramp(steps(RAMPED.stage(Stage.TEST).ramp, first=False), champion)
    record = record_of(bench)
    assert record.candidate
    assert (record.active, record.candidate.deployment, record.candidate.share) == (champion, "circ1-v2", 0)
    assert deployments(bench) == ["circ1-v1", "circ1-v2"]


def test_a_first_deployment_has_no_champion(bench: Bench):
    ramp = bench.run(create_deployment, request(policies=RAMPED))
    assert ramp == Ramp(steps(RAMPED.stage(Stage.TEST).ramp, first=True))
    assert bench.records.deployment(Stage.TEST, CIRC1) is None


def test_what_serves_already_is_not_made_a_candidate(bench: Bench):
    deploy(bench)
    assert bench.run(create_deployment, request()) == Ramp(serves=True)


def test_a_candidate_takes_the_place_of_what_served_before(bench: Bench):
    for version in ("1", "2"):
        deploy(bench, version=version)
    bench.run(create_deployment, request(version="3"))
    record = record_of(bench)
    assert (before(record), record.previous_stands) == ("circ1-v1", False)
    assert deployments(bench) == ["circ1-v2", "circ1-v3"]


def test_a_newer_release_takes_the_place_of_a_candidate(bench: Bench):
    deploy(bench, version="1")
    for version in ("2", "3"):
        bench.run(create_deployment, request(version=version))
    assert deployments(bench) == ["circ1-v1", "circ1-v3"]
    with pytest.raises(Rejected, match="circ1-v2 is no candidate for test any more: circ1-v3 ramps up"):
        bench.run(activate_deployment, request(version="2"))


def test_the_same_model_by_a_newer_scoring_component_is_a_candidate(bench: Bench):
    deploy(bench)
    newer = replace(pin(), scoring_version="1.4.0", rescored_to="1.4.0")
    ramp = bench.run(create_deployment, replace(request(), pin=newer))
    assert not ramp.serves
    candidate = record_of(bench).candidate
    assert candidate
    assert (candidate.deployment, candidate.scoring_version) == ("circ1-v1-s1-4-0", "1.4.0-env1.1.0")
    assert deployments(bench) == ["circ1-v1", "circ1-v1-s1-4-0"]


# --- what was rolled back stays out -----------------------------------------------------------------------

MARK = RolledBack("circ1-v2", "2", "r-1", "rollback-1", "operator", "it drifts", NOON)


def marked(bench: Bench) -> None:
    bench.records.save_deployment(serving(stage=Stage.PROD, version="1").marked(MARK))


def test_what_was_rolled_back_is_not_made_a_candidate(bench: Bench):
    marked(bench)
    with pytest.raises(Rejected, match="PLANT1/CIRC1: v2 was rolled back by operator"):
        bench.run(create_deployment, request(Stage.PROD, "2"))
    assert not bench.ml.deployments


def test_a_deployment_that_was_rolled_back_meanwhile_does_not_become_active(bench: Bench):
    bench.records.save_deployment(serving(stage=Stage.PROD, version="1"))
    bench.run(create_deployment, request(Stage.PROD, "2"))
    marked(bench)
    with pytest.raises(Rejected, match="PLANT1/CIRC1: v2 was rolled back by operator"):
        bench.run(activate_deployment, request(Stage.PROD, "2"))
    assert bench.records.deployment(Stage.PROD, CIRC1) == serving(stage=Stage.PROD, version="1").marked(MARK)
