"""Schema drift: how a file's columns differ from those of the plant's files before."""

from collections.abc import Sequence

from etl.findings import Findings
from etl.mapping import PlantMapping

LIKE = 0.5


def compare(
    name: str,
    kinds: dict[str, str],
    known: Sequence[dict[str, str]],
    mapping: PlantMapping,
    findings: Findings,
) -> None:
    """Report columns that appear, vanish, seem renamed or change their kind; a plant's first file sets the measure.

    `kinds` is column → number, text, empty or "" (not mapped). A plant may have several families of files: the
    measure is the known one that is most alike, the latest of those.
    """
    before = max(reversed(known), key=lambda one: _likeness(one, kinds), default={})
    if _likeness(before, kinds) < LIKE:
        return  # a family of its own: raw_files reports what it lacks
    new = [column for column in kinds if column not in before]
    gone = [column for column in before if column not in kinds]
    for column in gone:
        at = list(before).index(column)
        here = list(kinds)[at] if at < len(kinds) else ""
        if here in new:
            new.remove(here)
            findings.drifted(mapping.plant_id, name, "renamed", column, _renamed(column, here, mapping))
        else:
            findings.drifted(mapping.plant_id, name, "vanished", column, _vanished(column, mapping))
    for column in new:
        findings.drifted(mapping.plant_id, name, "new", column, _new(column, mapping))
    for column, kind in kinds.items():
        was = before.get(column, kind)
        if {was, kind} == {"number", "text"}:
            findings.drifted(mapping.plant_id, name, "type", column, f"was {was}, is {kind}")


def _likeness(one: dict[str, str], other: dict[str, str]) -> float:
    """Columns in common, out of those of either."""
    return len(one.keys() & other.keys()) / max(len(one.keys() | other.keys()), 1)


def _renamed(column: str, here: str, mapping: PlantMapping) -> str:
    if column in mapping.columns and here not in mapping.columns:
        return f"{here} stands in its place: if it is the same sensor, map it in sources.yaml"
    return f"{here} stands in its place"


def _vanished(column: str, mapping: PlantMapping) -> str:
    sensors = [f"{circuit}.{sensor}" for circuit, sensor in mapping.columns.get(column, ())]
    return (
        f"{', '.join(sensors)} gets no readings from this file" if sensors else "it is not mapped to a sensor"
    )


def _new(column: str, mapping: PlantMapping) -> str:
    return "is mapped to a sensor" if column in mapping.columns else "is not mapped to a sensor, and not read"
