"""Explicit MLflow logging into the job's own run; without a run there is nothing to log to."""

import os
from collections.abc import Mapping
from pathlib import Path

from shared.errors import LOG


def log_run(
    params: Mapping[str, object], metrics: Mapping[str, float | None], artifacts: Path | None = None
) -> None:
    """Log to the run MLFLOW_RUN_ID at MLFLOW_TRACKING_URI.

    A tracking server that fails costs the log, not the job: the outputs carry the same figures.
    """
    run = os.environ.get("MLFLOW_RUN_ID")
    if not run or not os.environ.get("MLFLOW_TRACKING_URI"):
        return
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
    from mlflow.entities import Metric, Param
    from mlflow.exceptions import MlflowException
    from mlflow.tracking import MlflowClient
    from mlflow.utils.time import get_current_time_millis

    now = get_current_time_millis()
    try:
        client = MlflowClient()
        client.log_batch(
            run,
            metrics=[Metric(key, value, now, 0) for key, value in metrics.items() if value is not None],
            params=[Param(key, str(value)) for key, value in params.items()],
        )
        if artifacts:
            client.log_artifacts(run, str(artifacts))
    except MlflowException as error:
        LOG.warning("MLflow run %s could not be written: %s", run, error)
