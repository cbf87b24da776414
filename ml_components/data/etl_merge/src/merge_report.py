"""report.json: what a run read, merged, quarantined and noticed."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clock import iso
from upkeep import Upkeep

if TYPE_CHECKING:
    from etl_merge import Run

LISTED = 200


def report_document(
    run: "Run", before: int | None, after: int | None, upkeep: Upkeep, seconds: float
) -> dict[str, Any]:
    """Plain values; lists are cut at `LISTED`, their whole length stands beside them."""
    findings, counts = run.findings, run.merge.counts
    return {
        "schema_version": 2,
        "merged_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "files": {"found": run.found, "read": run.read, "unchanged": run.found - run.read},
        "rows_read": findings.rows,
        "gaps": findings.gaps,
        "out_of_order": findings.out_of_order,
        "ambiguous_times": findings.ambiguous_times,
        "merged": {**counts, "unchanged": run.merge.unchanged},
        "quarantined": {
            "total": sum(findings.reasons.values()),
            "reasons": dict(findings.reasons.most_common()),
            "examples": list(findings.examples.values()),
            "table": run.quarantine.table,
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
        "latest": {name: iso(moment) for name, moment in run.ledger.latest().items()},
        "delta_version": {"before": before, "after": after},
        "upkeep": {
            "compacted": upkeep.compacted,
            "written": upkeep.written,
            "vacuumed": upkeep.vacuumed,
            "pinned": list(upkeep.pinned),
        },
        "seconds": round(seconds, 1),
    }


def write_report(path: str, document: dict[str, Any]) -> None:
    """Write report.json."""
    Path(path).write_text(json.dumps(document, indent=2), encoding="utf-8")
