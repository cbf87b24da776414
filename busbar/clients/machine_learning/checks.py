"""Jobs that look at models: a release's evidence notebook, a day of a stage, two environments compared."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from busbar.clients.machine_learning.jobs import Jobs, job_output
from busbar.clients.machine_learning.workspaces import datastore_uri, split_version
from busbar.domain.policies import Stage

if TYPE_CHECKING:
    from azure.ai.ml.entities import Job


class Checks(Jobs):
    def submit_evidence(
        self, name: str, *, component: str, release: str, compute: str, tags: Mapping[str, str]
    ) -> None:
        """Start the making of an evidence notebook in dev, unless a job of that name is there.

        `component` is `name:version`, `release` a path in the datastore. Outputs land in `jobs/<name>/`:
        `evidence.ipynb`, `evidence.html`.
        """
        from azure.ai.ml import Input, Output
        from azure.ai.ml.dsl import pipeline

        def build() -> "Job":
            notebook: Any = self._client(Stage.DEV).components.get(*split_version(component))

            def gathering() -> dict[str, Any]:  # the SDK cannot submit a registered command by itself
                release_set = Input(type="uri_file", path=datastore_uri(release))
                step = notebook(release=release_set, workspace_data=self.data_uri(Stage.DEV))
                return {"notebook": step.outputs.notebook, "page": step.outputs.page}

            job: Any = pipeline(gathering)()
            job.name, job.display_name, job.experiment_name = name, name, "evidence"
            job.settings.default_compute, job.tags = compute, dict(tags)
            for output, file in (("notebook", "evidence.ipynb"), ("page", "evidence.html")):
                place = datastore_uri(job_output(name, file))
                setattr(job.outputs, output, Output(type="uri_file", path=place))
            return job

        self._submit(name, tags, build)

    def submit_prediction_purge(
        self,
        name: str,
        *,
        component: str,
        forecasts: str,
        before: str,
        compute: str,
        tags: Mapping[str, str],
    ) -> None:
        """Start the deletion of old forecasts in dev, unless a job of that name is there.

        `component` is `name:version`, `forecasts` an `abfss://` address, `before` a day (YYYY-MM-DD). The output lands
        in `jobs/<name>/report.json`.
        """
        from azure.ai.ml import Output
        from azure.ai.ml.dsl import pipeline

        def build() -> "Job":
            purge: Any = self._client(Stage.DEV).components.get(*split_version(component))

            def purging() -> dict[str, Any]:  # the SDK cannot submit a registered command by itself
                return {"report": purge(forecasts=forecasts, before=before).outputs.report}

            job: Any = pipeline(purging)()
            job.name, job.display_name, job.experiment_name = name, name, "retention"
            job.settings.default_compute, job.tags = compute, dict(tags)
            job.outputs.report = Output(type="uri_file", path=datastore_uri(job_output(name, "report.json")))
            return job

        self._submit(name, tags, build)

    def submit_monitoring(
        self,
        name: str,
        *,
        component: str,
        circuits: str,
        literals: Mapping[str, str | float],
        compute: str,
        tags: Mapping[str, str],
    ) -> None:
        """Start a look at many circuits in dev, unless a job of that name is there.

        `component` is `name:version`, `circuits` a path in the datastore, `literals` further inputs. Outputs land in
        `jobs/<name>/`: `reports.json`, `plots/`.
        """
        from azure.ai.ml import Input, Output
        from azure.ai.ml.dsl import pipeline

        def build() -> "Job":
            monitor: Any = self._client(Stage.DEV).components.get(*split_version(component))

            def looking() -> dict[str, Any]:  # the SDK cannot submit a registered command by itself
                step = monitor(circuits=Input(type="uri_file", path=datastore_uri(circuits)), **literals)
                return {"reports": step.outputs.reports, "plots": step.outputs.plots}

            job: Any = pipeline(looking)()
            job.name, job.display_name, job.experiment_name = name, name, "monitoring"
            job.settings.default_compute, job.tags = compute, dict(tags)
            job.outputs.reports = Output(
                type="uri_file", path=datastore_uri(job_output(name, "reports.json"))
            )
            job.outputs.plots = Output(type="uri_folder", path=datastore_uri(job_output(name, "plots")))
            return job

        self._submit(name, tags, build)

    def submit_comparison(
        self,
        name: str,
        *,
        before: str,
        after: str,
        models: str,
        sensor_data: str,
        compute: str,
        tags: Mapping[str, str],
    ) -> None:
        """Start the scoring of models in two environments in dev, unless a job of that name is there.

        `before` and `after` are the component's builds (`name:version`), `models` is a path in the datastore,
        `sensor_data` an `abfss://` address. Outputs land in `jobs/<name>/`: `before.json`, `after.json`.
        """
        from azure.ai.ml import Input, Output
        from azure.ai.ml.dsl import pipeline

        def build() -> "Job":
            components = self._client(Stage.DEV).components
            first, second = (components.get(*split_version(one)) for one in (before, after))
            given: dict[str, Any] = {
                "models": Input(type="uri_file", path=datastore_uri(models)),
                "workspace_data": self.data_uri(Stage.DEV),
                "sensor_data": sensor_data,
            }

            def comparing() -> dict[str, Any]:
                old: Any = first(**given)
                new: Any = second(**given, reference=old.outputs.forecasts)
                return {"before": old.outputs.report, "after": new.outputs.report}

            job: Any = pipeline(comparing)()
            job.name, job.display_name, job.experiment_name = name, name, "environments"
            job.settings.default_compute, job.tags = compute, dict(tags)
            for output in ("before", "after"):
                place = datastore_uri(job_output(name, f"{output}.json"))
                setattr(job.outputs, output, Output(type="uri_file", path=place))
            return job

        self._submit(name, tags, build)
