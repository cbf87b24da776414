"""What a merge's report becomes on the board."""

from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

from busbar.domain.merges import MergeRecord, read_report

REPORT: dict[str, Any] = {
    "schema_version": 2,
    "merged_at": "2025-12-09T09:00:12+00:00",
    "files": {"found": 40, "read": 12, "unchanged": 28},
    "rows_read": 3456,
    "merged": {"readings": 6912, "inserted": 120, "updated": 4, "duplicates": 2, "unchanged": 6786},
    "quarantined": {
        "total": 9,
        "reasons": {"is no time": 2, "is no number": 5, "is not finite": 1, "has too few cells": 1},
    },
    "problems": [
        {"plant_id": "PLANT1", "file": "a.csv", "line": 3, "column": "time", "reason": "is missing"},
        {"plant_id": "PLANT1", "file": "b.csv", "line": None, "column": None, "reason": "is empty"},
    ],
    "drift": [
        {"plant_id": "PLANT1", "file": "a.csv", "kind": "vanished", "column": "flow", "detail": "no readings"}
    ],
    "sensors": {
        "PLANT1/CIRC1/flow": {"remark": "all missing"},
        "PLANT1/CIRC1/temperature": {"remark": ""},
    },
    "latest": {"PLANT1/CIRC1": "2025-12-09T08:00:00+00:00"},
    "delta_version": {"before": 12, "after": 13},
    "seconds": 4.2,
}


def record(**changes: Any) -> MergeRecord:
    return read_report("merge-1-a1", "merge-1", "abc", deepcopy(REPORT) | changes)


def test_the_sentence_tells_files_rows_and_reasons():
    assert record().sentence == (
        "12 of 40 files read: 3456 rows, 120 readings new, 4 corrected, "
        "9 quarantined (5 is no number, 2 is no time, 1 has too few cells); Delta version 12 → 13"
    )


def test_a_merge_that_read_nothing_says_so():
    unchanged = record(
        files={"found": 40, "read": 0, "unchanged": 40}, delta_version={"before": 12, "after": 12}
    )
    assert unchanged.sentence == "nothing new in 40 files; Delta version 12"


def test_a_merge_that_found_no_file_names_what_said_where_to_look():
    nothing = record(files={"found": 0, "read": 0, "unchanged": 0}, delta_version={"before": 12, "after": 12})
    assert (
        nothing.sentence == f"no raw file fits config/sources.yaml at {nothing.commit[:8]}; Delta version 12"
    )


def test_the_first_merge_has_no_version_before():
    assert record(delta_version={"before": None, "after": 0}).versions == "– → 0"


def test_problems_drift_and_remarks_are_sentences():
    assert record().problems == ("PLANT1 a.csv:3: time: is missing", "PLANT1 b.csv: is empty")
    assert record().drift == ("PLANT1 a.csv: column flow vanished: no readings",)
    assert record().remarks == ("PLANT1/CIRC1/flow: all missing",)


def test_the_newest_reading_of_a_circuit():
    assert record().newest("PLANT1/CIRC1") == datetime(2025, 12, 9, 8, tzinfo=UTC)
    assert record().newest("PLANT1/CIRC2") is None
