"""Processes of a local Azure whose supervisor is gone, recognised by the state folder in their arguments."""

import contextlib
import itertools
import os
import signal
import time
from pathlib import Path

import psutil

GRACE_SECONDS = 10.0


def find(state: Path) -> list[psutil.Process]:
    """This person's processes that were started for `state`, in whatever run, without the calling one."""
    markers = {str(state), str(state / "azurite"), str(state / "functions")}
    found: list[psutil.Process] = []
    for process in psutil.process_iter(["cmdline", "uids"]):
        arguments: list[str] = process.info["cmdline"] or []
        uids = process.info["uids"]
        ours = process.pid != os.getpid() and uids is not None and uids.real == os.getuid()
        if ours and _is_child(arguments, markers):
            found.append(process)
    return found


def _is_child(arguments: list[str], markers: set[str]) -> bool:
    """An emulator's command line has the folder right after `--state` (ours) or `--location` (Azurite)."""
    pairs = itertools.pairwise(arguments)
    named = any(flag in ("--state", "--location") and value in markers for flag, value in pairs)
    return named and any("localazure." in one or "azurite" in Path(one).name for one in arguments)


def end(processes: list[psutil.Process]) -> None:
    """SIGTERM, and SIGKILL for what is left after the grace; waits until all are gone."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        for process in processes:
            _send(process, number)
        processes = _still_running(processes)


def _send(process: psutil.Process, number: signal.Signals) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        process.send_signal(number)


def _still_running(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Who is left after the grace, at most. A zombie has ended, even where nobody reaps it."""
    deadline = time.monotonic() + GRACE_SECONDS
    while (processes := [one for one in processes if is_alive(one)]) and time.monotonic() < deadline:
        time.sleep(0.02)
    return processes


def is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
