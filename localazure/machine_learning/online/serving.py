"""From an online deployment's resource to a process that serves it, and back when it is deleted."""

import asyncio
import logging
import shutil
import uuid
from collections.abc import Coroutine
from pathlib import Path

from localazure.machine_learning.context import Context
from localazure.machine_learning.environments import EnvironmentFailed
from localazure.machine_learning.jobs.process import tail
from localazure.machine_learning.jobs.task import Workers
from localazure.machine_learning.online.files import (
    BUILD_LOG,
    SERVER_LOG,
    STORAGE_LOG,
    DeploymentFailed,
    Launch,
    bring,
)
from localazure.machine_learning.online.processes import Processes, Served
from localazure.machine_learning.online.settings import OnlineDeployment
from localazure.machine_learning.operations import Operation, Operations
from localazure.machine_learning.routing import Json, Scope
from localazure.machine_learning.storage import UnknownLocation
from localazure.web import Refusal

ENDPOINTS, DEPLOYMENTS = "onlineEndpoints", "onlineDeployments"
_SERVED = "onlineServed"  # the revision of a deployment that answers, as long as no newer one does

_log = logging.getLogger(__name__)


class Serving:
    """`deploy` and `forget` may be called from any thread; the rest belongs to the event loop."""

    def __init__(self, context: Context, operations: Operations):
        self._context = context
        self._operations = operations
        self.processes = Processes(context, context.runtime.config.online)
        self._workers = Workers()
        self._working: set[asyncio.Task[None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def start(self) -> None:
        """End what a dead server left, and take up the deployments it was creating."""
        self._loop = asyncio.get_running_loop()
        await self.processes.start()
        for operation in self._operations.unfinished(DEPLOYMENTS):
            if operation.change != "Deleting":
                self.deploy(operation.key)

    async def stop(self) -> None:
        working, self._loop = list(self._working), None
        for task in working:
            task.cancel()
        await asyncio.gather(*working, return_exceptions=True)
        await self.processes.stop()
        self._workers.close()

    def deploy(self, key: str) -> None:
        """Bring the deployment to what its resource says; its running operation ends with the outcome."""
        self._schedule(self._deploy(key))

    def forget(self, key: str) -> None:
        """End what serves a deleted deployment and delete its files."""
        self._context.documents.delete(_SERVED, key)
        self._schedule(self._forget(key))

    def served(self, key: str) -> Served | None:
        """The revision that answers; None before the first one is ready."""
        document = self._context.documents.get(_SERVED, key)
        if document is None:
            return None
        return Served(Launch.from_document(document["launch"]), OnlineDeployment.read(document["resource"]))

    def log(self, key: str, name: str) -> str:
        """The text of a log of the newest revision."""
        folders = sorted(self._folder(key).glob("*"), key=lambda path: path.stat().st_ctime)
        path = folders[-1] / name if folders else None
        return path.read_text(errors="replace") if path and path.exists() else ""

    async def _deploy(self, key: str) -> None:
        error: Json | None = None
        try:
            await self._bring_up(key)
        except DeploymentFailed as failure:
            error = failure.error
        except EnvironmentFailed as failure:
            error = {"code": "ImageBuildFailure", "message": str(failure)}
        except UnknownLocation as failure:
            error = {"code": "BadArgument", "message": str(failure)}
        except Refusal as failure:
            error = dict(failure.body["error"])
        except Exception as failure:  # noqa: BLE001 - a defect here must end one operation, not the server
            _log.exception("The deployment %s failed inside the emulator", key)
            error = {
                "code": "InternalServerError",
                "message": f"localazure failed while deploying: {failure!r}",
            }
        await self._workers.run(self._operations.finish, DEPLOYMENTS, key, error)

    async def _bring_up(self, key: str) -> None:
        resource = self._context.documents.get(DEPLOYMENTS, key)
        if resource is None:
            raise RuntimeError(f"The deployment {key} is gone.")
        began = asyncio.get_running_loop().time()
        scope = self._context.scopes[key.rsplit("/", 2)[0]]
        deployment = OnlineDeployment.read(resource)
        folder = self._folder(key) / uuid.uuid4().hex[:8]
        async with self._workers.building(deployment.environment_id or str(deployment.model)):
            launch = await self._workers.run(self._bring, scope, deployment, folder)
        served = Served(launch, deployment)
        await self.processes.replace(key, served)
        least = self._context.runtime.config.operations.deployments
        await asyncio.sleep(began + least - asyncio.get_running_loop().time())
        shown = {name: resource.get(name) for name in ("properties", "sku")}
        self._context.documents.put(_SERVED, key, {"launch": launch.document, "resource": shown})
        await self._workers.run(self._keep_only, folder)

    def _bring(self, scope: Scope, deployment: OnlineDeployment, folder: Path) -> Launch:
        try:
            return bring(self._context, scope, deployment, folder)
        except EnvironmentFailed as failure:
            log = folder / BUILD_LOG
            raise EnvironmentFailed(f"{failure}\n{tail(log) if log.exists() else ''}".rstrip()) from None

    def _keep_only(self, folder: Path) -> None:
        for other in folder.parent.iterdir():
            if other != folder:
                shutil.rmtree(other, ignore_errors=True)

    async def _forget(self, key: str) -> None:
        await self.processes.end(key)
        await self._workers.run(shutil.rmtree, self._folder(key), ignore_errors=True)

    def _folder(self, key: str) -> Path:
        """`state`/online/<workspace>/<endpoint>/<deployment>; one folder a revision in it."""
        return self._context.runtime.state / "online" / key.partition("/")[2]

    def _schedule(self, work: Coroutine[None, None, None]) -> None:
        loop = self._loop
        if loop is None:
            work.close()
            raise RuntimeError("The serving of online deployments was not started.")

        def begin() -> None:
            task = loop.create_task(work)
            self._working.add(task)
            task.add_done_callback(self._working.discard)

        loop.call_soon_threadsafe(begin)


def log_name(container: str | None) -> str:
    """The log that `containerType` means."""
    return STORAGE_LOG if (container or "").lower() == "storageinitializer" else SERVER_LOG


def deleted(operation: Operation) -> bool:
    return operation.change == "Deleting" and operation.error is None
