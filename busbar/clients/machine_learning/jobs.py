"""Jobs: submitted under a name of our own, looked at, cancelled."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from busbar.clients.machine_learning.workspaces import (
    Workspaces,
    datastore_uri,
    found,
    require_same,
    split_version,
)
from busbar.clients.session import translated
from busbar.domain.errors import Conflict, NotFound
from busbar.domain.events import JobStatus, job_status
from busbar.domain.policies import Stage
from busbar.domain.steps import JobState

if TYPE_CHECKING:
    from azure.ai.ml.entities import Job


def job_output(job: str, file: str) -> str:
    """Where a job's output lies in the datastore: `jobs/<job>/<file>`."""
    return f"jobs/{job}/{file}"


class Jobs(Workspaces):
    def submit_training(
        self,
        name: str,
        *,
        component: str,
        circuit_config: str,
        training_data: str,
        champion: str | None,
        compute: str,
        tags: Mapping[str, str],
        display_name: str,
    ) -> None:
        """Start the training pipeline in dev, unless a job of that name is there.

        `component`, `training_data` and `champion` (a model) are `name:version`, `circuit_config` is a path in the
        datastore. Outputs land in `jobs/<name>/`: `trained_model/`, `metrics.json`, `artifacts/`.
        """
        from azure.ai.ml import Input, Output
        from azure.ai.ml.entities import PipelineJob, PipelineJobSettings

        def build() -> "Job":
            inputs: dict[str, Any] = {
                "circuit_config": Input(type="uri_file", path=datastore_uri(circuit_config)),
                "training_data": Input(type="mltable", path=f"azureml:{training_data}"),
            }
            if champion:
                inputs["champion_model"] = Input(type="mlflow_model", path=f"azureml:{champion}")
            return PipelineJob(
                component=self._client(Stage.DEV).components.get(*split_version(component)),
                name=name,
                display_name=display_name,
                experiment_name="training",
                tags=dict(tags),
                settings=PipelineJobSettings(default_compute=compute),
                inputs=inputs,
                outputs={
                    "trained_model": Output(type="mlflow_model", path=_output_uri(name, "trained_model")),
                    "metrics": Output(type="uri_file", path=_output_uri(name, "metrics.json")),
                    "artifacts": Output(type="uri_folder", path=_output_uri(name, "artifacts")),
                },
            )

        self._submit(name, tags, build)

    def submit_merge(
        self,
        name: str,
        *,
        component: str,
        mapping: str,
        raw: str,
        readings: str,
        literals: Mapping[str, str | int],
        compute: str,
        tags: Mapping[str, str],
    ) -> None:
        """Start the merge of raw files in dev, unless a job of that name is there.

        `mapping` is a path in the datastore, `raw` and `readings` are `abfss://` addresses, `literals` further
        inputs. The output lands in `jobs/<name>/report.json`.
        """
        from azure.ai.ml import Input

        def merging() -> dict[str, Any]:
            file = Input(type="uri_file", path=datastore_uri(mapping))
            step = self._command(component)(mapping=file, raw=raw, readings=readings, **literals)
            return {"report": step.outputs.report}

        self._submit_commands(name, merging, {"report": "report.json"}, "merge", compute, tags)

    def submit_catch_up(
        self,
        name: str,
        *,
        component: str,
        circuits: str,
        sensor_data: str,
        forecasts: str,
        compute: str,
        tags: Mapping[str, str],
    ) -> None:
        """Start the scoring of many circuits in dev, unless a job of that name is there.

        `component` is `name:version`, `circuits` a path in the datastore, the tables are `abfss://` addresses. The
        output lands in `jobs/<name>/summaries.json`.
        """
        from azure.ai.ml import Input

        def scoring() -> dict[str, Any]:
            wanted: Any = Input(type="uri_file", path=datastore_uri(circuits))
            data = self.data_uri(Stage.DEV)
            tables = {"sensor_data": sensor_data, "forecasts": forecasts}
            step = self._command(component)(circuits=wanted, workspace_data=data, **tables)
            return {"summaries": step.outputs.summaries}

        self._submit_commands(name, scoring, {"summaries": "summaries.json"}, "scoring", compute, tags)

    def job(self, place: str, name: str) -> JobState | None:
        """Where a job stands, `None` if there is none of that name."""
        job: Any = found(f"read job {name} in {place}", lambda: self._client(place).jobs.get(name))
        if job is None:
            return None
        status = job_status(job.status or "")
        properties = job.properties or {}
        return JobState(
            name=name,
            status=status,
            error=_error(job, properties) if status is JobStatus.FAILED else "",
            started_at=_utc(properties.get("StartTimeUtc")),
            tags=dict(job.tags or {}),
        )

    def cancel(self, place: str, name: str) -> None:
        """Ask Azure ML to cancel a job, without waiting; one that has ended or is unknown stays as it is."""
        state = self.job(place, name)
        if state is None or state.status.finished:
            return
        try:
            with translated(f"cancel job {name} in {place}"):
                self._client(place).jobs.begin_cancel(name)
        except NotFound:
            return

    def _command(self, component: str) -> Any:
        """A command registered in dev, `name:version`, to be called with its inputs within a pipeline."""
        return self._client(Stage.DEV).components.get(*split_version(component))

    def _submit_commands(
        self,
        name: str,
        steps: Callable[[], dict[str, Any]],
        outputs: Mapping[str, str],
        experiment: str,
        compute: str,
        tags: Mapping[str, str],
    ) -> None:
        """Start a pipeline of registered commands in dev: the SDK cannot submit one by itself.

        `steps` calls them and gives their outputs; `outputs` says by the same names which file of `jobs/<name>/` each
        lands in, or folder, with a slash at its end.
        """
        from azure.ai.ml import Output
        from azure.ai.ml.dsl import pipeline

        def build() -> "Job":
            job: Any = pipeline(steps)()
            job.name, job.display_name, job.experiment_name = name, name, experiment
            job.settings.default_compute, job.tags = compute, dict(tags)
            for output, file in outputs.items():
                kind = "uri_folder" if file.endswith("/") else "uri_file"
                setattr(job.outputs, output, Output(type=kind, path=_output_uri(name, file.rstrip("/"))))
            return job

        self._submit(name, tags, build)

    def _submit(
        self, name: str, tags: Mapping[str, str], build: "Callable[[], Job]", stage: Stage = Stage.DEV
    ) -> None:
        known = self.job(stage, name)
        if known is None:
            try:
                with translated(f"submit job {name}"):
                    self._client(stage).jobs.create_or_update(build())
                return
            except Conflict:
                known = self.job(stage, name)  # somebody else submitted it meanwhile
        require_same(f"job {name}", known.tags if known else None, tags)


def _output_uri(job: str, file: str) -> str:
    return datastore_uri(job_output(job, file))


def _error(job: Any, properties: Mapping[str, str]) -> str:
    """Azure ML's own sentence, else where its log is."""
    studio = (job.services or {}).get("Studio")
    return (
        properties.get("error")
        or f"job {job.name} failed; its log: {getattr(studio, 'endpoint', 'Azure ML studio')}"
    )


def _utc(text: str | None) -> str | None:
    """ISO 8601 with an offset; Azure ML writes UTC without one."""
    if not text:
        return None
    time = datetime.fromisoformat(text)
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).isoformat()
