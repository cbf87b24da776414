"""Delete the forecasts that were issued before a day, and the files that no version needs any more.

A version of the last 7 days stays readable: a job may still read it. A repeat deletes nothing.
"""

import argparse
import json
import sys
from datetime import date
from pathlib import Path

# A job finds shared/ beside this file; in the repository it lies three folders up.
sys.path.extend(map(str, Path(__file__).resolve().parents[3:4]))

from shared.delta import retry_conflicts
from shared.errors import LOG, InputError, run_command
from shared.storage import open_table, resolve
from shared.tracking import log_run

HISTORY_HOURS = 7 * 24


def main() -> None:
    """Command line: delete, look after the files, report."""
    arguments = _arguments()
    report = purge(resolve(arguments.forecasts), _day(arguments.before))
    Path(arguments.report).write_text(json.dumps(report))
    log_run({"before": arguments.before}, {name: report[name] for name in ("rows", "files")})
    LOG.info("%s", json.dumps(report))


def purge(table_uri: str, before: date) -> dict[str, str | int]:
    """How many `rows` were deleted, and how many `files` that nothing needs any more."""
    report: dict[str, str | int] = {"before": before.isoformat(), "rows": 0, "files": 0}
    table = open_table(table_uri)
    if table is None:
        return report
    # the column's own type: delta-rs compares file statistics as typed
    old = (
        f"""issued_at < arrow_cast('{before.isoformat()}T00:00:00', 'Timestamp(Microsecond, Some("UTC"))')"""
    )
    done = retry_conflicts(lambda: _reopened(table_uri).delete(old))
    files = _reopened(table_uri).vacuum(HISTORY_HOURS, dry_run=False)
    return report | {"rows": int(done["num_deleted_rows"] or 0), "files": len(files)}


def _reopened(table_uri: str):
    """The table as it is now: somebody may have written meanwhile."""
    table = open_table(table_uri)
    if table is None:
        raise InputError(f"the Delta table at {table_uri} vanished while it was purged")
    return table


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise InputError(f"before {text!r} is not YYYY-MM-DD") from error


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog="Exit 2: the inputs cannot be used, and the message says what to change."
    )
    add = parser.add_argument
    add("--forecasts", required=True, metavar="URI", help="abfss:// URI or folder of the table of forecasts")
    add("--before", required=True, metavar="YYYY-MM-DD", help="forecasts issued before this day (UTC) go")
    add("--report", required=True, metavar="JSON", help="output: how many rows and files were deleted")
    return parser.parse_args()


if __name__ == "__main__":
    run_command(main)
