"""Release sets for tests: plain ones, and wild ones for hypothesis."""

from hypothesis import strategies as st

from busbar.domain.circuits import CircuitKey
from busbar.domain.gates import Metrics
from busbar.domain.policies import Thresholds
from busbar.domain.release import Pin, ReleaseSet

COMMIT = "c" * 40


def pin(circuit: str = "CIRC1", version: str = "3", *, plant: str = "PLANT1", mae: float = 1.0) -> Pin:
    name = f"{plant}_{circuit}_model"
    return Pin(
        key=CircuitKey(plant, circuit),
        model_name=name,
        model_version=version,
        training_hash=f"{int(version):012x}",
        cutoff_date=f"2025-12-{int(version):02d}",
        data_asset_version=f"2025-12-{int(version):02d}",
        environment="sensor-forecasting-env:1.0.0",
        component_version="1.0.0",
        scoring_version="1.0.0",
        job=f"train-{plant}-{circuit}-{int(version):012x}-a1",
        circuit_config=f"circuit_configs/{plant}_{circuit}/{int(version):012x}.yaml",
        metrics=Metrics(mae=mae, rmse=2.0, accuracy=0.9, skill_seasonal_naive=0.3),
    )


def release(*pins: Pin, run: str = "train-c0ffee", requester: str = "data-scientist") -> ReleaseSet:
    return ReleaseSet(run, COMMIT, requester, pins, "sensor-forecasting-env")


_NUMBERS = st.floats(0, 1e6) | st.just(float("nan"))
_METRICS = st.builds(
    Metrics,
    mae=_NUMBERS,
    rmse=_NUMBERS,
    accuracy=_NUMBERS,
    r2=st.none() | _NUMBERS,
    champion_mse=st.none() | _NUMBERS,
)


@st.composite
def pins(draw: st.DrawFn, circuit: str) -> Pin:
    """A pin of one circuit: few values each, so that two of them often agree in some."""
    few = st.sampled_from
    return Pin(
        CircuitKey("PLANT1", circuit),
        f"PLANT1_{circuit}_model",
        draw(few("123")),
        draw(few(["aaaa", "bbbb"])),
        draw(few(["2025-12-01", "2025-12-09"])),
        draw(few(["2025-12-01", "2025-12-09.2"])),
        draw(few(["env:1.0.0", "env:1.1.0", "env:2.0.0"])),
        draw(few(["1.0.0", "1.1.0"])),
        "1.0.0",
        f"job-{circuit}",
        "circuit.yaml",
        draw(_METRICS),
        draw(st.builds(Thresholds, max_mae=st.none() | st.floats(0, 9))),
    )


@st.composite
def releases(draw: st.DrawFn) -> ReleaseSet:
    """Up to six circuits, each once, in any order."""
    circuits = draw(st.lists(st.sampled_from([f"CIRC{number}" for number in range(1, 7)]), unique=True))
    return release(*[draw(pins(circuit)) for circuit in circuits], run=draw(st.sampled_from("abc")))
