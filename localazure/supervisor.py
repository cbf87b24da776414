"""Azurite, the azure server and the functions host as children: started together, restarted, stopped together."""

import asyncio
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass, field
from io import TextIOWrapper
from pathlib import Path
from typing import Any

from localazure import leftovers
from localazure.azurite import START_SECONDS, azurite_command, azurite_environment
from localazure.environment import environment, write_environment
from localazure.service import Runtime
from localazure.tls import ensure_certificates

RESTARTS = 3  # within this many seconds; more means that it cannot run
RESTARTS_WITHIN_SECONDS = 60.0
APP = "functions"
PARTS = ("azurite", "azure", APP)
LEAN = {"MALLOC_ARENA_MAX": "2"}  # glibc gives every thread an arena of its own and never gives it back
_STOP_SECONDS = 10.0
_LOOK_SECONDS = 0.03


class SupervisorError(Exception):
    """It cannot start or go on; the message says who can do what about it."""


@dataclass
class Child:
    """One process to keep alive. `ports[0]` answers once it is ready."""

    name: str
    command: list[str]
    environment: dict[str, str]
    ports: tuple[int, ...]
    log: Path
    process: asyncio.subprocess.Process | None = None
    restarts: list[float] = field(default_factory=list)


def acquire(state: Path) -> TextIOWrapper:
    """The lock that one supervisor of `state` holds as long as it lives; it names the holder's process.

    Raises `SupervisorError` when another holds it.
    """
    state.mkdir(parents=True, exist_ok=True)
    lock = (state / "lock").open("a")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise SupervisorError(
            f"A local Azure is running in {state} already: `python -m localazure status` shows it, "
            "`python -m localazure down` ends it"
        ) from None
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock


def holder(state: Path) -> int | None:
    """The process that holds the lock of `state`; None if nobody does."""
    path = state / "lock"
    if not path.exists():
        return None
    with path.open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return int(lock.read() or 0) or None
    return None


def read_state(state: Path) -> dict[str, Any]:
    """What the last supervisor wrote of itself; empty if there never was one."""
    try:
        return json.loads((state / "state.json").read_text())
    except FileNotFoundError:
        return {}


