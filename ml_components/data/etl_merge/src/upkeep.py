"""Upkeep of a Delta table: small files made one, and files that no version needs any more deleted."""

from collections.abc import Sequence
from functools import partial

from etl.merge_report import Upkeep
from etl.readings_table import FILES_A_PARTITION
from shared.errors import InputError
from shared.storage import open_table

SMALLEST_HISTORY_DAYS = 7


def parse_pins(text: str | None) -> tuple[int, ...] | None:
    """`3,12` or `none`; None where nobody said, and then nothing may be deleted. Raises `InputError`."""
    if text is None:
        return None
    try:
        return tuple(sorted({int(part) for part in text.split(",")})) if text != "none" else ()
    except ValueError as error:
        raise InputError(f"pinned_versions {text!r} must read `3,12` or `none`") from error


def maintain(table_uri: str, history_days: int, pinned: Sequence[int] | None) -> Upkeep:
    """Compact where partitions lie in many files; then delete what is older than the history and not pinned.

    `pinned` are the versions to keep; None deletes nothing. A version that does not exist is none to keep.
    """
    if history_days < SMALLEST_HISTORY_DAYS:
        raise InputError(
            f"history_days {history_days} must be at least {SMALLEST_HISTORY_DAYS}: "
            "a job may still read what it deletes"
        )
    table = open_table(table_uri)
    if table is None:
        return Upkeep()
    compacted, written = 0, 0
    files = table.file_uris()
    partitions = {file.rpartition("/")[0] for file in files}
    if len(files) > FILES_A_PARTITION * len(partitions):
        done = table.optimize.compact()
        compacted, written = done["numFilesRemoved"], done["numFilesAdded"]
    if pinned is None:
        return Upkeep(compacted, written)
    keep = [version for version in pinned if version <= table.version()]
    # full: a checkpoint forgets deleted files after a week, and a vacuum of the log alone would never find them
    vacuum = partial(
        table.vacuum,
        history_days * 24,
        enforce_retention_duration=False,
        full=True,
        keep_versions=keep or None,
    )
    vacuumed = vacuum(dry_run=True)
    if vacuumed:  # a vacuum writes two versions, one that deletes nothing, too
        vacuumed = vacuum(dry_run=False)
    return Upkeep(compacted, written, len(vacuumed), tuple(keep))
