"""The check behind every play can fail: an orchestrator that looks at the world is caught."""

from collections.abc import Callable
from itertools import count
from typing import Any

import pytest

from busbar.wire import Context, Steps, sleep
from tests.orchestrators.conftest import Stage, World


def test_an_orchestrator_that_looks_at_the_world_is_caught(play: Callable[..., Any]) -> None:
    looks = count()

    def fickle(ctx: Context, request: str) -> Steps[str]:
        yield from sleep(ctx, 0.01)
        return f"{request} {next(looks)}"

    async def script(stage: Stage) -> str:
        await stage.start(fickle, "look", "f")
        return await stage.result(fickle, "f")

    with pytest.raises(AssertionError, match="f replays otherwise"):
        play(World([], [fickle]), script)
