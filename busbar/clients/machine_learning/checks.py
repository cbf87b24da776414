"""Jobs that look at models: a release's evidence notebook, a day of a stage, two environments compared."""

from collections.abc import Mapping
from typing import Any

from busbar.clients.machine_learning.jobs import Jobs
from busbar.clients.machine_learning.workspaces import datastore_uri
from busbar.domain.policies import Stage


class Checks(Jobs):
    def submit_evidence(
        self, name: str, *, component: str, release: str, compute: str, tags: Mapping[str, str]
    ) -> None:
        """Start the making of an evidence notebook in dev, unless a job of that name is there.

        `component` is `name:version`, `release` a path in the datastore. Outputs land in `jobs/<name>/`:
        `evidence.ipynb`, `evidence.html`.
        """
        from azure.ai.ml import Input

        def gathering() -> dict[str, Any]:
            release_set = Input(type="uri_file", path=datastore_uri(release))
            step = self._command(component)(release=release_set, workspace_data=self.data_uri(Stage.DEV))
            return {"notebook": step.outputs.notebook, "page": step.outputs.page}

        files = {"notebook": "evidence.ipynb", "page": "evidence.html"}
        self._submit_commands(name, gathering, files, "evidence", compute, tags)

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

        def purging() -> dict[str, Any]:
            return {"report": self._command(component)(forecasts=forecasts, before=before).outputs.report}

        self._submit_commands(name, purging, {"report": "report.json"}, "retention", compute, tags)

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
        from azure.ai.ml import Input

        def looking() -> dict[str, Any]:
            watched = Input(type="uri_file", path=datastore_uri(circuits))
            step = self._command(component)(circuits=watched, **literals)
            return {"reports": step.outputs.reports, "plots": step.outputs.plots}

        files = {"reports": "reports.json", "plots": "plots/"}
        self._submit_commands(name, looking, files, "monitoring", compute, tags)

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
        from azure.ai.ml import Input

        def comparing() -> dict[str, Any]:
            given: dict[str, Any] = {
                "models": Input(type="uri_file", path=datastore_uri(models)),
                "workspace_data": self.data_uri(Stage.DEV),
                "sensor_data": sensor_data,
            }
            old: Any = self._command(before)(**given)
            new: Any = self._command(after)(**given, reference=old.outputs.forecasts)
            return {"before": old.outputs.report, "after": new.outputs.report}

        files = {"before": "before.json", "after": "after.json"}
        self._submit_commands(name, comparing, files, "environments", compute, tags)
