"""A candidate's share, and its way back."""

from dataclasses import replace
from typing import Any

import pytest

from activities.ramping import raise_share, take_back, withdraw_candidate
from activities.serving import activate_deployment, create_deployment
from busbar.domain.errors import Rejected
from busbar.domain.policies import Bake, Policies, RampPolicy, Stage, StagePolicy
from busbar.domain.records import Candidate, DeploymentRecord
from busbar.domain.steps import CircuitDeployment, Share, TakeBack
from busbar.web.rollbacks import lift
from tests.activities.bench import CIRC1, Bench, pin

RAMP = RampPolicy((10, 25, 50, 100))


def asked(version: str = "2", ramp: RampPolicy = RAMP, release: str = "r-2") -> CircuitDeployment:
    policies = Policies(stages={Stage.PROD: StagePolicy(ramp=ramp)})
    return CircuitDeployment(Stage.PROD, pin(version=version), policies, release)


@pytest.fixture(autouse=True)
def serving(bench: Bench) -> None:
    """Version 1 serves."""
    bench.ml.write_file(Stage.DEV, pin().circuit_config, b"circuit_id: CIRC1\n")
    for activity in (create_deployment, activate_deployment):
        bench.run(activity, asked("1", release="r-1"))


@pytest.fixture
def ramping(bench: Bench, serving: None) -> Bench:
    """Version 2 is a candidate."""
    bench.run(create_deployment, asked())
    return bench


def record(bench: Bench) -> DeploymentRecord:
    found = bench.records.deployment(Stage.PROD, CIRC1)
    assert found
    return found


def candidate(bench: Bench) -> Candidate:
    found = record(bench).candidate
    assert found
    return found


def deployments(bench: Bench) -> list[str]:
    return sorted(name for _, _, name in bench.ml.deployments)


# --- the share --------------------------------------------------------------------------------------------


def test_a_share_rises_and_says_how_the_ramp_stands(ramping: Bench):
    ramping.run(raise_share, Share(asked(), 25, "25 % of windows"))
    found = candidate(ramping)
    assert (found.share, found.progress, found.windows) == (25, "25 % of windows", 1)
    assert record(ramping).deployment == "circ1-v1"


def test_a_live_ramp_shares_more_windows_a_day(ramping: Bench):
    ramping.run(raise_share, Share(asked(ramp=replace(RAMP, bake=Bake.LIVE)), 25, ""))
    assert candidate(ramping).windows == RAMP.windows


def test_a_candidate_that_somebody_took_out_gets_no_share(ramping: Bench):
    ramping.run(withdraw_candidate, asked())
    with pytest.raises(Rejected, match="circ1-v2 is no candidate for prod any more: it was taken out"):
        ramping.run(raise_share, Share(asked(), 25, ""))


def test_a_late_repeat_after_it_took_over_changes_nothing(ramping: Bench):
    ramping.run(activate_deployment, asked())
    before = ramping.snapshot()
    ramping.run(raise_share, Share(asked(), 25, ""))
    assert ramping.snapshot() == before


# --- the way back -----------------------------------------------------------------------------------------


def test_a_withdrawn_candidate_leaves_what_serves_as_it_was(ramping: Bench):
    ramping.run(raise_share, Share(asked(), 25, ""))
    ramping.run(withdraw_candidate, asked())
    assert (record(ramping).deployment, record(ramping).candidate) == ("circ1-v1", None)
    assert deployments(ramping) == ["circ1-v1"]


def test_a_first_deployment_is_withdrawn_too(bench: Bench):
    bench.run(withdraw_candidate, asked("1"))  # it serves: nothing to withdraw
    assert deployments(bench) == ["circ1-v1"]
    bench.records.change_deployment(Stage.PROD, CIRC1, lambda _: None)
    bench.run(withdraw_candidate, asked("1"))
    assert deployments(bench) == []


def test_another_releases_candidate_is_left_alone(ramping: Bench):
    ramping.run(create_deployment, asked("3", release="r-3"))
    ramping.run(withdraw_candidate, asked("2"))
    assert candidate(ramping).deployment == "circ1-v3"
    assert deployments(ramping) == ["circ1-v1", "circ1-v3"]


def test_taken_back_what_served_before_serves_again(ramping: Bench):
    ramping.run(activate_deployment, asked())
    ramping.run(take_back, TakeBack(asked(), "3 of 4 circuits went back"))
    found = record(ramping)
    assert (found.deployment, found.release_id, found.previous) == ("circ1-v1", "r-1", None)
    assert deployments(ramping) == ["circ1-v1"]


def test_what_was_taken_back_is_held_back_until_a_person_lifts_it(ramping: Bench):
    ramping.run(activate_deployment, asked())
    for _ in range(2):
        ramping.run(take_back, TakeBack(asked(), "3 of 4 circuits went back"))
    [mark] = record(ramping).rolled_back
    assert (mark.deployment, mark.release_id, mark.rollback) == ("circ1-v2", "r-2", "fleet-prod-r-2")
    assert mark.sentence.startswith("v2 was rolled back by rollback rule of prod at ")
    assert mark.sentence.endswith(": 3 of 4 circuits went back")
    with pytest.raises(Rejected, match="a person has to lift that first"):
        ramping.run(create_deployment, asked(release="r-3"))
    clients: Any = {"records": ramping.records, "audit": ramping.audit}
    lift(b'{"stage": "prod", "scope": "PLANT1/CIRC1", "reason": "mended"}', **clients)
    ramping.run(create_deployment, asked(release="r-3"))
    assert candidate(ramping).deployment == "circ1-v2"


def test_a_first_deployment_taken_back_leaves_nothing(bench: Bench):
    bench.run(take_back, TakeBack(asked("1", release="r-1"), "3 of 4 circuits went back"))
    assert bench.records.deployment(Stage.PROD, CIRC1) is None
    assert deployments(bench) == []


def test_a_circuit_that_has_moved_on_is_not_taken_back(ramping: Bench):
    for version in ("2", "3"):
        ramping.run(create_deployment, asked(version, release=f"r-{version}"))
        ramping.run(activate_deployment, asked(version, release=f"r-{version}"))
    ramping.run(take_back, TakeBack(asked("2"), "3 of 4 circuits went back"))
    assert record(ramping).deployment == "circ1-v3"
    assert deployments(ramping) == ["circ1-v2", "circ1-v3"]


def test_what_another_release_brought_is_not_taken_back(bench: Bench):
    bench.run(take_back, TakeBack(asked("1", release="r-2"), "3 of 4 circuits went back"))
    assert record(bench).deployment == "circ1-v1"
