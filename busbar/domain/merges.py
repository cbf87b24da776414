"""A merge of raw files, as the board and the command line tell it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from busbar.domain.wording import counted

TOP_REASONS = 3
LISTED = 50


@dataclass(frozen=True)
class MergeRecord:
    """What one merge job did. `id` is the job; `reasons` are the quarantine's, most frequent first.

    `latest` tells of every `plant/circuit` in the table its newest reading (ISO 8601, UTC), whether this merge
    brought it or not. A failed merge has an `error` and no figures.
    """

    id: str
    run: str
    commit: str
    at: str
    error: str = ""
    files: int = 0
    files_read: int = 0
    rows: int = 0
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    duplicates: int = 0
    quarantined: int = 0
    reasons: tuple[tuple[str, int], ...] = ()
    problems: tuple[str, ...] = ()
    drift: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    version_before: int | None = None
    version: int | None = None
    seconds: float = 0.0
    latest: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def status(self) -> str:
        return "failed" if self.error else "completed"

    @property
    def top_reasons(self) -> str:
        """`5 is no number, 2 is no time`."""
        return ", ".join(f"{number} {reason}" for reason, number in self.reasons[:TOP_REASONS])

    @property
    def versions(self) -> str:
        """`12 → 13`; one number where the merge changed nothing."""
        shown = ["–" if one is None else str(one) for one in (self.version_before, self.version)]
        return " → ".join(dict.fromkeys(shown))

    @property
    def sentence(self) -> str:
        """What happened, in one sentence."""
        if self.error:
            return f"failed: {self.error}"
        if not self.files:
            told = f"no raw file fits config/sources.yaml at {self.commit[:8]}"
            return f"{told}; Delta version {self.versions}"
        if not self.files_read:
            return f"nothing new in {counted(self.files, 'file')}; Delta version {self.versions}"
        quarantined = (
            f"{self.quarantined} quarantined ({self.top_reasons})" if self.quarantined else "none quarantined"
        )
        return (
            f"{self.files_read} of {counted(self.files, 'file')} read: {counted(self.rows, 'row')}, "
            f"{self.inserted} readings new, {self.updated} corrected, {quarantined}; Delta version {self.versions}"
        )

    def newest(self, circuit: str) -> datetime | None:
        """The newest reading of a `plant/circuit`; `None` where the table has none."""
        return datetime.fromisoformat(self.latest[circuit]) if circuit in self.latest else None


def read_report(id: str, run: str, commit: str, report: Mapping[str, Any]) -> MergeRecord:
    """The record of a merge from the report.json of its job; raises `KeyError` on another shape."""
    merged, quarantined = report["merged"], report["quarantined"]
    return MergeRecord(
        id=id,
        run=run,
        commit=commit,
        at=report["merged_at"],
        files=report["files"]["found"],
        files_read=report["files"]["read"],
        rows=report["rows_read"],
        inserted=merged["inserted"],
        updated=merged["updated"],
        unchanged=merged["unchanged"],
        duplicates=merged["duplicates"],
        quarantined=quarantined["total"],
        reasons=tuple(sorted(quarantined["reasons"].items(), key=lambda item: (-item[1], item[0]))),
        problems=tuple(_problem(item) for item in report["problems"][:LISTED]),
        drift=tuple(_drift(item) for item in report["drift"][:LISTED]),
        remarks=_remarks(report["sensors"]),
        version_before=report["delta_version"]["before"],
        version=report["delta_version"]["after"],
        seconds=report["seconds"],
        latest=report["latest"],
    )


def _problem(item: Mapping[str, Any]) -> str:
    """`PLANT1 a.csv:3: is no UTF-8 text`."""
    line = f":{item['line']}" if item["line"] is not None else ""
    column = f" {item['column']}:" if item["column"] else ""
    return f"{item['plant_id']} {item['file']}{line}:{column} {item['reason']}"


def _drift(item: Mapping[str, Any]) -> str:
    """`PLANT1 a.csv: column flow vanished: CIRC1.flow gets no readings from this file`."""
    return f"{item['plant_id']} {item['file']}: column {item['column']} {item['kind']}: {item['detail']}"


def _remarks(sensors: Mapping[str, Mapping[str, Any]]) -> tuple[str, ...]:
    told = [f"{name}: {found['remark']}" for name, found in sensors.items() if found["remark"]]
    return tuple(told[:LISTED])
