"""Rollback on the real task hub, over the real activities: what serves afterwards, and that nothing stops it."""

import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from activities import ACTIVITIES
from activities.questions import release_question
from activities.releases import open_release
from activities.rollout import plan_deployment
from activities.serving import activate_deployment, create_deployment
from busbar.codec import from_wire
from busbar.domain.circuits import CircuitKey
from busbar.domain.policies import GateName, Policies
from busbar.domain.policies import Stage as Place
from busbar.domain.records import Candidate, DeploymentRecord
from busbar.domain.release_record import Origin, ReleaseStatus
from busbar.domain.rollback import Scope
from busbar.domain.steps import (
    CircuitDeployment,
    DeploymentState,
    Journey,
    ReleaseQuestion,
    RollbackReport,
    RollbackRun,
    StageDeployment,
)
from orchestrators.rollback import rollback
from tests.activities.bench import Bench, pin
from tests.fakes import NOON
from tests.orchestrators.conftest import Stage, World

Play = Callable[..., Any]
GOOD, BAD = "r-900d", "r-bad"


def keys(number: int) -> tuple[CircuitKey, ...]:
    """Ten circuits a plant."""
    return tuple(CircuitKey(f"PLANT{index // 10 + 1}", f"CIRC{index % 10 + 1}") for index in range(number))


@pytest.fixture
def bench() -> Bench:
    return Bench()


def world(bench: Bench) -> World:
    return World([bench.bound(activity) for activity in ACTIVITIES])


def deploy(bench: Bench, key: CircuitKey, version: int, release: str) -> None:
    bench.ml.write_file(Place.DEV, pin(key).circuit_config, b"")
    request = CircuitDeployment(Place.PROD, pin(key, str(version)), Policies(), release)
    bench.run(create_deployment, request)
    bench.run(activate_deployment, request)


def deployed(bench: Bench, circuits: tuple[CircuitKey, ...]) -> None:
    """Version 1 served prod, version 2 of a bad release serves it."""
    for key in circuits:
        deploy(bench, key, 1, GOOD)
        deploy(bench, key, 2, BAD)


def request(target: str = "", *, drill: bool = False) -> RollbackRun:
    return RollbackRun("rollback-1", Scope.parse(Place.PROD, target), "operator", "it drifts", NOON, drill)


def run(play: Play, bench: Bench, wish: RollbackRun) -> str:
    async def script(stage: Stage) -> str:
        await stage.start(rollback, wish, wish.id)
        result = await stage.result(rollback, wish.id)
        assert len(stage.hub.history(wish.id)) < 1000
        return result

    return play(world(bench), script)


def versions(bench: Bench) -> dict[str, int]:
    """What serves each circuit in prod."""
    return {str(record.key): int(record.model_version) for record in bench.records.deployments(Place.PROD)}


def record(bench: Bench, key: CircuitKey) -> DeploymentRecord:
    found = bench.records.deployment(Place.PROD, key)
    assert found
    return found


def report(bench: Bench) -> RollbackReport:
    return from_wire(RollbackReport, bench.reports.saved["rollbacks", "rollback-1"])


FIRST, SECOND = keys(2)


def test_a_stage_goes_back_and_the_report_says_how_long_it_took(play: Play, bench: Bench) -> None:
    deployed(bench, keys(3))

    said = run(play, bench, request())

    assert set(versions(bench).values()) == {1}
    assert said == report(bench).sentence
    assert said.startswith("rollback of all of prod: 3 of 3 circuits back in ")
    assert report(bench).done
    assert [moved.key for moved in report(bench).moved] == list(keys(3))
    assert [(entry.kind, entry.actor) for entry in bench.audit.entries()] == [("rollback", "operator")] * 2
    assert [entry.sentence for entry in bench.audit.entries()] == ["operator asked: it drifts", said]


def test_a_large_stage_keeps_every_history_short(play: Play, bench: Bench) -> None:
    deployed(bench, keys(60))

    async def script(stage: Stage) -> int:
        await stage.start(rollback, request(), "rollback-1")
        await stage.result(rollback, "rollback-1")
        batches = ("rollback-1-back-0", "rollback-1-back-1", "rollback-1-back-2", "rollback-1")
        return max(len(stage.hub.history(instance)) for instance in batches)

    assert play(world(bench), script) < 250
    assert set(versions(bench).values()) == {1}


@pytest.mark.parametrize("target", ["PLANT1/CIRC1", "PLANT1", BAD])
def test_a_rollback_touches_its_scope_alone(play: Play, bench: Bench, target: str) -> None:
    deployed(bench, (FIRST,))
    other = CircuitKey("PLANT2", "CIRC1")
    deploy(bench, other, 1, GOOD)
    deploy(bench, other, 2, GOOD)

    run(play, bench, request(target))

    assert versions(bench) == {"PLANT1/CIRC1": 1, "PLANT2/CIRC1": 2}


