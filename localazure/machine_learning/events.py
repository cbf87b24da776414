"""Azure ML's events in the Event Grid schema."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from localazure.machine_learning.routing import Scope
from localazure.service import EventSink

_PREFIX = "Microsoft.MachineLearningServices."


@dataclass(frozen=True)
class Events:
    """Emits what happened in a workspace; each method is one event type."""

    emit: EventSink

    def run_status_changed(self, scope: Scope, run: Mapping[str, Any], status: str) -> None:
        self._emit(scope, "RunStatusChanged", _run_subject(run), {**_run_data(run), "runStatus": status})

    def run_completed(self, scope: Scope, run: Mapping[str, Any]) -> None:
        self._emit(scope, "RunCompleted", _run_subject(run), _run_data(run))

    def model_registered(self, scope: Scope, name: str, version: str, properties: Mapping[str, Any]) -> None:
        data = {
            "ModelName": name,
            "ModelVersion": int(version) if version.isdigit() else version,
            "ModelTags": properties.get("tags") or {},
            "ModelProperties": properties.get("properties") or {},
        }
        self._emit(scope, "ModelRegistered", f"models/{name}:{version}", data)

    def model_deployed(
        self,
        scope: Scope,
        endpoint: str,
        deployment: str,
        resource: Mapping[str, Any],
        compute_type: str = "BATCH",
    ) -> None:
        data = {
            "ServiceName": endpoint,
            "ServiceComputeType": compute_type,
            "ModelIds": _model_ids(resource["properties"]),
            "ServiceTags": resource.get("tags") or {},
            "ServiceProperties": {
                "deployment": deployment,
                **(resource["properties"].get("properties") or {}),
            },
        }
        self._emit(scope, "ModelDeployed", f"endpoints/{endpoint}", data)

    def _emit(self, scope: Scope, kind: str, subject: str, data: Mapping[str, Any]) -> None:
        event = {
            "topic": scope.arm_id,
            "subject": subject,
            "eventType": f"{_PREFIX}{kind}",
            "eventTime": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
            "id": str(uuid.uuid4()),
            "data": data,
            "dataVersion": "",
            "metadataVersion": "1",
        }
        self.emit(scope.name, event)


def _run_subject(run: Mapping[str, Any]) -> str:
    return f"experiments/{experiment_id(run)}/runs/{run['name']}"


def _run_data(run: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "experimentId": experiment_id(run),
        "experimentName": run["experiment"],
        "runId": run["name"],
        "runType": run["type"],
        "runTags": run["tags"],
        "runProperties": run["properties"],
    }


def experiment_id(run: Mapping[str, Any]) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{run['scope']}/{run['experiment']}"))


def _model_ids(properties: Mapping[str, Any]) -> str:
    model = properties.get("model") or {}
    asset = model if isinstance(model, str) else model.get("assetId", "")
    return ":".join(asset.split("/")[-3::2]) if asset else ""
