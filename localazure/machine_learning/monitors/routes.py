"""Model monitors: the runs that their schedules start, and breaches on command."""

import json
import logging
from asyncio import to_thread
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path

from localazure.machine_learning.context import Context, system_data, timestamp
from localazure.machine_learning.jobs.runs import Run, Runs
from localazure.machine_learning.jobs.task import LOG, TaskRun
from localazure.machine_learning.mlflow.routes import log_metrics
from localazure.machine_learning.monitors.signals import Measured, NotComputed, evaluate
from localazure.machine_learning.routing import Json, Scope, conflict, not_found
from localazure.machine_learning.storage import Location
from localazure.web import azure_error

_log = logging.getLogger(__name__)

BREACHED = "azureml_modelmonitor_threshold_breached"
_MONITOR = "azureml.monitorName"
_SIGNALS = frozenset(
    {
        "DataDrift", "PredictionDrift", "DataQuality", "FeatureAttributionDrift", "ModelPerformance", "Custom",
        "GenerationSafetyQuality", "GenerationTokenStatistics",
    }
)  # fmt: skip


@dataclass(frozen=True)
class Breach:
    """A breach on command: the signal, the features to name, and how the run ends."""

    signal: str
    features: tuple[str, ...] = ()
    status: str = "Completed"


@dataclass
class _Report:
    """What a run found: the lines of its log, the metrics by name, and the signals that are breached."""

    lines: list[str] = field(default_factory=list)
    metrics: dict[str, float] = field(default_factory=dict)
    breaches: list[str] = field(default_factory=list)

    def say(self, text: str) -> None:
        self.lines.append(f"{timestamp()} {text}")


class Monitors:
    """Runs monitors one after the other on a thread of its own."""

    def __init__(self, context: Context):
        self._context = context
        self._documents = context.documents
        self._runs = Runs(context)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="monitors")

    async def start(self) -> None:
        """Runs again what an earlier server left unfinished; must come before the runner takes up the other jobs."""
        for run in self._runs.all():
            if _MONITOR in run.properties and not run.is_finished and run.scope in self._context.scopes:
                await to_thread(self._execute, run)

    async def stop(self) -> None:
        await to_thread(self._thread.shutdown, wait=True, cancel_futures=True)

    def check(self, definition: Json) -> None:
        """Refuses with 400 what is no monitor."""
        signals = definition.get("signals")
        if not isinstance(signals, dict) or not signals:
            raise _invalid("monitorDefinition.signals is required: at least one signal.")
        if not definition.get("computeConfiguration"):
            raise _invalid("monitorDefinition.computeConfiguration is required.")
        for name, signal in signals.items():  # pyright: ignore[reportUnknownVariableType] - JSON
            kind: object = signal.get("signalType")  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
            if kind not in _SIGNALS:
                raise _invalid(
                    f"The signal {name} is of the type {kind!r}, none of {', '.join(sorted(_SIGNALS))}."
                )
        if wrong := [mail for mail in _recipients(definition) if "@" not in mail]:
            raise _invalid(f"{wrong[0]!r} is no e-mail address.")

    def submit(self, scope: Scope, name: str, schedule: Json, breach: Breach | None = None) -> None:
        """Start a run of the monitor. Refuses with 409 a name that is taken."""
        run = Run(
            scope=scope.key,
            name=name,
            type="azureml.PipelineRun",
            experiment=schedule["name"],
            tags=dict(schedule["properties"]["tags"]),
            properties={_MONITOR: schedule["name"], "azureml.scheduleId": schedule["id"]},
        )
        definition = schedule["properties"]["action"]["monitorDefinition"]
        job = _job(scope, run, {"monitor": definition, "breach": asdict(breach) if breach else None})
        with self._documents.transaction():
            if not self._documents.insert("jobs", run.key, job):
                raise conflict(f"A job named {name} already exists in {scope.name}.")
            self._runs.create(run)
        self._thread.submit(self._execute, run)

    def breach(self, scope: Scope, name: str, schedule: Json, asked: Json) -> None:
        """Start a run that breaches. Refuses with 404 a signal that the monitor does not have."""
        signals: Json = schedule["properties"]["action"].get("monitorDefinition", {}).get("signals", {})
        if not signals:
            raise not_found(f"The monitor {schedule['name']}")
        signal = asked.get("signal") or next(iter(signals))
        if signal not in signals:
            raise not_found(f"The signal {signal!r} of {schedule['name']} (it has {', '.join(signals)})")
        status = asked.get("status") or "Completed"
        if status not in ("Completed", "Failed"):
            raise _invalid(f"The status {status!r} is neither Completed nor Failed.")
        features = tuple(str(feature) for feature in asked.get("features") or ())
        self.submit(scope, name, schedule, Breach(signal, features, status))

    def _execute(self, run: Run) -> None:
        report = _Report()
        try:
            self._runs.change(run, status="Running")
            job = self._documents.get("jobs", run.key) or {}
            definition: Json = job["submitted"]["monitor"]
            breach = Breach(**asked) if (asked := job["submitted"]["breach"]) else None
            self._evaluate(self._context.scopes[run.scope], definition, breach, report)
            log_metrics(self._documents, run, report.metrics)
            self._keep_log(run, report)
            tags = {BREACHED: "\n".join(report.breaches)} if report.breaches else {}
            run = self._runs.change(run, tags={**run.tags, **tags})
            self._runs.change(run, status=breach.status if breach else "Completed")
        except Exception as error:  # noqa: BLE001 - a defect here must end one run, not the thread
            _log.exception("The monitor run %s failed inside the emulator", run.key)
            self._runs.change(run, status="Failed", error=f"localazure failed while running this: {error!r}")

    def _evaluate(self, scope: Scope, definition: Json, breach: Breach | None, report: _Report) -> None:
        for name, signal in definition["signals"].items():
            if breach and breach.signal == name:
                report.say(f"{name}: breaches on command")
                report.breaches.append(_message(name, [Measured(f, "", None, None) for f in breach.features]))
                continue
            try:
                measured = evaluate(self._context, scope, signal)
            except NotComputed as reason:
                report.say(f"{name}: no metrics: {reason}")
                continue
            _describe(name, measured, report)
        report.say(
            f"Recipients of notifications (no mail is sent here): {', '.join(_recipients(definition)) or 'none'}"
        )

    def _keep_log(self, run: Run, report: _Report) -> None:
        path: Path = TaskRun.folder(self._context, run) / LOG
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(report.lines) + "\n")
        container = self._context.scopes[run.scope].container
        self._context.storage.upload(path, Location(container, f"ExperimentRun/dcid.{run.name}/{LOG}"))


