"""Forecasts that an online endpoint answers: one request a window, timed as those who ask it feel it."""

import json
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from shared.errors import InputError
from shared.forecaster import Forecaster

from forecasting.forecast import OUTPUTS, Forecasts, blank

SCOPE = "https://ml.azure.com/.default"
DEPLOYMENT = "azureml-model-deployment"
TIMEOUT_SECONDS = 60.0
_NOT_ALLOWED = (401, 403)


@dataclass(frozen=True)
class Endpoint:
    """Where an online endpoint takes requests. Without a `deployment` they fall to whichever has the traffic."""

    uri: str
    deployment: str | None = None


@dataclass(frozen=True)
class Asked:
    """What was answered, and of each request that was not: why."""

    found: Forecasts
    problems: tuple[str, ...] = ()

    @property
    def summary(self) -> dict[str, Any]:
        """For summary.json."""
        sent, failed = len(self.found.milliseconds), len(self.problems)
        return {"sent": sent, "failed": failed, "problems": sorted(set(self.problems))[:5]}


class _NoForecast(Exception):
    """A request was not answered with a forecast; the text says with what."""


def ask(endpoint: Endpoint, model: Forecaster, inputs: np.ndarray) -> Asked:
    """Have look-backs [windows, look_back, sensors] forecast by the endpoint, one after the other.

    `model` says what the forecasts look like. A request that fails leaves its window without forecasts. Raises
    `InputError` where nobody lets us ask.
    """
    import requests

    found, problems = blank(model, inputs), list[str]()
    with requests.Session() as session:
        for look_back in inputs[:1]:  # opens the connection and wakes the model: no window's latency
            with suppress(_NoForecast):
                _post(session, endpoint, _request(model, look_back))
        for index, look_back in enumerate(inputs):
            began = time.perf_counter()
            try:
                _fill(model, found, index, _post(session, endpoint, _request(model, look_back)))
            except _NoForecast as problem:
                problems.append(str(problem))
            found.milliseconds[index] = (time.perf_counter() - began) * 1000.0
    return Asked(found, tuple(problems))


def _request(model: Forecaster, look_back: np.ndarray) -> bytes:
    cells = np.where(np.isfinite(look_back), look_back, None)
    readings = {sensor: cells[:, column].tolist() for column, sensor in enumerate(model.sensors)}
    return json.dumps({"readings": readings}).encode()


def _post(session: Any, endpoint: Endpoint, body: bytes) -> Any:
    import requests

    named = {DEPLOYMENT: endpoint.deployment} if endpoint.deployment else {}
    headers = {
        "Authorization": f"Bearer {_credential().get_token(SCOPE).token}",
        "Content-Type": "application/json",
    }
    try:
        answer = session.post(endpoint.uri, data=body, headers=headers | named, timeout=TIMEOUT_SECONDS)
        if answer.status_code in _NOT_ALLOWED:
            raise InputError(
                f"{endpoint.uri} answers {answer.status_code}: the identity of the compute this runs on needs a role "
                "that may score on it (AzureML Data Scientist)"
            )
        if answer.status_code != requests.codes.ok:
            raise _NoForecast(f"status {answer.status_code}")
        return answer.json()
    except requests.JSONDecodeError as problem:
        raise _NoForecast("an answer that is no JSON") from problem
    except requests.RequestException as problem:
        raise _NoForecast(type(problem).__name__) from problem


def _fill(model: Forecaster, found: Forecasts, index: int, answer: Any) -> None:
    """Put one window's answer where a model's own forecasts would be."""
    try:
        for sensor, forecasts in answer["sensors"].items():
            column = model.sensors.index(sensor)
            for name in OUTPUTS:
                found.outputs[name][index, :, column] = forecasts[name]
    except (AttributeError, KeyError, TypeError, ValueError) as problem:
        for name in OUTPUTS:
            found.outputs[name][index] = np.nan
        raise _NoForecast(f"an answer that is no forecast: {problem}") from problem


@cache
def _credential() -> Any:
    """One for the process: it keeps a token until shortly before it expires."""
    from azure.identity import DefaultAzureCredential

    return DefaultAzureCredential()
