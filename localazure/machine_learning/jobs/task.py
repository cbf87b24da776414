"""One command of one run: its environment, its place in the queue, its files, its process, its log."""

import asyncio
import shutil
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from localazure.machine_learning.assets.model_paths import resolve_output
from localazure.machine_learning.assets.references import is_asset, parse_asset
from localazure.machine_learning.assets.store import read_asset
from localazure.machine_learning.computes.nodes import Cluster
from localazure.machine_learning.context import Context
from localazure.machine_learning.environments import (
    EnvironmentFailed,
    Requirements,
    prepare,
    requirements_of,
)
from localazure.machine_learning.jobs.graph import Data, InvalidJob, Literal, Task, Value, render
from localazure.machine_learning.jobs.mishaps import NodePreempted, run_on_node
from localazure.machine_learning.jobs.process import run_command, tail
from localazure.machine_learning.jobs.runs import Run, Runs
from localazure.machine_learning.jobs.variables import job_variables
from localazure.machine_learning.routing import Scope
from localazure.machine_learning.storage import Location, empty

LOG = "user_logs/std_log.txt"


class Workers:
    """Threads for the jobs' own file work: however many jobs wait, the API keeps its threads."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(max_workers=8, thread_name_prefix="jobs")
        self._building: dict[str, asyncio.Lock] = {}

    async def run[**P, T](self, work: Callable[P, T], *args: P.args, **options: P.kwargs) -> T:
        return await asyncio.get_running_loop().run_in_executor(
            self._threads, partial(work, *args, **options)
        )

    def building(self, content: str) -> asyncio.Lock:
        """Held while an environment of this content is built: those who wait for it wait without a thread."""
        return self._building.setdefault(content, asyncio.Lock())

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


@dataclass(frozen=True)
class TaskRun:
    context: Context
    runs: Runs
    run: Run
    task: Task
    inputs: Mapping[str, Value]
    workers: Workers

    @staticmethod
    def folder(context: Context, run: Run) -> Path:
        """Where a run's files and its log lie: `state`/jobs/<workspace>/<name>."""
        return context.runtime.state / "jobs" / context.scopes[run.scope].name / run.name

    async def execute(self, cluster: Cluster) -> None:
        """Raises `CommandFailed` with the end of the log, or what made it impossible to start."""
        folder = empty(self.folder(self.context, self.run))
        log = folder / LOG
        log.parent.mkdir(parents=True)
        try:
            self.runs.change(self.run, status="Preparing")
            venv = await self._environment(log)
            while not await self._on_a_node(cluster, folder, log, venv):
                _empty_work(folder)
        finally:
            await asyncio.shield(self.workers.run(self._keep_log, log))
            _empty_work(folder)

    async def _on_a_node(self, cluster: Cluster, folder: Path, log: Path, venv: Path) -> bool:
        """Wait for a node and run there; False if the node was taken away before the end."""
        place = {
            "workspace": self._scope.name,
            "job": self.run.name,
            "step": self.run.step or "",
            "compute": self.task.compute,
        }
        self.runs.change(self.run, status="Queued", pid=None)
        try:
            async with cluster.node(self.run.name):
                self.runs.change(self.run, status="Running")
                faults = self.context.runtime.faults
                await run_on_node(faults, place, lambda: self._run(folder, log, venv))
        except NodePreempted:
            return False
        return True

    async def _run(self, folder: Path, log: Path, venv: Path) -> None:
        command = await self.workers.run(self._fetch, folder)
        variables = job_variables(self.context, self._scope, self.run, venv, self.task.variables)
        await run_command(
            command,
            folder=folder,
            log=log,
            variables=variables,
            started=lambda pid: self.runs.change(self.run, pid=pid),
        )
        await self.workers.run(self._store, folder)

    async def _environment(self, log: Path) -> Path:
        """The environment's folder; two runs that need the same content wait for one build."""
        try:
            requirements = await self.workers.run(self._requirements)
            async with self.workers.building(requirements.key):
                return await self.workers.run(self._build, requirements, log)
        except EnvironmentFailed as error:
            with log.open("a") as output:
                output.write(f"{error}\n")
            raise EnvironmentFailed(f"The environment could not be built.\n{tail(log)}") from None

    def _requirements(self) -> Requirements:
        found = parse_asset(self.task.environment, self._scope, self.context.scopes)
        resource = read_asset(self.context, found.scope, "environments", found.name, found.version)
        return requirements_of(resource["properties"])

    def _build(self, requirements: Requirements, log: Path) -> Path:
        with log.open("a") as output:
            return prepare(requirements, self.context.runtime.state / "environments", output)

    def _fetch(self, folder: Path) -> str:
        """Bring code and inputs into `folder`; gives the command with every reference resolved."""
        (folder / "code").mkdir()
        if self.task.code:
            code = parse_asset(self.task.code, self._scope, self.context.scopes)
            resource = read_asset(self.context, code.scope, "codes", code.name, code.version)
            self.context.storage.download(self._locate(resource["properties"]["codeUri"]), folder / "code")
        inputs = {
            name: self._input(name, value, folder / "inputs" / name) for name, value in self.inputs.items()
        }
        outputs = {name: self._output(name, folder / "outputs" / name) for name in self.task.outputs}
        return render(self.task.command, inputs, outputs)

    def _input(self, name: str, value: Value, target: Path) -> str:
        spec = self.task.inputs[name]
        is_path = spec.type.startswith("uri_") or spec.type in ("mltable", "mlflow_model", "custom_model")
        if isinstance(value, Literal):
            if is_path:
                raise InvalidJob(
                    f"The input {name} is of type {spec.type}; it was given the text {value.text!r}."
                )
            return value.text
        uri = self._asset_uri(value)
        if (value.mode or spec.mode) == "direct":
            return self._long_uri(uri)
        location = self._locate(uri)
        if spec.type == "uri_file":
            target = target / location.path.rpartition("/")[2]
        if not self.context.storage.download(location, target):
            raise InvalidJob(f"The input {name} holds no files: {uri}")
        return str(target)

    def _output(self, name: str, target: Path) -> str:
        spec = self.task.outputs[name]
        if spec.mode == "direct":
            return self._long_uri(self.run.outputs[name])
        (target.parent if spec.type == "uri_file" else target).mkdir(parents=True, exist_ok=True)
        return str(target)

    def _store(self, folder: Path) -> None:
        """Upload what the command wrote to its outputs' places."""
        for name, spec in self.task.outputs.items():
            written = folder / "outputs" / name
            if spec.mode != "direct" and written.exists():
                self.context.storage.upload(written, self._locate(self.run.outputs[name]))

    def _keep_log(self, log: Path) -> None:
        place = Location(self._scope.container, f"ExperimentRun/dcid.{self.run.name}/{LOG}")
        self.context.storage.upload(log, place)

    def _asset_uri(self, value: Data) -> str:
        """Where the files of an asset or of a job's output lie; other URIs are places already."""
        if not is_asset(value.uri):
            return resolve_output(self.context, self._scope, value.uri)
        found = parse_asset(value.uri, self._scope, self.context.scopes)
        kind = found.kind.lower() or ("models" if value.type.endswith("_model") else "data")
        properties = read_asset(self.context, found.scope, kind, found.name, found.version)["properties"]
        return properties["modelUri"] if kind == "models" else properties["dataUri"]

    def _long_uri(self, uri: str) -> str:
        """What `direct` hands over: a datastore's URI with its workspace, as on Azure."""
        scope = self._scope
        prefix = f"azureml://subscriptions/{scope.subscription}/resourcegroups/{scope.group}/workspaces/{scope.name}/datastores/"
        return uri.replace("azureml://datastores/", prefix, 1)

    def _locate(self, uri: str) -> Location:
        return self.context.locate(uri, self._scope.name)

    @property
    def _scope(self) -> Scope:
        return self.context.scopes[self.run.scope]


def _empty_work(folder: Path) -> None:
    for name in ("code", "inputs", "outputs"):
        shutil.rmtree(folder / name, ignore_errors=True)
