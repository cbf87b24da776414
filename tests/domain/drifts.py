"""Drift reports as monitor_circuits writes them, with what a test needs in them."""

from typing import Any

SOUND = {"valid": True, "sentence": "PLANT1/CIRC1: forecasts are sound"}


def finding(
    kind: str,
    sensor: str | None = "flow",
    severity: str = "drift",
    measured: float | None = 0.3,
    limit: float | None = 0.1,
    sentence: str = "flow has moved",
) -> dict[str, Any]:
    return {
        "kind": kind, "severity": severity, "days": 3, "name": "distribution", "sensor": sensor,
        "sentence": sentence, "measured": measured, "limit": limit,
    }  # fmt: skip


def report(*findings: dict[str, Any], distance: float = 0.31, ratio: float | None = 1.04) -> dict[str, Any]:
    """A circuit's reports; `distance` is the KS distance of every sensor's readings and residuals."""
    figures = {"statistic": distance}
    sensors = {one["sensor"] for one in findings if one["sensor"]}
    return {
        "plant_id": "PLANT1",
        "circuit_id": "CIRC1",
        "validation": SOUND,
        "errors": {"models": []},
        "drift": {
            "severity": "none",
            "findings": list(findings),
            "not_judged": [],
            "sensors": {
                sensor: {"data": figures, "residual": figures, "prediction": None} for sensor in sensors
            },
            "model_ratio": ratio,
        },
    }