def test_neither_registry_nor_git_host_nor_mail_is_asked(play: Play, bench: Bench) -> None:
    deployed(bench, (FIRST,))
    bench.repository.outage = bench.mail.outage = bench.blobs.outage = True
    bench.ml.components.clear()
    bench.ml.registered_models.clear()

    run(play, bench, request())

    assert versions(bench) == {"PLANT1/CIRC1": 1}


def test_a_deployment_that_is_gone_is_created_again_as_it_was(play: Play, bench: Bench) -> None:
    deployed(bench, (FIRST,))
    place = (Place.PROD, record(bench, FIRST).endpoint, "circ1-v1")
    component, before = bench.ml.components_of[place], bench.ml.deployments.pop(place)
    bench.repository.outage = True

    run(play, bench, request())

    assert versions(bench) == {"PLANT1/CIRC1": 1}
    assert bench.ml.deployments[place].tags == before.tags
    assert bench.ml.components_of[place] == component


def test_what_cannot_stand_up_again_stays_as_it_is_and_stops_no_other(
    play: Play, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules["orchestrators.rollback"], "POLLS", 2)
    deployed(bench, (FIRST, SECOND))
    broken = (Place.PROD, record(bench, FIRST).endpoint, "circ1-v1")
    bench.ml.deployments[broken] = DeploymentState(ready=False)

    said = run(play, bench, request())

    assert versions(bench) == {"PLANT1/CIRC1": 2, "PLANT1/CIRC2": 1}
    assert "1 of 2 circuits back" in said
    assert said.endswith("PLANT1/CIRC1: circ1-v1 did not stand up again, circ1-v2 goes on serving")
    assert not report(bench).done


def ramping(bench: Bench) -> None:
    """Version 2 serves, version 3 of the bad release ramps up."""
    deployed(bench, (FIRST,))
    endpoint, serving = record(bench, FIRST).endpoint, record(bench, FIRST).active
    candidate = Candidate(**vars(replace(serving, deployment="circ1-v3", model_version="3")), share=25)
    bench.ml.deployments[Place.PROD, endpoint, "circ1-v3"] = DeploymentState(ready=True)
    bench.records.save_deployment(replace(record(bench, FIRST), candidate=candidate))


def test_during_a_ramp_the_candidate_is_withdrawn_and_removed(play: Play, bench: Bench) -> None:
    ramping(bench)

    run(play, bench, request())

    after = record(bench, FIRST)
    assert (after.deployment, after.candidate) == ("circ1-v2", None)
    assert after.mark("circ1-v3")
    assert "circ1-v3" not in {name for _, _, name in bench.ml.deployments}


def test_nothing_to_do_is_reported_as_such(play: Play, bench: Bench) -> None:
    deploy(bench, FIRST, 1, GOOD)

    assert run(play, bench, request()) == "rollback of all of prod: nothing to do"
    assert report(bench).stays[0].reason == "PLANT1/CIRC1: nothing served prod before v1"
    assert versions(bench) == {"PLANT1/CIRC1": 1}


def test_a_drill_leaves_everything_as_it_was(play: Play, bench: Bench) -> None:
    deployed(bench, keys(3))
    before = bench.ml.deployments.copy()

    said = run(play, bench, request(drill=True))

    assert "3 of 3 circuits back in" in said
    assert "3 forward again in" in said
    assert set(versions(bench).values()) == {2}
    assert bench.ml.deployments == before
    assert not any(one.rolled_back for one in bench.records.deployments())
    assert {entry.kind for entry in bench.audit.entries()} == {"drill"}


def test_a_release_that_went_back_needs_a_new_approval_and_a_person_who_lifts_it(
    play: Play, bench: Bench
) -> None:
    bench.ml.write_file(Place.DEV, pin(FIRST).circuit_config, b"")
    release = bench.release(pin(FIRST, "2"))
    bench.run(open_release, Journey(release, Origin.HAND))
    question = bench.run(release_question, ReleaseQuestion(release, GateName.PROD_DEPLOYMENT))
    bench.approvals.create(question, {})
    deploy(bench, FIRST, 1, GOOD)
    deploy(bench, FIRST, 2, release.id)

    run(play, bench, request(release.id))

    noted = bench.releases.get(release.id)
    assert noted
    assert (noted.status, noted.sentence) == (
        ReleaseStatus.ROLLED_BACK,
        "rolled back by operator: it drifts",
    )
    again = bench.run(release_question, ReleaseQuestion(release, GateName.PROD_DEPLOYMENT))
    assert again.id == f"{question.id}-2"
    [(_, why)] = bench.run(plan_deployment, StageDeployment(Place.PROD, release)).held
    assert "a person has to lift that first" in why


def test_two_rollbacks_at_once_do_the_same_once(play: Play, bench: Bench) -> None:
    deployed(bench, keys(3))

    async def script(stage: Stage) -> list[str]:
        wishes = [request(), replace(request(BAD), id="rollback-2")]
        for wish in wishes:
            await stage.start(rollback, wish, wish.id)
        return [await stage.result(rollback, wish.id) for wish in wishes]

    play(world(bench), script)

    assert set(versions(bench).values()) == {1}
    assert all(len(one.rolled_back) == 1 for one in bench.records.deployments())
