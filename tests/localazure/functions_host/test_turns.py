"""Where turns run, judged by how long they take."""

import asyncio
import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from localazure.functions_host.turns import LONG, TOLD, TRIAL, TurnExecutor

LOOP, THREAD = "loop", "thread"


def short() -> str:
    return LOOP if threading.current_thread() is threading.main_thread() else THREAD


class Clock:
    """Stands still but for long turns."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def long() -> str:
    Clock.now += 2 * LONG
    return short()


def waits() -> str:
    Clock.now += 2 * TOLD
    return short()


async def in_a_loop() -> str:
    await asyncio.sleep(0)
    return short()


def play(*turns: tuple[str | None, Callable[[], Any]]) -> list[str]:
    """Where each ran."""

    async def one(executor: TurnExecutor, name: str | None, turn: Callable[[], Any]) -> str:
        with executor.turn_of(name):
            return await asyncio.get_running_loop().run_in_executor(executor, turn)

    async def played() -> list[str]:
        with ThreadPoolExecutor() as pool:
            executor = TurnExecutor(pool, Clock())
            return [await one(executor, *turn) for turn in turns]

    return asyncio.run(played())


def test_an_orchestrator_is_tried_in_threads_before_its_turns_run_on_the_loop() -> None:
    assert play(*[("quick", short)] * (TRIAL + 2)) == [THREAD] * TRIAL + [LOOP] * 2


def test_each_orchestrator_is_judged_by_its_own_turns() -> None:
    assert play(*[("quick", short)] * TRIAL, ("other", short), ("quick", short))[TRIAL:] == [THREAD, LOOP]


def test_what_is_no_turn_never_runs_on_the_loop() -> None:
    assert set(play(*[(None, short)] * (TRIAL + 2))) == {THREAD}


def test_an_orchestrator_that_takes_long_never_gets_there() -> None:
    assert set(play(*[("slow", long)] * (TRIAL + 2))) == {THREAD}


def test_one_that_held_the_loop_up_is_tried_for_longer() -> None:
    quick, slow = ("moody", short), ("moody", long)
    places = play(*[quick] * TRIAL, slow, *[quick] * (2 * TRIAL + 1))
    assert places == [THREAD] * TRIAL + [LOOP] + [THREAD] * 2 * TRIAL + [LOOP]


def test_only_what_no_busy_machine_explains_is_told(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        play(("slow", long), ("idle", waits))
    [warning] = caplog.messages
    assert "orchestrator 'idle' took 2.0 s" in warning


def test_a_turn_on_the_loop_may_run_a_loop_of_its_own() -> None:
    assert play(*[("own", lambda: asyncio.run(in_a_loop()))] * (TRIAL + 2))[-2:] == [LOOP] * 2


def test_what_a_turn_raises_is_raised() -> None:
    def fails() -> None:
        raise LookupError("here")

    for turns in (1, TRIAL + 1):
        with pytest.raises(LookupError, match="here"):
            play(*[("fails", short)] * (turns - 1), ("fails", fails))
