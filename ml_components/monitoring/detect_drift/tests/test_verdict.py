"""What lasts is drift; broken sensors are repaired, not trained on."""

import pytest
from shared.findings import Finding
from verdict import Kind, Observed, Severity, judge


def _seen(kind: Kind, sensor: str | None = "flow", measured: float = 3.0) -> Observed:
    return Observed(kind, Finding("x", sensor, f"{sensor} is off", measured, 2.0))


FLOW, MODEL = ("flow", Kind.RESIDUAL), ("", Kind.MODEL)


@pytest.mark.parametrize(
    ("observed", "earlier", "severity", "retrain"),
    [
        pytest.param([], {}, "none", False, id="nothing"),
        pytest.param([], {"1": [FLOW], "2": [FLOW]}, "none", False, id="nothing any more"),
        pytest.param([_seen(Kind.RESIDUAL)], {}, "watch", False, id="for the first time"),
        pytest.param([_seen(Kind.RESIDUAL)], {"1": [FLOW]}, "watch", False, id="twice"),
        pytest.param([_seen(Kind.RESIDUAL)], {"1": [FLOW], "2": [FLOW]}, "drift", True, id="three times"),
        pytest.param(
            [_seen(Kind.RESIDUAL)], {"1": [FLOW, FLOW, FLOW]}, "watch", False, id="thrice on one day"
        ),
        pytest.param(
            [_seen(Kind.DATA)], {"1": [FLOW], "2": [FLOW]}, "watch", False, id="another kind before"
        ),
        pytest.param(
            [_seen(Kind.RESIDUAL, "level")], {"1": [FLOW], "2": [FLOW]}, "watch", False, id="another sensor"
        ),
        pytest.param([_seen(Kind.DATA_QUALITY)], {}, "drift", False, id="broken: certain, not retrained"),
        pytest.param(
            [_seen(Kind.MODEL, None)], {"1": [MODEL], "2": [MODEL]}, "drift", True, id="the model's errors"
        ),
        pytest.param(
            [_seen(Kind.DATA_QUALITY), _seen(Kind.RESIDUAL)],
            {"1": [FLOW], "2": [FLOW]},
            "drift",
            False,
            id="the sensor that drifts is broken",
        ),
        pytest.param(
            [_seen(Kind.DATA_QUALITY, "level"), _seen(Kind.RESIDUAL)],
            {"1": [FLOW], "2": [FLOW]},
            "drift",
            True,
            id="another sensor is broken",
        ),
    ],
)
def test_severity_and_retraining(
    observed: list[Observed], earlier: dict[str, list[tuple[str, Kind]]], severity: str, retrain: bool
) -> None:
    verdict = judge(observed, earlier, needed=3)
    assert (verdict.severity, verdict.retrain) == (severity, retrain)


def test_the_strongest_comes_first_and_speaks() -> None:
    verdict = judge(
        [_seen(Kind.DATA), _seen(Kind.RESIDUAL, "level", 9.0), _seen(Kind.RESIDUAL)],
        {"1": [("level", Kind.RESIDUAL), FLOW], "2": [("level", Kind.RESIDUAL), FLOW]},
        needed=3,
    )
    assert verdict.sentence == "residual drift: level is off, and 2 more"
    assert verdict.kinds == [Kind.RESIDUAL, Kind.DATA]
    assert [one.severity for one in verdict.findings] == [Severity.DRIFT, Severity.DRIFT, Severity.WATCH]
    assert judge([], {}, 3).sentence == "no drift"
