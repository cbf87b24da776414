"""Hosts that die at every step of every orchestration: the same end, with the same effects, as if none had died."""

from pathlib import Path

import pytest

from orchestrators import ORCHESTRATORS
from tests.orchestrators.crashing import again_and_again, once, play
from tests.orchestrators.scenes import SCENES, points, some, undisturbed


def test_no_orchestration_is_left_out() -> None:
    """A new one needs a scene: `scenes.py` says how."""
    played = frozenset[str]().union(*(undisturbed(name).orchestrators for name in SCENES))
    assert played == {orchestrator.__name__ for orchestrator in ORCHESTRATORS}


@pytest.mark.parametrize("name", SCENES)
def test_a_host_that_dies_at_each_step_in_turn(tmp_path: Path, name: str) -> None:
    """A host for each step: it writes down what the last one had begun, and dies at the next."""
    smooth = undisturbed(name)
    played = play(tmp_path / "hub.db", SCENES[name], deaths=again_and_again())
    assert played.deaths > 0.7 * smooth.steps  # two that go at once may take their steps together
    assert not played.differs_from(smooth)


@pytest.mark.parametrize("name", some("approval", "promotion", "canary", "scoring", "purge", "drift"))
def test_a_host_that_dies_once_anywhere(tmp_path: Path, name: str) -> None:
    smooth = undisturbed(name)
    for step in points(smooth.steps):
        played = play(tmp_path / f"{step}.db", SCENES[name], deaths=once(step))
        assert played.deaths or step > 0.9 * smooth.steps
        assert not played.differs_from(smooth), f"after a death at step {step}"
