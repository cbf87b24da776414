"""Releases that ramp: steps and holds, circuits and fleets that go back, deployments that hang."""

import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from busbar.domain.policies import Backoff, Bake, RampPolicy, RollbackPolicy, WavePolicy
from busbar.domain.steps import Promotion
from orchestrators.deploy_release import deploy_release
from tests.orchestrators.conftest import Stage, World
from tests.orchestrators.journey import keys
from tests.orchestrators.ramps import BAD, FEW, INSTANT, RampingStage, at, good

FIRST, SECOND, THIRD, FOURTH = keys(4)
ROLLED_BACK = "PLANT1/CIRC2 at 25 %: roll back: max_error_percent failed: 50 (limit ≤ 5)"


def deploy(play: Callable[..., Any], stage: RampingStage) -> tuple[Promotion, World]:
    world = World(stage.activities())

    async def script(hub: Stage) -> Promotion:
        await hub.start(deploy_release, stage.request, "deploy-prod-r-1")
        return await hub.result(deploy_release, "deploy-prod-r-1")

    return play(world, script), world


def test_a_candidate_climbs_step_by_step_and_takes_over(play: Callable[..., Any]) -> None:
    stage = RampingStage((FIRST, SECOND))
    promotion, world = deploy(play, stage)
    assert promotion.sentence == "2 of 2 circuits deployed to prod (nobody is asked)"
    assert stage.serving == {FIRST: "2", SECOND: "2"}
    assert stage.shares == {
        FIRST: [10, 25, 50],
        SECOND: [10, 25, 50],
    }  # the last step needs no bake of its own
    assert world.count()["submit_replay"] == 6


def test_each_step_replays_only_what_it_adds(play: Callable[..., Any]) -> None:
    _, world = deploy(play, RampingStage((FIRST,)))
    assert [(one.step.offset, one.step.added) for one in world.asked("submit_replay")] == [
        (0, 10),
        (10, 15),
        (25, 25),
    ]
    judged = [one.measurement.replayed.windows for one in world.asked("judge_step")]
    assert judged == [24, 48, 72]


def test_a_stage_that_asks_nobody_asks_nobody(play: Callable[..., Any]) -> None:
    _, world = deploy(play, RampingStage((FIRST,)))
    assert world.count()["ask_approvers"] == 0


def test_what_serves_already_is_left_as_it_is(play: Callable[..., Any]) -> None:
    stage = RampingStage((FIRST, SECOND))
    stage.serving[FIRST] = "2"
    promotion, world = deploy(play, stage)
    assert promotion.sentence == "2 of 2 circuits deployed to prod (nobody is asked)"
    assert [one.pin.key for one in world.asked("activate_deployment")] == [SECOND]


def test_a_first_deployment_is_baked_once_on_everything(play: Callable[..., Any]) -> None:
    stage = RampingStage((FIRST,), first=frozenset((FIRST,)))
    _, world = deploy(play, stage)
    assert stage.serving == {FIRST: "2"}
    assert [(one.step.share, one.champion) for one in world.asked("submit_replay")] == [(100, None)]


def test_prods_circuits_are_monitored_and_one_that_cannot_be_goes_back_nowhere(
    play: Callable[..., Any],
) -> None:
    stage = RampingStage((FIRST, SECOND), unmonitored=frozenset((SECOND,)))
    promotion, world = deploy(play, stage)
    assert stage.serving == {FIRST: "2", SECOND: "2"}
    assert world.count()["ensure_monitor"] == 2
    assert promotion.done
    assert promotion.sentence == (
        "2 of 2 circuits deployed to prod (nobody is asked); "
        "PLANT1/CIRC2 has no monitor: Rejected: no quota for Spark"
    )


def test_an_online_candidate_is_sent_copies_before_it_answers(play: Callable[..., Any]) -> None:
    ramp = replace(INSTANT, mirror_percent=20)
    stage = RampingStage((FIRST, SECOND), ramp=ramp, online=frozenset((FIRST,)))
    _, world = deploy(play, stage)
    assert stage.serving == {FIRST: "2", SECOND: "2"}
    assert stage.shares == {FIRST: [0, 10, 25, 50], SECOND: [10, 25, 50]}
    assert stage.mirrored[FIRST] == [20, 0, 0, 0]
    mine = [one for one in world.asked("judge_step") if one.bake.replay.deployment.pin.key == FIRST]
    # the windows of the copies are replayed again as shares rise, and count once
    assert [one.measurement.replayed.windows for one in mine] == [24, 24, 48, 72]


