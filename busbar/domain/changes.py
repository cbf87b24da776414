"""What a commit changed: circuits compared by content at two commits, components by the digest of their files."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from busbar.domain.circuits import Circuit, CircuitKey, Fleet, Serving


class ChangeType(StrEnum):
    NEW = "new"
    MODIFIED = "modified"
    REMOVED = "removed"


@dataclass(frozen=True)
class Change:
    """One circuit's change; `detail` reads `cutoff_date 2025-12-01 → 2025-12-09`.

    `serving` is how it is served from now on, where that is what changed, among other things perhaps.
    """

    key: CircuitKey
    type: ChangeType
    detail: str = ""
    serving: Serving | None = None


@dataclass(frozen=True)
class ConfigChange:
    """How a candidate's configuration differs from that of what serves its circuit.

    `serves` names what serves ("v3 in prod, of commit 1f2e3d4c"), empty where nothing does; `sentence` says what
    changed, `changed` whether anything did.
    """

    key: CircuitKey
    serves: str
    sentence: str
    changed: bool = True


def _described(circuit: Circuit) -> dict[str, Any]:
    """What makes two versions of a circuit differ, by the name a reader knows; who owns it does not."""
    return {
        "cutoff_date": circuit.cutoff_date,
        "training_days": circuit.training_days,
        "frequency_minutes": circuit.frequency_minutes,
        "sensors": ", ".join(circuit.sensors),
        **circuit.hyperparameters,
        "delta_version": circuit.delta_version,
        "serving": circuit.serving.value,
        **{
            f"limits.{sensor}.{end}": value
            for sensor, limits in circuit.limits.items()
            for end, value in asdict(limits).items()
        },
        **{f"thresholds.{name}": value for name, value in asdict(circuit.thresholds).items()},
    }


def _differences(old: Circuit, new: Circuit) -> str:
    """`cutoff_date 2025-12-01 → 2025-12-09, limits.flow.high – → 80.0`; empty where nothing differs."""

    def show(value: Any) -> str:
        return "–" if value is None else str(value)

    before, after = _described(old), _described(new)
    return ", ".join(
        f"{name} {show(before.get(name))} → {show(after.get(name))}"
        for name in dict.fromkeys([*before, *after])
        if before.get(name) != after.get(name)
    )


def compare(before: Fleet | None, after: Fleet) -> tuple[Change, ...]:
    """The circuits that differ between two commits, in key order; without a `before`, all are new."""
    old = {circuit.key: circuit for circuit in before.circuits} if before else {}
    new = {circuit.key: circuit for circuit in after.circuits}
    changes: list[Change] = []
    for key in sorted(old.keys() | new.keys()):
        if key not in old:
            changes.append(Change(key, ChangeType.NEW, "new circuit"))
        elif key not in new:
            changes.append(Change(key, ChangeType.REMOVED, "removed"))
        elif detail := _differences(old[key], new[key]):
            serving = new[key].serving if new[key].serving is not old[key].serving else None
            changes.append(Change(key, ChangeType.MODIFIED, detail, serving))
    return tuple(changes)


def content_digest(files: Mapping[str, bytes]) -> str:
    """SHA-256 (first 16 hex digits) over paths and contents: the identity of a component's or environment's files."""
    digest = hashlib.sha256()
    for path in sorted(files):
        digest.update(f"{path}\0{len(files[path])}\0".encode())
        digest.update(files[path])
    return digest.hexdigest()[:16]
