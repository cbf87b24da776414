"""The content of the fleet's repository: configuration for the plants found, and this repository's components."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from demo.plan import Group, Plant

ROOT = Path(__file__).resolve().parent.parent
REPLACED = ("config", "ml_components")
DEFAULT_SEASON = 24
_CACHES = {"__pycache__", ".pytest_cache", ".ruff_cache", ".hypothesis"}
README = b"""# The fleet
What is forecast, on what, and who decides: `config/`. What trains and scores: `ml_components/`.
Push to `develop` and the circuits that the commit changed are trained.
"""

Files = dict[str, bytes]


def fleet_files(plants: Sequence[Plant], root: Path = ROOT) -> Files:
    """The whole repository, path → content, for `plants`; without plants a scaffold with an empty fleet."""
    sample = root / "config"
    files: Files = {"README.md": README}
    for name in ("people.yaml", "pipeline.yaml"):
        files[f"config/{name}"] = (sample / name).read_bytes()
    for path in sorted((sample / "environments").glob("*.yaml")):
        files[f"config/environments/{path.name}"] = _without_thresholds(path)
    files["config/circuits.yaml"] = circuits_yaml(plants)
    files["config/sources.yaml"] = sources_yaml(plants)
    return files | _components(root / "ml_components", root)


def circuits_yaml(plants: Sequence[Plant]) -> bytes:
    items = [_circuit(plant, group) for plant in plants for group in plant.circuits]
    return _yaml(
        "The fleet. Move a cutoff_date, push, and exactly that circuit trains again.",
        {"defaults": {"owner": "data-scientist"}, "circuits": items},
    )


def sources_yaml(plants: Sequence[Plant]) -> bytes:
    items = [
        {
            "plant_id": plant.plant_id,
            "files": f"{plant.plant_id}/*.csv",
            "time_columns": list(plant.time_columns),
            "delimiter": plant.delimiter,
        }
        for plant in plants
    ]
    return _yaml(
        "Where the raw files lie in the container `raw`, and how they write time.", {"sources": items}
    )


def one_day_earlier(plants: Sequence[Plant], plant_id: str, circuit_id: str) -> tuple[Plant, ...]:
    """The same plants, but one circuit's data ends a day earlier: that circuit alone is another training."""
    return tuple(
        replace(plant, circuits=tuple(_earlier(plant, group, circuit_id) for group in plant.circuits))
        if plant.plant_id == plant_id
        else plant
        for plant in plants
    )


def digest(files: Mapping[str, bytes]) -> str:
    """16 hex digits over paths and contents."""
    total = hashlib.sha256()
    for path in sorted(files):
        total.update(f"{path}\0{len(files[path])}\0".encode() + files[path])
    return total.hexdigest()[:16]


def _earlier(plant: Plant, group: Group, circuit_id: str) -> Group:
    if group.circuit_id != circuit_id:
        return group
    return replace(group, cutoff_date=plant.cutoff_date - timedelta(days=1))


def _circuit(plant: Plant, group: Group) -> dict[str, Any]:
    item: dict[str, Any] = {
        "plant_id": plant.plant_id,
        "circuit_id": group.circuit_id,
        "sensors": list(group.sensors),
        "cutoff_date": group.cutoff_date or plant.cutoff_date,
        "training_days": plant.training_days,
        "frequency_minutes": plant.frequency_minutes,
    }
    return item | ({} if plant.season == DEFAULT_SEASON else {"hyperparameters": {"season": plant.season}})


def _without_thresholds(path: Path) -> bytes:
    """A stage's policy without absolute limits: nobody knows yet what is good for these sensors."""
    policy: dict[str, Any] = YAML(typ="safe").load(path.read_bytes())
    kept = {key: value for key, value in policy.items() if key != "thresholds"}
    return _yaml(
        f"{path.stem}: the scale-free gates of pipeline.yaml hold; add `thresholds` when they are known.",
        kept,
    )


def _components(folder: Path, root: Path) -> Files:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix != ".pyc" and not _CACHES & set(path.parts)
    }


def _never(_: Any) -> bool:
    return True


def _yaml(comment: str, document: Mapping[str, Any]) -> bytes:
    emitter = YAML(typ="safe", pure=True)
    emitter.default_flow_style = False
    emitter.sort_base_mapping_type_on_output = False  # pyright: ignore[reportAttributeAccessIssue] - untyped
    emitter.width = 110
    emitter.representer.ignore_aliases = _never  # the fleet's reader takes none
    stream = BytesIO()
    emitter.dump(dict(document), stream)
    return f"# {comment}\n".encode() + stream.getvalue()
