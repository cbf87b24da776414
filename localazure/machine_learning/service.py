"""The rooms of the emulator, composed."""

from collections.abc import Sequence

from starlette.routing import BaseRoute

from localazure.documents import Documents
from localazure.identity.tokens import Tokens
from localazure.machine_learning.admin import Admin, Movable
from localazure.machine_learning.arm import Arm
from localazure.machine_learning.assets.dataplane import DataPlane
from localazure.machine_learning.assets.registry import RegistryPlane
from localazure.machine_learning.assets.routes import Assets
from localazure.machine_learning.batch.endpoints import BatchEndpoints
from localazure.machine_learning.computes.region import RegionOffers
from localazure.machine_learning.computes.routes import Computes, region_of
from localazure.machine_learning.context import Context
from localazure.machine_learning.datastores.routes import Datastores
from localazure.machine_learning.events import Events
from localazure.machine_learning.history import History
from localazure.machine_learning.jobs.routes import Jobs
from localazure.machine_learning.jobs.runner import Runner
from localazure.machine_learning.mlflow.pages import MLflowPages
from localazure.machine_learning.mlflow.routes import MLflow
from localazure.machine_learning.monitors.routes import Monitors
from localazure.machine_learning.online.deployments import OnlineDeployments
from localazure.machine_learning.online.endpoints import OnlineEndpoints
from localazure.machine_learning.online.scoring import OnlineScoring
from localazure.machine_learning.online.serving import Serving
from localazure.machine_learning.operations import Operations
from localazure.machine_learning.pages import Pages
from localazure.machine_learning.routing import scopes
from localazure.machine_learning.schedules.clock import MovableClock
from localazure.machine_learning.schedules.routes import Schedules
from localazure.machine_learning.storage import Storage
from localazure.service import EventSink, Runtime


class MachineLearning:
    """One `Service`; its memory is `state`/machine_learning.sqlite, its jobs' folders are under `state`/jobs."""

    def __init__(self, runtime: Runtime, emit: EventSink, clock: Movable | None = None):
        self._context = context = Context(
            runtime=runtime,
            documents=Documents(runtime.state / "machine_learning.sqlite"),
            storage=Storage(runtime.addresses, runtime.ca_bundle),
            scopes=scopes(runtime.config),
            events=Events(emit),
            tokens=Tokens.of(runtime),
        )
        region = region_of(context)
        self._runner = Runner(context, region)
        self._operations = operations = Operations(context)
        self._computes = Computes(context, operations, region)
        self._serving = serving = Serving(context, operations)
        jobs = Jobs(context, operations, self._runner)
        self._monitors = monitors = Monitors(context)
        self._clock = timer = clock or MovableClock(runtime.config.schedules.clock_factor, context.documents)
        self._schedules = Schedules(context, operations, jobs.submit, monitors, timer)
        self._rooms = (
            Arm(context, operations),
            self._computes,
            RegionOffers(context, region),
            Datastores(context),
            Assets(context),
            RegistryPlane(context, operations),
            jobs,
            History(context),
            DataPlane(context),
            BatchEndpoints(context, operations, jobs.submit),
            OnlineEndpoints(context, operations, serving),
            OnlineDeployments(context, operations, serving),
            OnlineScoring(context, serving),
            MLflow(context),
            MLflowPages(context),
            self._schedules,
            Admin(context, self._schedules, timer),
            Pages(context, region, self._schedules.firing),
            operations,
        )

    @property
    def routes(self) -> Sequence[BaseRoute]:
        return [route for room in self._rooms for route in room.routes]

    async def start(self) -> None:
        """Creates the containers of workspaces and registries and takes up the jobs a dead server left."""
        self._context.storage.ensure_containers(scope.container for scope in self._context.scopes.values())
        await self._computes.start()
        await self._operations.start()
        await self._serving.start()
        await self._monitors.start()
        await self._runner.start()
        await self._schedules.firing.start()

    async def stop(self) -> None:
        """Ends the jobs' processes; what was not finished runs again at the next start."""
        await self._schedules.firing.stop()
        if isinstance(self._clock, MovableClock):
            self._clock.keep()
        await self._runner.stop()
        await self._monitors.stop()
        await self._serving.stop()
        await self._operations.stop()
        self._context.storage.close()
        self._context.documents.close()
