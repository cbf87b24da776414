"""The quarantine: a Delta table of the bad rows and cells of raw files, as they were when last read."""

from collections.abc import Sequence
from functools import partial

from etl.findings import Findings
from etl.ledger import quarantine_of
from shared.delta import integer_column, quoted, retry_conflicts, text_column
from shared.storage import open_table, storage_options

BATCH = 50_000
_NAMES = 500


class Quarantine:
    """The quarantine of one table of readings: called like it, with `_quarantine` behind."""

    def __init__(self, readings: str, findings: Findings) -> None:
        self.table = quarantine_of(readings)
        self._rejects = findings.rejects

    def forget(self, plant_id: str, files: Sequence[str]) -> None:
        """Remove what is known of files that are about to be read again."""
        for start in range(0, len(files), _NAMES):
            names = ", ".join(map(quoted, files[start : start + _NAMES]))
            retry_conflicts(partial(self._delete, f"plant_id = {quoted(plant_id)} AND file IN ({names})"))

    def flush(self, at_least: int = 1) -> None:
        """Append what waits, if it is so much."""
        if len(self._rejects) < at_least:
            return
        retry_conflicts(self._append)
        self._rejects.clear()

    def _delete(self, predicate: str) -> None:
        table = open_table(self.table)
        if table is not None:
            table.delete(predicate)

    def _append(self) -> None:
        from arro3.core import Table
        from deltalake import write_deltalake

        rejects = self._rejects
        texts = ("plant_id", "file", "column", "value", "reason")
        columns = {name: text_column([getattr(reject, name) for reject in rejects]) for name in texts}
        rows = Table.from_pydict({**columns, "line": integer_column([reject.line for reject in rejects])})
        write_deltalake(self.table, rows, mode="append", storage_options=storage_options(self.table))
