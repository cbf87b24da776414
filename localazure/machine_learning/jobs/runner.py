"""The scheduler of jobs: queues per compute, steps in the order of their data, children that outlive nothing."""

import asyncio
import logging
from collections.abc import Awaitable, Mapping

from localazure.machine_learning.computes.nodes import Region
from localazure.machine_learning.context import Context
from localazure.machine_learning.environments import EnvironmentFailed
from localazure.machine_learning.jobs.graph import (
    Data,
    Graph,
    InvalidJob,
    OutputSpec,
    Step,
    Task,
    Value,
    complete,
    resolve,
)
from localazure.machine_learning.jobs.planning import plan_job
from localazure.machine_learning.jobs.process import CommandFailed, end_leftover
from localazure.machine_learning.jobs.runs import Run, Runs
from localazure.machine_learning.jobs.task import TaskRun, Workers
from localazure.machine_learning.storage import UnknownLocation
from localazure.web import Refusal

_log = logging.getLogger(__name__)

# What makes a run Failed with its message; anything else is a defect of the emulator and is logged as one.
_EXPECTED = (InvalidJob, CommandFailed, EnvironmentFailed, UnknownLocation, Refusal)


class StepFailed(CommandFailed):
    """A step of a pipeline did not complete."""


class StepSkipped(StepFailed):
    """A step was not run because one before it failed."""


