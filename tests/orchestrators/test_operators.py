"""An operator who pauses, resumes, cancels and retries at any moment: what a run achieves in the end is the same."""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from busbar.durable import Orchestrations
from busbar.web import controls, sweeping
from localazure.task_hub.model import Query, Status
from tests.hub_client import HubClient
from tests.orchestrators.crashing import Played, Post, Rest, play
from tests.orchestrators.effects import differences
from tests.orchestrators.scenes import SCENES, THOROUGH, points, undisturbed

RUNS = ("evidence", "canary", "blue-green", "training", "scoring")
PAUSABLE = ("approval", "promotion", "canary", "rollback of a stage", "scoring")
if THOROUGH:
    RUNS += (
        "promotion",
        "first deployment",
        "held",
        "one circuit goes back",
        "release journey",
        "environment",
    )
    RUNS += ("merge", "daily", "catch up")
    PAUSABLE += (
        "promote environment",
        "blue-green",
        "held",
        "live",
        "release journey",
        "training",
        "environment",
    )
    PAUSABLE += ("drill", "daily", "catch up", "drift")


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeping, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(sweeping, "PATIENCE_SECONDS", 200)  # of a machine that does much else


async def operate(rest: Rest, action: str) -> None:
    """What `busbar pause|resume|cancel|retry` does."""
    orchestrations = Orchestrations(HubClient(rest.hub))  # type: ignore[arg-type] - the same words
    body = json.dumps({"reason": "a test", "requester": "operator"}).encode()
    records, audit = rest.bench.records, rest.bench.audit
    await asyncio.to_thread(
        lambda: controls.control(rest.run, action, body, orchestrations, records=records, audit=audit)  # type: ignore[arg-type] - fakes
    )


def status(rest: Rest, id: str = "") -> Status:
    found = rest.hub.get(id or rest.run)
    assert found
    return found.status


@pytest.mark.parametrize("name", PAUSABLE)
def test_paused_and_resumed_again_and_again_it_ends_the_same(tmp_path: Path, name: str) -> None:
    async def hold_and_let_go(rest: Rest) -> None:
        if not status(rest).finished:
            await operate(rest, "resume" if status(rest) is Status.SUSPENDED else "pause")

    played = play(tmp_path / "hub.db", SCENES[name], at_rest=hold_and_let_go)
    different = [one for one in played.differs_from(undisturbed(name)) if "/audit/" not in one]
    assert not different
    assert [id for id in played.effects["audit"] if id.startswith("resume-")]


@pytest.mark.parametrize("cleaned", [False, True], ids=["at once", "once all is cleaned up"])
@pytest.mark.parametrize("name", RUNS)
def test_cancelled_and_retried_at_any_moment_it_achieves_the_same(
    tmp_path: Path, name: str, cleaned: bool
) -> None:
    """Events are lost, so that time passes: what cleans up looks a second time while the run is on its way again."""
    smooth = undisturbed(name)
    for moment in points(smooth.rests - 1):
        played = play(
            tmp_path / f"{moment}.db", SCENES[name], post=Post.LOST, at_rest=Fickle(moment, cleaned)
        )
        assert not differences(achieved(played), achieved(smooth)), f"cancelled at rest {moment}"


class Fickle:
    """Cancels a run at a moment, and starts it again: at once, or when what was cancelled is cleaned up."""

    def __init__(self, moment: int, cleaned: bool):
        self._moment, self._cleaned, self._retried = moment, cleaned, False

    async def __call__(self, rest: Rest) -> None:
        if rest.number == self._moment:
            await operate(rest, "cancel")
        if self._cancelled(rest) and not self._retried:
            self._retried = True
            await operate(rest, "retry")

    def _cancelled(self, rest: Rest) -> bool:
        """Whether it is time to try again."""
        if rest.number < self._moment or status(rest) is not Status.TERMINATED:
            return False
        cleaners = [one for one in rest.hub.query(Query()) if one.name == "clean_up"]
        return not self._cleaned or all(one.status.finished for one in cleaners)


def achieved(played: Played) -> Mapping[str, Any]:
    """What a run is for: that it ended well, what serves where, what the registry has. A retry's jobs are others."""
    records, ml = played.effects["records"], played.effects["ml"]
    return {
        "end": played.ends[played.run][0],
        "serves": {
            key: (one["deployment"], one["candidate"]) for key, one in records["_deployments"].items()
        },
        "scored": {key: one["status"] for key, one in records["_scorings"].items()},
        "registry": sorted(ml["registered_models"]),
        "stands": sorted(ml["deployments"]),
        "evidence": [one["status"] for one in played.effects["evidence"]["_notes"].values()],
        "releases": [one["status"] for one in played.effects["releases"]["_records"].values()],
    }
