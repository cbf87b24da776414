"""What may happen to a job's command on its node, when a fault asks for it."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from localazure.faults import Faults
from localazure.machine_learning.jobs.process import CommandFailed


class NodePreempted(Exception):
    """The node was taken away, and with it what ran there: the job goes back into the queue."""


async def run_on_node(faults: Faults, place: Mapping[str, str], work: Callable[[], Awaitable[None]]) -> None:
    """Do `work` as far as the faults at `place` let it. Raises `CommandFailed`, `NodePreempted`."""
    if hanging := faults.meet("job-hangs", **place):
        await asyncio.sleep(hanging.number("seconds"))
    if failing := faults.meet("job-fails", **place):
        await _for_a_while(work, failing.number("after_seconds"))
        raise CommandFailed(failing.text("message"))
    if not (taken := faults.meet("node-preempted", **place)):
        await work()
    elif not await _for_a_while(work, taken.number("after_seconds")):
        raise NodePreempted


async def _for_a_while(work: Callable[[], Awaitable[None]], seconds: float) -> bool:
    """Do `work` for `seconds` at most (0: do not begin it); whether it was done by then."""
    if seconds == 0:
        return False
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            await work()
    except TimeoutError:
        if not limit.expired():
            raise
        return False
    return True
