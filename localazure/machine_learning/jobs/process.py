"""A command as a process group that this server can end, even when it finds it again after its own death."""

import asyncio
import fcntl
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

_LOCK = "process.lock"
_GRACE_SECONDS = 5.0
_TAIL_LINES, _TAIL_CHARACTERS = 20, 4000


class CommandFailed(RuntimeError):
    """The command ended with a code other than 0; the message has the end of its log."""


async def run_command(
    command: str,
    *,
    folder: Path,
    log: Path,
    variables: Mapping[str, str],
    started: Callable[[int], object],
    pass_fds: Sequence[int] = (),
) -> None:
    """Run `command` with bash in `folder`/code, both streams into `log`; `started` is told the group's pid at once.

    The process inherits a locked file: as long as the lock is held, some process of the command lives. A cancelled
    task ends the whole group. Raises `CommandFailed`.
    """
    with (folder / _LOCK).open("w") as lock, log.open("ab") as output:
        fcntl.flock(lock, fcntl.LOCK_EX)
        process = await asyncio.create_subprocess_exec(
            "bash", "-c", command,
            cwd=folder / "code",
            env=dict(variables),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=asyncio.subprocess.STDOUT,
            pass_fds=[lock.fileno(), *pass_fds],
            start_new_session=True,
        )  # fmt: skip
    started(process.pid)
    try:
        code = await process.wait()
    except asyncio.CancelledError:
        await asyncio.shield(_end_group(process))
        raise
    _signal_group(process.pid, signal.SIGKILL)  # what the command left in the background
    if code:
        raise CommandFailed(f"The command ended with {_ending(code)}.\n{tail(log)}")


def end_leftover(folder: Path, pid: int | None) -> bool:
    """End the group `pid` of an earlier server's command if it still lives; says whether it did.

    The lock in `folder` proves that the group is ours: the number alone may long be someone else's.
    """
    path = folder / _LOCK
    if pid is None or not path.exists():
        return False
    with path.open("r+") as lock:
        if _try_lock(lock.fileno()):
            return False
        _signal_group(pid, signal.SIGKILL)
        deadline = time.monotonic() + _GRACE_SECONDS
        while not _try_lock(lock.fileno()) and time.monotonic() < deadline:
            time.sleep(0.05)
    return True


def tail(log: Path) -> str:
    """The log's last lines."""
    lines = log.read_text(errors="replace").splitlines()[-_TAIL_LINES:]
    return "\n".join(lines)[-_TAIL_CHARACTERS:]


async def _end_group(process: asyncio.subprocess.Process) -> None:
    _signal_group(process.pid, signal.SIGTERM)
    with suppress(TimeoutError):  # it ignores SIGTERM: the next line ends it
        await asyncio.wait_for(process.wait(), _GRACE_SECONDS)
    _signal_group(process.pid, signal.SIGKILL)
    await process.wait()


def _signal_group(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):  # the group is gone, which is what was wanted
        os.killpg(pid, number)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _ending(code: int) -> str:
    return f"exit code {code}" if code > 0 else f"signal {signal.Signals(-code).name}"