class Runner:
    """Owns one asyncio task per submitted job. `submit` and `cancel` may be called from any thread."""

    def __init__(self, context: Context, region: Region):
        self._context = context
        self._region = region
        self._runs = Runs(context)
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = False
        self._workers = Workers()

    async def start(self) -> None:
        """End what an earlier server left running and take up its unfinished jobs."""
        self._loop = asyncio.get_running_loop()
        unfinished = [
            run for run in self._runs.all() if not run.is_finished and run.scope in self._context.scopes
        ]
        for run in unfinished:
            await self._workers.run(end_leftover, TaskRun.folder(self._context, run), run.pid)
        for run in sorted(unfinished, key=lambda item: item.created):
            if run.parent is None:
                self._launch(run)

    async def stop(self) -> None:
        self._stopping = True
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._workers.close()

    def submit(self, run: Run) -> None:
        if self._loop is None:
            raise RuntimeError("The runner was not started.")
        self._loop.call_soon_threadsafe(self._launch, run)

    def cancel(self, run: Run) -> None:
        if self._loop is None:
            raise RuntimeError("The runner was not started.")
        self._loop.call_soon_threadsafe(self._cancel, run)

    def _launch(self, run: Run) -> None:
        task = asyncio.create_task(self._run_job(run), name=run.key)
        self._tasks[run.key] = task
        task.add_done_callback(lambda _: self._tasks.pop(run.key, None))

    def _cancel(self, run: Run) -> None:
        """A step is cancelled with its whole pipeline."""
        while run.parent and (parent := self._runs.get(self._context.scopes[run.scope], run.parent)):
            run = parent
        if task := self._tasks.get(run.key):
            task.cancel()
        elif not run.is_finished:
            self._runs.change(run, status="Canceled")

    async def _run_job(self, run: Run) -> None:
        if run.cancel_requested:
            self._end(run, "Canceled")
            return
        job = self._context.documents.get("jobs", run.key)
        if job is None:
            raise RuntimeError(f"The job of the run {run.key} is gone.")
        scope = self._context.scopes[run.scope]

        async def work() -> None:
            plan = await self._workers.run(plan_job, self._context, scope, job["submitted"])
            await self._execute(run, plan.work, plan.inputs, plan.work.outputs)

        await self._guarded(run, work())

    async def _guarded(self, run: Run, work: Awaitable[None]) -> Run:
        """Await `work` and write how it ended; a server that stops leaves the run unfinished."""
        try:
            await work
        except asyncio.CancelledError:
            if not self._stopping:
                self._end(run, "Canceled")
            raise
        except _EXPECTED as error:
            return self._end(run, "Failed", _message(error))
        except Exception as error:  # noqa: BLE001 - a defect here must end one run, not the server
            _log.exception("The run %s failed inside the emulator", run.key)
            return self._end(run, "Failed", f"localazure failed while running this: {error!r}")
        return self._end(run, "Completed")

    def _end(self, run: Run, status: str, error: str | None = None) -> Run:
        for child in self._runs.children(run) if status != "Completed" else []:
            if not child.is_finished:
                self._runs.change(child, status="Canceled", pid=None)
        return self._runs.change(run, status=status, error=error, pid=None)

    async def _execute(
        self, run: Run, work: Task | Graph, given: Mapping[str, Value], outputs: Mapping[str, OutputSpec]
    ) -> None:
        inputs = complete(work.inputs, given, run.step or "The job")
        run = self._runs.change(run, outputs={name: place(run, name, spec) for name, spec in outputs.items()})
        if isinstance(work, Graph):
            self._runs.change(run, status="Running")
            await self._execute_graph(run, work, inputs)
        else:
            task = TaskRun(self._context, self._runs, run, work, inputs, self._workers)
            cluster = self._region.cluster(f"{run.scope}/{work.compute}")
            if cluster is None:
                raise InvalidJob(f"Unknown compute target {work.compute!r}: it was deleted.")
            await task.execute(cluster)

    async def _execute_graph(self, run: Run, graph: Graph, inputs: Mapping[str, Value]) -> None:
        """Every step starts when those it reads have completed; a failed one stops only those that read it."""
        produced: dict[tuple[str, str], Data] = {}
        tasks: dict[str, asyncio.Task[None]] = {}

        async def follow(name: str) -> None:
            step = graph.steps[name]
            if step.after:
                done, _ = await asyncio.wait([tasks[other] for other in step.after])
                if any(task.cancelled() or task.exception() for task in done):
                    raise StepSkipped(f"The step {name} was not run: a step before it did not complete.")
            await self._run_step(run, name, step, inputs, produced)

        for name in graph.steps:
            tasks[name] = asyncio.create_task(follow(name), name=f"{run.key}/{name}")
        try:
            results = await asyncio.gather(*tasks.values(), return_exceptions=True)
        except asyncio.CancelledError:
            await asyncio.gather(*tasks.values(), return_exceptions=True)
            raise
        if failures := [result for result in results if isinstance(result, BaseException)]:
            raise min(failures, key=lambda failure: isinstance(failure, StepSkipped))

    async def _run_step(
        self,
        parent: Run,
        name: str,
        step: Step,
        inputs: Mapping[str, Value],
        produced: dict[tuple[str, str], Data],
    ) -> None:
        run = self._child(parent, name, step)
        if run.status != "Completed":
            given = {key: resolve(value, inputs, produced) for key, value in step.inputs.items()}
            present = {key: value for key, value in given.items() if value is not None}
            outputs = _step_outputs(parent, step)
            run = await self._guarded(run, self._execute(run, step.work, present, outputs))
        if run.status != "Completed":
            raise StepFailed(f"The step {name} failed: {run.error}")
        for key, spec in step.work.outputs.items():
            produced[name, key] = Data(run.outputs[key], spec.type)

    def _child(self, parent: Run, step_name: str, step: Step) -> Run:
        """The step's run: an earlier one that completed is kept, so that a restart repeats only what is missing."""
        scope = self._context.scopes[parent.scope]
        name = f"{parent.name}_{step_name}"
        known = self._runs.get(scope, name)
        if known and known.status == "Completed" and known.parent == parent.name:
            return known
        run = Run(
            scope=parent.scope,
            name=name,
            type="azureml.PipelineRun" if isinstance(step.work, Graph) else "azureml.StepRun",
            experiment=parent.experiment,
            parent=parent.name,
            step=step_name,
            compute=None if isinstance(step.work, Graph) else step.work.compute,
        )
        self._runs.create(run)
        return run


def place(run: Run, name: str, spec: OutputSpec) -> str:
    """Where an output goes: the place asked for, with its placeholders filled, or Azure's default."""
    if spec.uri:
        return spec.uri.replace("${{name}}", run.name).replace("${{output_name}}", name)
    slash = "" if spec.type == "uri_file" else "/"
    return f"azureml://datastores/workspaceblobstore/paths/azureml/{run.name}/{name}{slash}"


def _step_outputs(parent: Run, step: Step) -> dict[str, OutputSpec]:
    """The component's outputs with the places of the step and those bound to the parent's."""
    found = dict(step.work.outputs)
    for name, spec in step.outputs.items():
        if name in found:
            found[name] = OutputSpec(found[name].type, spec.uri, spec.mode)
    for name, bound in step.bound_outputs.items():
        if bound not in parent.outputs or name not in found:
            raise InvalidJob(f"The output {name} is bound to the pipeline's {bound!r}, which does not exist.")
        found[name] = OutputSpec(found[name].type, parent.outputs[bound], found[name].mode)
    return found


def _message(error: BaseException) -> str:
    return str(error.body["error"]["message"]) if isinstance(error, Refusal) else str(error)
