"""Hosts that are down for days: what fell due meanwhile happens once, and what ended meanwhile is found."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.orchestrators.crashing import Played, once, play
from tests.orchestrators.scenes import SCENES, all_but, points, some, undisturbed

SHORT, LONG = 1.5, 7.0  # days; a question is open for three


BY_THE_CLOCK = ("unanswered approval", "live")
PATIENT = [
    name
    for name in all_but(
        "training", "overtaken", "held", "release journey", "environment", "daily", "catch up"
    )
    if name not in BY_THE_CLOCK
]


@pytest.mark.parametrize("name", PATIENT)
def test_a_standstill_within_the_deadlines_delays_and_reminds_and_nothing_else(
    tmp_path: Path, name: str
) -> None:
    smooth = undisturbed(name)
    for step in points(smooth.steps):
        played = play(tmp_path / f"{step}.db", SCENES[name], deaths=once(step), days_down=SHORT)
        different = [one for one in played.differs_from(smooth) if not _reminds(one)]
        assert not different, f"after a standstill at step {step}"


def test_a_job_that_ended_while_the_host_stood_still_is_not_given_up(tmp_path: Path) -> None:
    """Its deadline has passed and the last look at it is days old, wherever the host died."""
    smooth = undisturbed("evidence")
    for step in range(1, smooth.steps):
        played = play(tmp_path / f"{step}.db", SCENES["evidence"], deaths=once(step), days_down=SHORT)
        assert played.effects["evidence"] == smooth.effects["evidence"], f"after a standstill at step {step}"


@pytest.mark.parametrize(
    "name", some("approval", "unanswered approval", "promotion", "canary", "live", "scoring")
)
def test_after_a_week_everything_ends_and_what_nobody_answered_is_rejected(tmp_path: Path, name: str) -> None:
    smooth = undisturbed(name)
    for step in points(smooth.steps):
        played = play(tmp_path / f"{step}.db", SCENES[name], deaths=once(step), days_down=LONG)
        assert not played.effects["approvals"]["_open"]
        assert outcomes(played) <= outcomes(smooth) | {"expired"}
        assert ramping(played) <= ramping(smooth)
        assert standing(played) <= standing(smooth) | serving(played)
        reminded = [one for one in played.effects["mails"] if "/reminder-" in one]
        assert len(reminded) <= 6, "more reminders than there are people and days before the expiry"


def _reminds(difference: str) -> bool:
    """Whether somebody was reminded who was not in need of it without the standstill."""
    place = difference.partition(":")[0]
    return "/reminder-" in place or "/audit/reminded-" in place or place.endswith("/notices")


def outcomes(played: Played) -> set[str]:
    return {one["verdict"]["outcome"] for one in played.effects["approvals"]["_closed"].values()}


def ramping(played: Played) -> set[str]:
    return {key for key, one in _deployments(played).items() if one["candidate"]}


def serving(played: Played) -> set[str]:
    return {one["deployment"] for one in _deployments(played).values()}


def standing(played: Played) -> set[str]:
    return set(played.effects["ml"]["deployments"])


def _deployments(played: Played) -> Mapping[str, Any]:
    return played.effects["records"]["_deployments"]
