"""A task hub is killed (SIGKILL) at arbitrary moments; what was committed happens once, the rest happens."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from localazure.task_hub.model import TaskHubLocked
from localazure.task_hub.store import Reader, connect, lock

PROGRAM = Path(__file__).with_name("crashing_program.py")
ROOT = Path(__file__).parents[3]
CIRCUITS = 25


def start(folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, str(PROGRAM), str(folder / "hub.sqlite"), str(folder / "notes"), str(CIRCUITS)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )
    line = process.stdout.readline()
    assert line == "ready\n", process.communicate()[1]
    return process


def kill(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate()


def notes(folder: Path) -> list[str]:
    return (folder / "notes").read_text().splitlines()


def committed(folder: Path) -> set[str]:
    """The inputs of the activities whose outcome the hub has recorded."""
    with contextlib.closing(connect(folder / "hub.sqlite")) as db:
        outstanding = {activity.payload for activity in Reader(db).activities()}
        histories = [event for n in range(CIRCUITS) for event in Reader(db).history(f"c{n}")]
    scheduled = {event.taskScheduled.input.value for event in histories if event.HasField("taskScheduled")}
    return scheduled - outstanding


def test_killed_again_and_again_it_loses_nothing_and_repeats_nothing_committed(tmp_path):
    done, seen = set[str](), 0
    for delay in (0.0, 0.02, 0.04, 0.01, 0.03):
        process = start(tmp_path)
        time.sleep(delay)
        kill(process)
        assert not done & set(notes(tmp_path)[seen:]), "a committed activity ran again"
        assert done <= committed(tmp_path), "a committed activity was forgotten"
        done, seen = committed(tmp_path), len(notes(tmp_path))
    assert done, "no kill came after a commit: the delays are too short for this machine"
    output, errors = start(tmp_path).communicate(timeout=20)
    assert json.loads(output or errors) == [3 + 100 * n for n in range(CIRCUITS)]
    assert not done & set(notes(tmp_path)[seen:])
    assert set(notes(tmp_path)) == {f"[{n}, {step}]" for n in range(CIRCUITS) for step in range(3)}


def test_a_second_process_is_told_who_has_the_hub(tmp_path):
    process = start(tmp_path)
    try:
        with pytest.raises(TaskHubLocked, match=f"in use by process {process.pid}. Stop that process"):
            lock(tmp_path / "hub.sqlite")
    finally:
        kill(process)
    lock(tmp_path / "hub.sqlite").close()