def test_an_online_candidate_that_fails_on_copies_never_answers(play: Callable[..., Any]) -> None:
    ramp = replace(INSTANT, mirror_percent=20)
    stage = RampingStage((FIRST,), at(0, BAD), ramp=ramp, online=frozenset((FIRST,)))
    promotion, _ = deploy(play, stage)
    assert (stage.serving, stage.shares) == ({FIRST: "1"}, {FIRST: [0]})
    assert FIRST not in stage.standing
    assert promotion.sentence.endswith(
        "PLANT1/CIRC1 mirrored 20 %: roll back: max_error_percent failed: 100 (limit ≤ 5)"
    )


def test_an_online_deployment_has_half_an_hour_to_stand(
    play: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    module = sys.modules["orchestrators.deploy_circuit"]
    assert sum(map(module.ONLINE_POLL.delay, range(module.ONLINE_POLLS))) >= 1800
    monkeypatch.setattr(module, "ONLINE_POLLS", 2)
    monkeypatch.setattr(module, "ONLINE_POLL", Backoff(0.01, 0.01))
    stage = RampingStage((FIRST,), hanging=frozenset((FIRST,)), online=frozenset((FIRST,)))
    promotion, _ = deploy(play, stage)
    assert promotion.sentence.endswith("PLANT1/CIRC1: deployment to prod not ready after 0.02 s")


# --- the way back -----------------------------------------------------------------------------------------


def test_a_green_that_fails_at_25_percent_goes_back_alone(play: Callable[..., Any]) -> None:
    stage = RampingStage((FIRST, SECOND, THIRD), at(25, BAD, SECOND))
    promotion, _ = deploy(play, stage)
    assert stage.serving == {FIRST: "2", SECOND: "1", THIRD: "2"}
    assert (stage.shares[SECOND], SECOND in stage.standing) == ([10, 25], False)
    assert promotion.done
    assert promotion.sentence == f"2 of 3 circuits deployed to prod (nobody is asked); {ROLLED_BACK}"
    assert promotion.release == stage.request.release.less((SECOND,))


def test_a_deployment_that_hangs_is_deleted_and_told(
    play: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    module = sys.modules["orchestrators.deploy_circuit"]
    monkeypatch.setattr(module, "POLLS", 3)
    monkeypatch.setattr(module, "POLL", Backoff(0.01, 0.01))
    stage = RampingStage((FIRST, SECOND), hanging=frozenset((SECOND,)))
    promotion, _ = deploy(play, stage)
    assert stage.serving == {FIRST: "2", SECOND: "1"}
    assert SECOND not in stage.standing
    assert promotion.sentence == (
        "1 of 2 circuits deployed to prod (nobody is asked); "
        "PLANT1/CIRC2: deployment to prod not ready after 0.03 s"
    )


def test_a_candidate_taken_out_by_somebody_stops_its_ramp(play: Callable[..., Any]) -> None:
    stage = RampingStage((FIRST, SECOND), withdrawn_by_hand=frozenset((FIRST,)))
    promotion, _ = deploy(play, stage)
    assert stage.serving == {FIRST: "1", SECOND: "2"}
    assert promotion.sentence.endswith("circ1-v2 is no candidate for prod any more: it was taken out")


def test_a_hold_goes_on_once_there_is_data(play: Callable[..., Any]) -> None:
    stage = RampingStage((FIRST,), lambda key, share, attempt: good() if attempt > 2 else FEW)
    stage.ramp = replace(INSTANT, steps=(50, 100), hold_hours=4 / 3600)
    promotion, world = deploy(play, stage)
    assert promotion.done
    assert [one.attempt for one in world.asked("submit_replay")] == [1, 2, 3]
    assert stage.serving == {FIRST: "2"}


def test_a_hold_that_is_over_goes_back_for_want_of_data(play: Callable[..., Any]) -> None:
    stage = RampingStage((FIRST,), lambda key, share, attempt: FEW)
    promotion, world = deploy(play, stage)
    assert stage.serving == {FIRST: "1"}
    assert promotion.sentence.endswith("roll back: too little data: 0 of 24 windows within 1e-05 h")
    assert 1 <= world.count()["submit_replay"] <= 10


def test_without_automatic_rollback_a_ramp_stops_where_it_is(play: Callable[..., Any]) -> None:
    stage = RampingStage((FIRST,), at(25, BAD), rollback=RollbackPolicy(enabled=False))
    promotion, world = deploy(play, stage)
    assert (stage.serving, stage.shares) == ({FIRST: "1"}, {FIRST: [10, 25]})
    assert FIRST in stage.standing
    assert world.count()["withdraw_candidate"] == 0
    assert promotion.sentence.endswith("automatic rollback is off")


def test_a_live_step_is_watched_before_it_is_judged(play: Callable[..., Any]) -> None:
    hours = 0.2 / 3600
    stage = RampingStage((FIRST,), ramp=RampPolicy((50, 100), Bake.LIVE, bake_hours=hours, hold_hours=1.0))
    _, world = deploy(play, stage)
    (judged,) = world.asked("judge_step")
    assert judged.bake.hours >= hours
    assert stage.serving == {FIRST: "2"}


# --- waves and the fleet ----------------------------------------------------------------------------------


def test_a_bad_fleet_goes_back_whole_and_the_next_wave_never_begins(play: Callable[..., Any]) -> None:
    stage = RampingStage(keys(6), at(10, BAD, SECOND, THIRD), waves=WavePolicy(4, 4))
    promotion, world = deploy(play, stage)
    assert promotion == Promotion(
        False,
        "r-1 was taken back from prod: 2 of 4 circuits rolled back, more than 30 %; "
        "PLANT1/CIRC2 at 10 %: roll back: max_error_percent failed: 100 (limit ≤ 5); "
        "PLANT1/CIRC3 at 10 %: roll back: max_error_percent failed: 100 (limit ≤ 5)",
    )
    assert set(stage.serving.values()) == {"1"}
    assert {one.pin.key for one in world.asked("create_deployment")} == set(keys(4))


def test_one_bad_circuit_of_few_is_no_bad_fleet(play: Callable[..., Any]) -> None:
    stage = RampingStage((FIRST, SECOND), at(10, BAD, SECOND))
    promotion, _ = deploy(play, stage)
    assert promotion.done
    assert stage.serving == {FIRST: "2", SECOND: "1"}


def test_at_most_so_many_change_at_a_time(play: Callable[..., Any]) -> None:
    stage = RampingStage(keys(8), waves=WavePolicy(size=6, max_unavailable=2))
    deploy(play, stage)
    assert set(stage.serving.values()) == {"2"}
    assert stage.most_changing == 2


def test_a_refusal_begins_nothing(play: Callable[..., Any]) -> None:
    stage = RampingStage((FIRST,), refusal="endpoint be would have 21 deployments")
    promotion, world = deploy(play, stage)
    assert promotion == Promotion(
        False, "r-1 was not deployed to prod: endpoint be would have 21 deployments"
    )
    assert set(world.count()) == {"release_question", "less_superseded", "plan_deployment"}


def test_two_hundred_circuits_leave_short_histories(play: Callable[..., Any]) -> None:
    """A parent replays its history at each of its turns: it must stay short however large the fleet."""
    stage = RampingStage(keys(200), waves=WavePolicy(100, 20))
    stage.ramp = RampPolicy((100,))
    world, lengths = World(stage.activities()), dict[str, int]()

    async def script(hub: Stage) -> Promotion:
        await hub.start(deploy_release, stage.request, "deploy-prod-r-1")
        promotion = await hub.result(deploy_release, "deploy-prod-r-1", seconds=240)
        for instance in ("deploy-prod-r-1", "deploy-prod-r-1-wave-1", "deploy-prod-r-1-wave-1-PLANT1-CIRC1"):
            lengths[instance] = len(hub.hub.history(instance))
        return promotion

    assert play(world, script).done
    assert set(stage.serving.values()) == {"2"}
    assert max(lengths.values()) < 1000, lengths
