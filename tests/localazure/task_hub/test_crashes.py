"""A task hub is killed (SIGKILL) at arbitrary moments; what was committed happens once, the rest happens."""

import contextlib
import json
import os
import random
import shutil
import signal
import sqlite3
import struct
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

import pytest

from localazure.task_hub.database import connect, lock
from localazure.task_hub.model import TaskHubLocked
from localazure.task_hub.store import Reader
from tests.localazure.task_hub.consistency import contradictions

PROGRAM = Path(__file__).with_name("crashing_program.py")
CRASH_POINTS = Path(__file__).with_name("crash_points.py")
ROOT = Path(__file__).parents[3]
CIRCUITS = 25
STRIDE = int(os.environ.get("STRIDE", "29"))  # of the statements before which it is killed
POWER_CUTS = int(os.environ.get("POWER_CUTS", "30"))


def start(folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, str(PROGRAM), str(folder / "hub.sqlite"), str(folder / "notes"), str(CIRCUITS)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )
    line = process.stdout.readline()
    assert line == "ready\n", process.communicate()[1]
    return process


def result(process: subprocess.Popen[str]) -> list[int]:
    output = process.stdout.readline()
    errors = process.communicate(timeout=20)[1]
    assert output, errors
    return json.loads(output)


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
    assert result(start(tmp_path)) == [3 + 100 * n for n in range(CIRCUITS)]
    assert not done & set(notes(tmp_path)[seen:])
    assert set(notes(tmp_path)) == {f"[{n}, {step}]" for n in range(CIRCUITS) for step in range(3)}


def test_killed_before_any_statement_it_writes_with(tmp_path):
    """Kills during the making of the tables, a migration, commits, continue-as-new, purge, retention."""
    first = random.randint(1, STRIDE)
    command = [sys.executable, str(CRASH_POINTS), str(tmp_path), str(first), str(STRIDE)]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, f"first {first}: {done.stderr}"
    assert int(done.stdout) > 5


@pytest.mark.parametrize("tail", ["missing", "garbage"])
def test_after_a_power_cut_it_is_as_it_was_before_some_commit(tmp_path, tail):
    """Without synchronous=FULL the end of the write-ahead log may be missing, or any bytes."""
    process = start(tmp_path)
    time.sleep(0.05)
    kill(process)
    later = histories(copy(tmp_path, tmp_path / "whole"))
    for n in range(POWER_CUTS):
        torn = tear(tmp_path, tmp_path / str(n), tail)
        with contextlib.closing(sqlite3.connect(torn / "hub.sqlite")) as db:
            assert contradictions(db) == []
            assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        for instance, history in histories(torn).items():
            assert later[instance][: len(history)] == history
    assert result(start(torn)) == [3 + 100 * n for n in range(CIRCUITS)]


def copy(folder: Path, to: Path) -> Path:
    """The hub's files as they lie on the disk: to open the originals would change them."""
    to.mkdir()
    for name in ("hub.sqlite", "hub.sqlite-wal"):
        shutil.copy(folder / name, to)
    (to / "notes").touch()
    return to


def tear(folder: Path, to: Path, tail: str) -> Path:
    """Copy the hub as a power cut may leave it: from somewhere on, what was not synchronised is lost."""
    log = copy(folder, to) / "hub.sqlite-wal"
    written = log.read_bytes()
    cut = random.randrange(synchronised(folder), len(written) + 1)
    log.write_bytes(written[:cut] + (random.randbytes(len(written) - cut) if tail == "garbage" else b""))
    return to


def synchronised(folder: Path) -> int:
    """The bytes of the log that were synchronised, as they are before their pages go into the database."""
    (backfilled,) = struct.unpack_from("=I", (folder / "hub.sqlite-shm").read_bytes(), 96)
    (page_size,) = struct.unpack_from(">H", (folder / "hub.sqlite").read_bytes(), 16)
    return backfilled and 32 + backfilled * (24 + page_size)


def histories(folder: Path) -> dict[str, list[bytes]]:
    with contextlib.closing(sqlite3.connect(folder / "hub.sqlite")) as db:
        found = defaultdict[str, list[bytes]](list)
        if not db.execute("SELECT 1 FROM sqlite_master WHERE name='history'").fetchone():
            return found
        for instance, event in db.execute("SELECT id, event FROM history ORDER BY id, seq"):
            found[instance].append(event)
    return found


def test_a_second_process_is_told_who_has_the_hub(tmp_path):
    process = start(tmp_path)
    try:
        with pytest.raises(TaskHubLocked, match=f"in use by process {process.pid}. Stop that process"):
            lock(tmp_path / "hub.sqlite")
    finally:
        kill(process)
    lock(tmp_path / "hub.sqlite").close()