class Supervisor:
    """Runs `parts` of one local Azure until it is told to stop; `say` tells the person what happens.

    Raises `SupervisorError` when a part is asked for that the configuration lacks.
    """

    def __init__(
        self, config_path: Path, runtime: Runtime, say: Callable[[str], None], parts: Collection[str] = PARTS
    ):
        self._runtime, self._say = runtime, say
        self._stopping = asyncio.Event()
        self._failure: SupervisorError | None = None
        self._ready = False
        self._children = [
            child for child in _children(config_path.absolute(), runtime) if child.name in parts
        ]
        if not self._children:
            raise SupervisorError(
                f"{config_path} has no `functions`: name the app's folder there, or start something else"
            )

    @property
    def names(self) -> tuple[str, ...]:
        """The parts that run."""
        return tuple(child.name for child in self._children)

    async def run(self, when_ready: Callable[[], None]) -> None:
        """Start everything, call `when_ready`, and supervise until SIGTERM, SIGINT or SIGHUP.

        Raises `SupervisorError` when something cannot be started or kept alive.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, self._stopping.set)
        self._take_over()
        write_environment(self._runtime)
        keepers: list[asyncio.Task[None]] = []
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            for children in self._waves:
                keepers += [asyncio.create_task(self._keep(child)) for child in children]
                await self._until_ready(children, stopping)
                if self._stopping.is_set():
                    break
            else:
                self._ready = True
                self._record()
                when_ready()
            await stopping
        finally:
            self._stopping.set()
            await self._stop_children()
            await asyncio.gather(*keepers)
            (self._runtime.state / "state.json").unlink(missing_ok=True)
        if self._failure:
            raise self._failure

    def _take_over(self) -> None:
        if left := leftovers.find(self._runtime.state):
            self._say(f"Ending {len(left)} processes of a run that was cut off")
            leftovers.end(left)
        for child in self._children:
            for port in child.ports:
                _check_free(child.name, port)

    @property
    def _waves(self) -> tuple[list[Child], ...]:
        """The app last: an SDK that finds no Azure when it first looks takes the public one, for good."""
        app = [child for child in self._children if child.name == APP]
        return [child for child in self._children if child.name != APP], app

    async def _until_ready(self, children: list[Child], stopping: asyncio.Task[bool]) -> None:
        answers = asyncio.gather(*(self._answers(child) for child in children))
        done, _ = await asyncio.wait([answers, stopping], return_when=asyncio.FIRST_COMPLETED)
        if answers in done:
            answers.result()
            return
        answers.cancel()
        await asyncio.gather(answers, return_exceptions=True)

    async def _answers(self, child: Child) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", child.ports[0])
            except OSError:
                await asyncio.sleep(_LOOK_SECONDS)
            else:
                writer.close()
                return
        raise SupervisorError(f"{child.name} did not answer within {START_SECONDS:.0f} s:\n{tail(child.log)}")

    async def _keep(self, child: Child) -> None:
        while not self._stopping.is_set():
            child.process = await _spawn(child)
            self._record()
            status = await child.process.wait()
            if self._stopping.is_set():
                return
            if not self._may_restart(child):
                self._failure = SupervisorError(
                    f"{child.name} ended with status {status} and cannot be kept running. Its log, {child.log}, ends:\n"
                    f"{tail(child.log)}"
                )
                self._stopping.set()
                return
            self._say(f"{child.name} ended with status {status}; starting it again (log: {child.log})")

    def _may_restart(self, child: Child) -> bool:
        """Not before everything was up once: what fails at the first start fails again."""
        now = time.monotonic()
        child.restarts = [at for at in child.restarts if now - at < RESTARTS_WITHIN_SECONDS] + [now]
        return self._ready and len(child.restarts) <= RESTARTS

    async def _stop_children(self) -> None:
        await asyncio.gather(*(_stop(child.process) for child in self._children if child.process))

    def _record(self) -> None:
        body = {
            "supervisor": os.getpid(),
            "ready": self._ready,
            "parts": self.names,
            "ports": {child.name: child.ports for child in self._children},
            "children": {child.name: child.process.pid for child in self._children if child.process},
            "addresses": asdict(self._runtime.addresses),
        }
        draft = self._runtime.state / "state.json.new"
        draft.write_text(json.dumps(body, indent=2))
        draft.replace(self._runtime.state / "state.json")


def _children(config_path: Path, runtime: Runtime) -> list[Child]:
    config, state, ports = runtime.config, runtime.state, runtime.config.ports
    logs = state / "logs"
    logs.mkdir(exist_ok=True)
    (state / "azurite").mkdir(exist_ok=True)
    python = [sys.executable, "-m"]
    server = [*python, "localazure.server", "--config", str(config_path), "--state", str(state)]
    azurite = azurite_command(state / "azurite", ports, ensure_certificates(state))
    children = [
        Child(
            "azurite",
            azurite,
            azurite_environment(),
            (ports.blob, ports.queue, ports.table),
            logs / "azurite.log",
        ),
        Child("azure", server, LEAN, (ports.azure, ports.pages), logs / "azure.log"),
    ]
    if config.functions:
        app = (config_path.parent / config.functions.app).resolve()
        place = ["--port", str(ports.functions), "--app", str(app), "--state", str(state / "functions")]
        host = [*python, "localazure.functions_host", "start", *place]
        children.append(
            Child(APP, host, {**LEAN, **environment(runtime)}, (ports.functions,), logs / "functions.log")
        )
    return children


async def _spawn(child: Child) -> asyncio.subprocess.Process:
    with child.log.open("ab") as log:
        return await asyncio.create_subprocess_exec(
            *child.command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **child.environment},
            cwd=Path(__file__).parent.parent,  # `-m localazure…` finds the package there
            start_new_session=True,  # a terminal's Ctrl-C reaches the supervisor alone
        )


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), _STOP_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()


def _check_free(name: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise SupervisorError(
                f"Port {port}, where {name} would listen, is taken by another program: "
                "end it, or choose another under `ports` in the configuration"
            ) from None


def tail(log: Path, characters: int = 1500) -> str:
    """The end of a log, for an error message."""
    if not log.exists():
        return "(nothing was written)"
    return log.read_text(errors="replace")[-characters:].strip() or "(nothing was written)"