def _describe(signal: str, measured: Sequence[Measured], report: _Report) -> None:
    """All rows are compared: the windows of a monitor's data are not applied here."""
    report.say(f"{signal}: metrics over all rows of both data sets: {len(measured)}")
    for one in measured:
        if one.value is None:
            report.say(f"{signal}: {one.feature}: {one.metric} is not computed here")
            continue
        report.metrics[f"{signal}/{one.feature}/{one.metric}"] = one.value
        report.say(f"{signal}: {one.feature}: {one.metric} = {one.value:.6g} (threshold {one.threshold})")
    if violations := [one for one in measured if one.is_violation]:
        report.breaches.append(_message(signal, violations))


def _message(signal: str, violations: Sequence[Measured]) -> str:
    """The tag's text, which event filters look for."""
    rows = [
        json.dumps(
            {
                "group": one.feature,
                "metric_value": one.value,
                "metric_name": one.metric,
                "threshold_value": one.threshold,
            }
        )
        for one in violations
    ]
    return (
        f"The signal '{signal}' has failed due to one or more features violating metric thresholds.\n"
        f"The features and their metric values are\n{rows}\n"
    )


def _job(scope: Scope, run: Run, submitted: Json) -> Json:
    return {
        "id": f"{scope.arm_id}/jobs/{run.name}",
        "name": run.name,
        "type": "Microsoft.MachineLearningServices/workspaces/jobs",
        "systemData": system_data(),
        "submitted": submitted,
        "properties": {
            "jobType": "Pipeline",
            "displayName": run.name,
            "experimentName": run.experiment,
            "isArchived": False,
            "tags": run.tags,
            "properties": run.properties,
            "inputs": {},
            "outputs": {},
            "jobs": {},
            "settings": {},
            "services": {},
        },
    }


def _recipients(definition: Json) -> list[str]:
    settings: Json = definition.get("alertNotificationSetting") or {}
    return list(_texts((settings.get("emailNotificationSetting") or {}).get("emails")))


def _texts(values: Sequence[object] | None) -> Iterator[str]:
    return (str(value) for value in values or ())


def _invalid(message: str) -> Exception:
    return azure_error(400, "UserError", message)
