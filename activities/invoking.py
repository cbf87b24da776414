"""Invoking a batch deployment with all that it has to be told."""

from collections.abc import Mapping

from busbar.clients.machine_learning import MachineLearning
from busbar.domain.policies import Stage
from busbar.domain.records import Served
from busbar.settings import Settings


def invoke(
    stage: Stage,
    endpoint: str,
    through: str,
    served: Served,
    job: str,
    literals: Mapping[str, str | int | float],
    *,
    ml: MachineLearning,
    settings: Settings,
) -> None:
    """Score with a model through a deployment, under a job name of our own, unless that job is there."""
    common = {
        "sensor_data": settings.sensor_table,
        "forecasts": settings.forecast_table,
        "model_version": served.model_version,
        "deployment": served.deployment,
    }
    ml.invoke(
        stage,
        endpoint,
        through,
        job,
        model=_model(stage, served, settings),
        circuit_config=served.circuit_config,
        literals=common | dict(literals),
    )


def summary_path(job: str) -> str:
    """Where an invoked job leaves its summary in the workspace's datastore."""
    return f"jobs/{job}/summary.json"


def _model(stage: Stage, served: Served, settings: Settings) -> str:
    if stage is Stage.DEV:
        return f"azureml:{served.model_name}:{served.model_version}"
    place = f"azureml://registries/{settings.registry}/models"
    return f"{place}/{served.model_name}/versions/{served.model_version}"
