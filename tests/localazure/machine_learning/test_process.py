import asyncio
import os
import subprocess
import time
from pathlib import Path

import pytest

from localazure.machine_learning.jobs.process import CommandFailed, end_leftover, run_command

VARIABLES = {"PATH": os.environ["PATH"]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "code").mkdir()
    return tmp_path


def _run(command: str, folder: Path, pids: list[int]) -> None:
    asyncio.run(_command(command, folder, pids))


async def _command(command: str, folder: Path, pids: list[int]) -> None:
    await run_command(command, folder=folder, log=folder / "log", variables=VARIABLES, started=pids.append)


def _alive(pid: int) -> bool:
    state = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout
    return bool(state.strip()) and not state.startswith("Z")


def test_both_streams_are_logged(folder: Path) -> None:
    pids: list[int] = []
    _run("echo out; echo err >&2; pwd", folder, pids)
    assert (folder / "log").read_text().splitlines() == ["out", "err", str(folder / "code")]
    assert len(pids) == 1


def test_a_failure_carries_the_end_of_the_log(folder: Path) -> None:
    with pytest.raises(CommandFailed, match=r"(?s)exit code 3.*line 40$") as caught:
        _run("for i in $(seq 40); do echo line $i; done; exit 3", folder, [])
    assert "line 20\n" not in str(caught.value)


def test_a_kill_is_named(folder: Path) -> None:
    with pytest.raises(CommandFailed, match="signal SIGKILL"):
        _run("kill -9 $$", folder, [])


def test_cancelling_ends_the_whole_group(folder: Path) -> None:
    async def cancel_soon() -> None:
        task = asyncio.create_task(_command("sleep 60 & echo $! > child; wait", folder, []))
        while not (folder / "code" / "child").exists() or not (folder / "code" / "child").read_text():
            await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel_soon())
    assert not _alive(int((folder / "code" / "child").read_text()))


def test_what_a_command_leaves_behind_is_ended(folder: Path) -> None:
    _run("sleep 60 & echo $! > child", folder, [])
    child = int((folder / "code" / "child").read_text())
    deadline = time.monotonic() + 5
    while _alive(child) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not _alive(child)


def test_a_leftover_of_ours_is_ended_and_a_stranger_is_not(folder: Path) -> None:
    stranger = subprocess.Popen(["sleep", "60"], start_new_session=True)
    try:
        _run("true", folder, [])
        assert not end_leftover(folder, stranger.pid)
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()

    script = (
        "import fcntl, time; file = open('process.lock', 'w'); fcntl.flock(file, fcntl.LOCK_EX);"
        "print('on', flush=True); time.sleep(60)"
    )
    ours = subprocess.Popen(
        ["python3", "-c", script], cwd=folder, start_new_session=True, stdout=subprocess.PIPE
    )
    assert ours.stdout is not None
    ours.stdout.readline()
    assert end_leftover(folder, ours.pid)
    assert ours.wait(5) == -9
    ours.stdout.close()
