"""Scoring with a deployed model: through its batch deployment, or in a job that asks its online endpoint."""

from collections.abc import Mapping
from itertools import count

from activities import registered
from busbar.clients.machine_learning import MachineLearning
from busbar.domain import names
from busbar.domain.events import JobStatus
from busbar.domain.policies import Stage
from busbar.domain.records import Served
from busbar.settings import Settings

type Literals = Mapping[str, str | int | float]


def invoke(
    stage: Stage,
    endpoint: str,
    through: str,
    served: Served,
    job: str,
    literals: Literals,
    *,
    ml: MachineLearning,
    settings: Settings,
) -> None:
    """Score with a model through a batch deployment, under a job name of our own that is free."""
    ml.invoke(
        stage,
        endpoint,
        through,
        job,
        model=registered.model(served, stage, settings),
        circuit_config=served.circuit_config,
        literals=_common(served, settings) | dict(literals),
    )


def uncancelled(stage: Stage, job: str, ml: MachineLearning) -> tuple[str, bool]:
    """The first of a job's names that nobody cancelled, and whether the job is there.

    Azure ML never reuses a name, and a retried run wants the job done.
    """
    for attempt in count(1):
        name = names.job_again(job, attempt)
        known = ml.job(stage, name)
        if known is None or known.status is not JobStatus.CANCELED:
            return name, known is not None
    raise AssertionError("count() does not end")


def run(
    stage: Stage,
    through: Served,
    served: Served,
    job: str,
    literals: Literals,
    *,
    ml: MachineLearning,
    settings: Settings,
) -> None:
    """Score with a model in a job by the scoring component and on the compute of `through`, unless that job is there.

    With the literals of `asking` the job asks an online endpoint, else the model itself.
    """
    ml.submit_scoring(
        stage,
        job,
        component=registered.component(names.SCORING_COMPONENT, through.scoring_version, stage, settings),
        compute=through.compute,
        model=registered.model(served, stage, settings),
        circuit_config=served.circuit_config,
        literals=_common(served, settings) | dict(literals),
        tags={"model_name": served.model_name, "deployment": served.deployment},
    )


def asking(stage: Stage, endpoint: str, deployment: str, ml: MachineLearning) -> dict[str, str]:
    """The literals of a job that asks an online endpoint: its deployment, or "" for whichever has the traffic."""
    named = {"asked_deployment": deployment} if deployment else {}
    return {"scoring_uri": ml.scoring_uri(stage, endpoint)} | named


def summary_path(job: str) -> str:
    """Where an invoked job leaves its summary in the workspace's datastore."""
    return f"jobs/{job}/summary.json"


def _common(served: Served, settings: Settings) -> dict[str, str | int | float]:
    return {
        "sensor_data": settings.sensor_table,
        "forecasts": settings.forecast_table,
        "model_version": served.model_version,
        "deployment": served.deployment,
    }
