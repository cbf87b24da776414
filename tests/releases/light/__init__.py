"""A fleet of any size whose components do next to nothing: what is proved on it is the control plane.

The components' interfaces are the real ones, read from `ml_components`; only their scripts and their environment are
replaced by those in `src`, which need nothing but Python.
"""

import re
from collections.abc import Collection, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from busbar.domain.circuits import CircuitKey
from demo.fleet import Files, fleet_files

PER_PLANT = 10
CUTOFF_DATE = "2025-12-09"
BEHAVES = 7  # the seed of a circuit whose models do
FAILS_LATE = 25  # its models fail on the windows of a ramp's second bake: prod has one, test has not

_SRC = Path(__file__).parent / "src"
_SCRIPTS = {
    "training/train_lstm": ("train.py", "train.py"),
    "training/evaluate_model": ("evaluate.py", "evaluate.py"),
    "scoring/batch_score": ("score.py", "score.py"),
    "scoring/online_score": ("score.py", "online.py"),
    "scoring/score_circuits": ("score_circuits.py", "score_circuits.py"),
    "scoring/compare_environments": ("compare.py", "compare.py"),
    "evidence/evidence_notebook": ("build.py", "build.py"),
    "monitoring/monitor_circuits": ("monitor_circuits.py", "monitor_circuits.py"),
    "data/etl_merge": ("etl_merge.py", "etl_merge.py"),
}
"""By component: what its script is called, and what stands in for it."""

_ENVIRONMENT = "ml_components/environments/sensor-forecasting-env.yaml"
_VERSION = re.compile(rb'^version: ".*"', re.MULTILINE)
_INCLUDES = re.compile(rb"additional_includes: .*\n")
_CONDA = b"name: light\ndependencies: [python=3.13]\n"


def keys(circuits: int) -> tuple[CircuitKey, ...]:
    """PLANT1/CIRC1 and so on, ten circuits to a plant."""
    return tuple(
        CircuitKey(f"PLANT{index // PER_PLANT + 1}", f"CIRC{index % PER_PLANT + 1}")
        for index in range(circuits)
    )


def light_files(
    circuits: int,
    *,
    seeds: Mapping[CircuitKey, int] | None = None,
    policies: Mapping[str, Mapping[str, Any]] | None = None,
    cutoff_date: str = CUTOFF_DATE,
    online: Collection[CircuitKey] = (),
    environment: str | None = None,
) -> Files:
    """The whole repository. `seeds` choose how models behave, `policies` (by file of config/) replace keys, circuits in
    `online` are served by endpoints of their own, `environment` is the environment's version if not `ml_components`'s.
    """
    files = fleet_files([])
    items = [
        _circuit(key, (seeds or {}).get(key, BEHAVES), cutoff_date)
        | ({"serving": "online"} if key in online else {})
        for key in keys(circuits)
    ]
    files["config/circuits.yaml"] = _yaml({"defaults": {"owner": "data-scientist"}, "circuits": items})
    for name, changes in (policies or {}).items():
        path = f"config/{name}.yaml"
        files[path] = _yaml(YAML(typ="safe").load(files[path]) | dict(changes))
    if environment:
        files[_ENVIRONMENT] = _VERSION.sub(f'version: "{environment}"'.encode(), files[_ENVIRONMENT])
    return _lightened(files)


def _circuit(key: CircuitKey, seed: int, cutoff_date: str) -> dict[str, Any]:
    return {
        "plant_id": key.plant_id,
        "circuit_id": key.circuit_id,
        "sensors": ["temperature", "flow"],
        "cutoff_date": cutoff_date,
        "training_days": 90,
        "frequency_minutes": 60,
        "delta_version": 0,
        "hyperparameters": {"seed": seed},
    }


def _lightened(files: Files) -> Files:
    """The same files, with the scripts of `src` and an environment of Python alone."""
    kept = {
        path: content
        for path, content in files.items()
        if not any(path.startswith(f"ml_components/{folder}/src/") for folder in _SCRIPTS)
    }
    for folder, (script, stand_in) in _SCRIPTS.items():
        component = f"ml_components/{folder}/component.yaml"
        kept[component] = _INCLUDES.sub(b"", files[component])
        kept[f"ml_components/{folder}/src/{script}"] = (_SRC / stand_in).read_bytes()
    conda = next(path for path in kept if path.endswith("-conda.yaml"))
    return kept | {conda: _CONDA}


def _yaml(document: Mapping[str, Any]) -> bytes:
    stream = BytesIO()
    YAML(typ="safe", pure=True).dump(dict(document), stream)
    return stream.getvalue()
