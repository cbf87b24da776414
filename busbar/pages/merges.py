"""The pages of merges."""

from busbar.domain.merges import MergeRecord
from busbar.pages.render import render


def merges(records: tuple[MergeRecord, ...]) -> str:
    """The merges, newest first."""
    return render("merges.html", records=records)


def merge(record: MergeRecord) -> str:
    """One merge: its figures, what it quarantined and noticed, and how far readings reach."""
    return render("merge.html", record=record)
