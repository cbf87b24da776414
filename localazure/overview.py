"""What of a local Azure runs right now: for `status` and the start page."""

import socket
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil

from localazure.service import Addresses
from localazure.supervisor import holder, read_state

SUPERVISOR = "supervisor"
_ANSWER_SECONDS = 1.0


@dataclass(frozen=True)
class Part:
    """One process; `memory` is resident bytes with those of what it started. `trouble` says why it is not ready."""

    name: str
    pid: int
    since: datetime | None
    memory: int
    trouble: str | None


@dataclass(frozen=True)
class Overview:
    parts: Sequence[Part]
    addresses: Addresses

    @property
    def ready(self) -> bool:
        return not any(part.trouble for part in self.parts)


def overview(state: Path) -> Overview | None:
    """What runs in the state folder; None if nothing does."""
    supervisor, body = holder(state), read_state(state)
    if not supervisor or not body:
        return None
    children = [_part(name, pid, _unanswered(body["ports"][name])) for name, pid in body["children"].items()]
    waiting = [name for name in body["parts"] if name not in body["children"]]
    trouble = f"has yet to start {', '.join(waiting)}" if waiting else None
    return Overview([*children, _part(SUPERVISOR, supervisor, trouble)], Addresses(**body["addresses"]))


def _part(name: str, pid: int, trouble: str | None) -> Part:
    try:
        process = psutil.Process(pid)
        since = datetime.fromtimestamp(process.create_time(), UTC)
        family = [process] if name == SUPERVISOR else [process, *process.children(recursive=True)]
        return Part(name, pid, since, sum(map(_resident, family)), trouble)
    except psutil.NoSuchProcess:
        return Part(name, pid, None, 0, "ended; the supervisor starts it again")


def _resident(process: psutil.Process) -> int:
    try:
        return process.memory_info().rss
    except psutil.NoSuchProcess:
        return 0


def _unanswered(ports: Sequence[int]) -> str | None:
    silent = [str(port) for port in ports if not _answers(port)]
    return f"does not answer on port {', '.join(silent)}" if silent else None


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), _ANSWER_SECONDS).close()
    except OSError:
        return False
    return True
