"""report.json: what a run read, merged, quarantined and noticed."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from etl.clock import iso
from etl.findings import Findings

LISTED = 200


@dataclass(frozen=True)
class Upkeep:
    """What was done: files made into fewer, files deleted, versions that stay readable whatever their age."""

    compacted: int = 0
    written: int = 0
    vacuumed: int = 0
    pinned: tuple[int, ...] = ()


@dataclass(frozen=True)
class Merged:
    """A run as it ended: `latest` is per `plant/circuit` the newest reading in microseconds, `before` and `after`
    are the table's versions (None: there was none)."""

    findings: Findings
    found: int
    read: int
    inserted: int
    updated: int
    duplicates: int
    quarantine: str
    latest: Mapping[str, int]
    before: int | None
    after: int | None
    seconds: float
    upkeep: Upkeep = field(default_factory=Upkeep)

    @property
    def counts(self) -> dict[str, int]:
        """What became of the readings; `unchanged` are those that the table held already."""
        readings = sum(found.readings for found in self.findings.sensors.values())
        changed = {"inserted": self.inserted, "updated": self.updated, "duplicates": self.duplicates}
        return {**changed, "readings": readings, "unchanged": readings - sum(changed.values())}

    @property
    def why_nothing(self) -> str:
        """Why there is no table after the run, in a few words of its problems."""
        told = [f"{problem['file']}: {problem['reason']}" for problem in self.findings.problems[:3]]
        return "; ".join(told) or "the mapping matches no file"


def report_document(run: Merged) -> dict[str, Any]:
    """report.json; lists are cut at `LISTED`, their whole length stands beside them."""
    findings = run.findings
    return {
        "schema_version": 2,
        "merged_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "files": {"found": run.found, "read": run.read, "unchanged": run.found - run.read},
        "rows_read": findings.rows,
        "gaps": findings.gaps,
        "out_of_order": findings.out_of_order,
        "ambiguous_times": findings.ambiguous_times,
        "merged": run.counts,
        "quarantined": {
            "total": sum(findings.reasons.values()),
            "reasons": dict(findings.reasons.most_common()),
            "examples": list(findings.examples.values()),
            "table": run.quarantine,
        },
        "problems": findings.problems[:LISTED],
        "problems_total": len(findings.problems),
        "drift": findings.drift[:LISTED],
        "drift_total": len(findings.drift),
        "unmapped": {plant: sorted(names) for plant, names in sorted(findings.unmapped.items()) if names},
        "sensors": {
            "/".join(key): {
                "readings": found.readings,
                "missing": found.missing,
                "minimum": found.minimum if found.latest is not None else None,
                "maximum": found.maximum if found.latest is not None else None,
                "latest": iso(found.latest) if found.latest is not None else None,
                "remark": found.remark,
            }
            for key, found in sorted(findings.sensors.items())
        },
        "latest": {name: iso(moment) for name, moment in run.latest.items()},
        "delta_version": {"before": run.before, "after": run.after},
        "upkeep": asdict(run.upkeep) | {"pinned": list(run.upkeep.pinned)},
        "seconds": round(run.seconds, 1),
    }
