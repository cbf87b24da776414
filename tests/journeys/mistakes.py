"""Commits that must not train."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.journeys.fleet import Files, edited

TRAIN_LSTM = "ml_components/training/train_lstm"
STALE_COMPONENT = "changed component"


@dataclass(frozen=True)
class Mistake:
    """A mistake in circuits.yaml: what makes it, the text that begins the line it is told for, and its key."""

    make: Callable[[Any], object]
    line: str
    key: str


def _second_is_first(document: Any) -> None:
    document["circuits"][1]["circuit_id"] = "CIRC1"


SECOND_CIRCUIT = "- plant_id"
MISTAKES = {
    "unknown key": Mistake(lambda d: d["circuits"][1].update(colour="red"), "  colour", "circuits[1].colour"),
    "duplicate circuit": Mistake(_second_is_first, SECOND_CIRCUIT, "circuits[1]"),
    "bad date": Mistake(
        lambda d: d["circuits"][1].update(cutoff_date="2025-13-40"),
        "  cutoff_date",
        "circuits[1].cutoff_date",
    ),
    "missing field": Mistake(
        lambda d: d["circuits"][1].pop("sensors"), SECOND_CIRCUIT, "circuits[1].sensors"
    ),
}


def files_with_mistakes(files: Files) -> dict[str, Files]:
    """`files` with one mistake each: those of `MISTAKES`, and a component changed under its old version."""
    source = f"{TRAIN_LSTM}/src/train.py"
    changed = {STALE_COMPONENT: files | {source: files[source] + b"# changed\n"}}
    return {name: edited(files, mistake.make) for name, mistake in MISTAKES.items()} | changed
