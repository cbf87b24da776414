"""The shipped components' versions, which tests must not repeat: they rise with every change."""

import re
from pathlib import Path

ML_COMPONENTS = Path(__file__).parents[1] / "ml_components"


def shipped_version(component: str) -> str:
    """The version that a shipped component ("training/train_lstm") says it has."""
    document = (ML_COMPONENTS / component / "component.yaml").read_text()
    found = re.search(r'^version: "(.+)"$', document, re.MULTILINE)
    assert found, f"{component} says no version"
    return found[1]


def shipped_build(component: str) -> str:
    """The version that a shipped component is registered under: its build for the shipped environment."""
    environment = (ML_COMPONENTS / "environments" / "sensor-forecasting-env.yaml").read_text()
    found = re.search(r'^version: "(.+)"$', environment, re.MULTILINE)
    assert found, "the environment says no version"
    return f"{shipped_version(component)}-env{found[1]}"
