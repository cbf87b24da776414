"""The processes of online deployments: started when they are asked, ended when they are idle, found dead or hung."""

import asyncio
import logging
import socket
import time
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from localazure.config import OnlineServing
from localazure.machine_learning.context import Context
from localazure.machine_learning.jobs.process import CommandFailed, end_leftover, run_command
from localazure.machine_learning.online.files import SERVER_LOG, DeploymentFailed, Launch
from localazure.machine_learning.online.settings import OnlineDeployment

PIDS = "onlineProcesses"  # the documents that say which processes a dead server may have left
_TICK_SECONDS = 0.25

_log = logging.getLogger(__name__)


class NoAnswer(RuntimeError):
    """The process ended, or dropped the connection, before it answered."""


@dataclass(frozen=True)
class Served:
    """One revision of a deployment: its settings and how it is started."""

    launch: Launch
    deployment: OnlineDeployment


@dataclass(frozen=True)
class Request:
    """`target` is the path with its query."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class _Running:
    """One live process. `pending` requests are on their way; `used` is the monotonic time of the last one."""

    served: Served
    task: asyncio.Task[None]
    url: str
    pending: int = 0
    used: float = field(default_factory=time.monotonic)
    failed_probes: int = 0
    next_probe: float = 0.0

    @property
    def alive(self) -> bool:
        return not self.task.done()


class Processes:
    """At most one process a deployment. All methods belong to the server's event loop."""

    def __init__(self, context: Context, config: OnlineServing):
        self._context = context
        self._config = config
        self._running: dict[str, _Running] = {}
        self._starting: dict[str, asyncio.Lock] = {}
        self._ending: set[asyncio.Task[None]] = set()
        limits = httpx.Limits(max_connections=None)
        self._http = httpx.AsyncClient(timeout=None, trust_env=False, limits=limits)  # noqa: S113 - each use has its own
        self._tending: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """End what a dead server's deployments left running."""
        documents = self._context.documents
        for folder, document in documents.list(PIDS):
            await asyncio.to_thread(end_leftover, Path(folder), document["pid"])
            documents.delete(PIDS, folder)
        self._tending = asyncio.create_task(self._tend())

    async def stop(self) -> None:
        if self._tending:
            self._tending.cancel()
        for key in list(self._running):
            await self.end(key)
        await asyncio.gather(*self._ending, return_exceptions=True)
        await self._http.aclose()

    async def replace(self, key: str, served: Served) -> None:
        """Start a revision beside the one that serves and let it take over. Raises `DeploymentFailed`."""
        async with self._lock(key):
            started = await self._launch(served)
            old = self._running.get(key)
            self._running[key] = started
            if old:
                await self._end(old)

    async def send(self, key: str, served: Served, request: Request) -> httpx.Response:
        """The process's answer; one that is not running is started first, outside the request's timeout.

        Raises `DeploymentFailed`, `NoAnswer` and `TimeoutError`.
        """
        running = await self._ready(key, served)
        running.pending += 1
        try:
            async with asyncio.timeout(served.deployment.timeout):
                return await self._http.request(
                    request.method,
                    f"{running.url}{request.target}",
                    headers=dict(request.headers),
                    content=request.body,
                )
        except httpx.TransportError as error:
            raise NoAnswer(f"The process gave no answer: {error!r}") from error
        finally:
            running.pending -= 1
            running.used = time.monotonic()

    async def end(self, key: str) -> None:
        async with self._lock(key):
            if running := self._running.pop(key, None):
                await self._end(running)

    def pid_count(self) -> int:
        """How many processes live."""
        return sum(running.alive for running in self._running.values())

    async def _ready(self, key: str, served: Served) -> _Running:
        async with self._lock(key):
            running = self._running.get(key)
            if running and not running.alive:
                self._note_death(key, running)
            if running is None or not running.alive:
                running = self._running[key] = await self._launch(served)
            running.used = time.monotonic()
            return running

    async def _launch(self, served: Served) -> _Running:
        """A started process that answered its readiness probe."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
            born = asyncio.Event()
            task = asyncio.create_task(self._run(served, listener.fileno(), born))
            waiting = asyncio.create_task(born.wait())
            await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
        running = _Running(served, task, f"http://127.0.0.1:{port}")
        running.next_probe = time.monotonic() + served.deployment.liveness_probe.initial_delay.total_seconds()
        await self._wait_until_ready(running)
        return running

    async def _run(self, served: Served, descriptor: int, born: asyncio.Event) -> None:
        launch, folder, documents = served.launch, Path(served.launch.folder), self._context.documents

        def started(pid: int) -> None:
            documents.put(PIDS, launch.folder, {"pid": pid})
            born.set()

        try:
            await run_command(
                launch.command(descriptor),
                folder=folder,
                log=folder / SERVER_LOG,
                variables=launch.variables(self._context, served.deployment.environment_variables),
                started=started,
                pass_fds=[descriptor],
            )
        finally:
            documents.delete(PIDS, launch.folder)

    async def _wait_until_ready(self, running: _Running) -> None:
        """The socket listens from the start; it answers once the model is loaded."""
        probe = running.served.deployment.readiness_probe
        asked = asyncio.create_task(self._http.get(f"{running.url}/"))
        done, _ = await asyncio.wait(
            {asked, running.task}, timeout=probe.patience, return_when=asyncio.FIRST_COMPLETED
        )
        if asked in done and asked.exception() is None and asked.result().status_code == 200:
            return
        asked.cancel()
        if not done:
            await self._end(running)
            raise DeploymentFailed(
                "ResourceNotReady", f"The container was not ready in {probe.patience:.0f} seconds."
            )
        try:
            await running.task
        except CommandFailed as error:
            message = f"The container crashed while it started. {error}"
            raise DeploymentFailed("ResourceNotReady", message) from None
        raise DeploymentFailed("ResourceNotReady", "The container ended before it was ready.")

    async def _end(self, running: _Running) -> None:
        running.task.cancel()
        with suppress(asyncio.CancelledError, CommandFailed):  # however it ended, it has ended
            await running.task

    async def _tend(self) -> None:
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            for key, running in list(self._running.items()):
                if not running.alive:
                    self._note_death(key, running)
                elif running.next_probe <= time.monotonic():
                    period = running.served.deployment.liveness_probe.period
                    running.next_probe = time.monotonic() + period.total_seconds()
                    self._spawn(self._probe(key, running))
            for key in self._idle():
                self._spawn(self._end_idle(key, self._running[key]))

    def _note_death(self, key: str, running: _Running) -> None:
        self._running.pop(key)
        if not running.task.cancelled():
            _log.warning("The process of %s ended: %s", key, running.task.exception())

    def _idle(self) -> list[str]:
        """Those unused for too long, and the longest unused of too many."""
        now = time.monotonic()
        idle = {key: one.used for key, one in self._running.items() if not one.pending}
        expired = [key for key, used in idle.items() if now - used > self._config.idle_seconds]
        rest = sorted((key for key in idle if key not in expired), key=idle.__getitem__, reverse=True)
        return expired + rest[self._config.max_idle :]

    async def _probe(self, key: str, running: _Running) -> None:
        """The liveness probe: a worker that is stuck does not answer, and is ended in the end."""
        probe = running.served.deployment.liveness_probe
        try:
            async with asyncio.timeout(probe.timeout.total_seconds()):
                healthy = (await self._http.get(f"{running.url}/")).status_code == 200
        except (httpx.TransportError, TimeoutError):
            healthy = False
        running.failed_probes = 0 if healthy else running.failed_probes + 1
        if running.failed_probes >= probe.failure_threshold and self._running.get(key) is running:
            _log.warning("The process of %s failed its liveness probe %d times", key, running.failed_probes)
            await self.end(key)

    async def _end_idle(self, key: str, running: _Running) -> None:
        async with self._lock(key):
            if self._running.get(key) is running and not running.pending:
                self._running.pop(key)
                await self._end(running)

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    def _lock(self, key: str) -> asyncio.Lock:
        return self._starting.setdefault(key, asyncio.Lock())
