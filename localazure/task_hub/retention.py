"""Forgets what finished long ago, a little at a time."""

import asyncio
import logging
from datetime import timedelta

from localazure.task_hub.clock import Clock, sleep_until
from localazure.task_hub.engine import Engine
from localazure.task_hub.model import TaskHubUnavailable

_log = logging.getLogger(__name__)

BATCH = 50  # instances in one transaction
PAGES = 250  # given back to the file system in one transaction
PAUSE = 0.02  # seconds between transactions, for the hub's own work
LONGEST_INTERVAL = 3600.0  # seconds


async def forget_finished(engine: Engine, clock: Clock, keep: timedelta) -> None:
    """Forget instances once they have been finished for `keep`, until cancelled.

    A child is kept as long as the execution of its parent that called it. Entities are not touched.
    """
    interval = min(max(keep.total_seconds(), 1.0), LONGEST_INTERVAL)
    while True:
        try:
            await _sweep(engine, clock.now() - keep.total_seconds())
        except TaskHubUnavailable as error:
            _log.warning("Finished instances are forgotten later: %s", error)
        await sleep_until(clock, clock.now() + interval)


async def _sweep(engine: Engine, before: float) -> None:
    forgotten = 0
    while count := await engine.apply(lambda to: to.expire(before, BATCH)):
        forgotten += count
        await asyncio.sleep(PAUSE)
    if forgotten:
        _log.info("%d instances that finished long ago were forgotten", forgotten)
        await _release_space(engine)


async def _release_space(engine: Engine) -> None:
    left, before = await engine.apply(lambda to: to.release_space(PAGES)), None
    while left and left != before:  # databases of the first version keep their free pages
        await asyncio.sleep(PAUSE)
        left, before = await engine.apply(lambda to: to.release_space(PAGES)), left
