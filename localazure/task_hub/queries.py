"""The SQL behind the hub's listings: keyset pages in a stable order, each along an index."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from localazure.task_hub.model import FINISHED, EntityQuery, FinishedQuery, Query, Status

_LAST = "\U0010ffff"  # sorts behind every text that goes on with another character


@dataclass
class Conditions:
    """SQL conditions and the values of their placeholders."""

    parts: list[str] = field(default_factory=lambda: ["1"])
    values: list[Any] = field(default_factory=list[Any])

    def add(self, sql: str, *values: Any) -> None:
        """Add a condition, unless its value is None or empty."""
        if all(value not in (None, "") for value in values):
            self.parts.append(sql)
            self.values += values

    def add_statuses(self, statuses: Sequence[Status]) -> None:
        if statuses:
            self.add(f"status IN ({','.join('?' * len(statuses))})", *map(int, statuses))

    @property
    def sql(self) -> str:
        return " AND ".join(self.parts)

    def prefix(self, text: str) -> None:
        if text:
            self.add("id>=? AND id<?", text, text + _LAST)


def instances(query: Query) -> Conditions:
    """For the instances that match, to be ordered by id."""
    where = Conditions()
    where.add_statuses(query.statuses)
    where.prefix(query.id_prefix)
    where.add("created>=?", query.created_from)
    where.add("created<=?", query.created_to)
    where.add("id>?", query.after)
    return where


def finished(query: FinishedQuery) -> Conditions:
    """For the finished instances that match, to be ordered by the time of their end, then by id."""
    where = Conditions(["completed IS NOT NULL"])
    where.add_statuses(query.statuses or tuple(sorted(FINISHED)))
    if query.after is None:
        where.add("completed>=?", query.completed_from)
    else:  # alone, so that the search along the index begins there
        where.add("(completed, id)>(?,?)", *query.after)
    where.add("completed<?", query.completed_to)
    return where


def entities(query: EntityQuery) -> Conditions:
    """For the entities that match, to be ordered by id."""
    where = Conditions()
    where.prefix(query.id_prefix)
    where.add("modified>=?", query.modified_from)
    where.add("modified<=?", query.modified_to)
    where.add("id>?", query.after)
    if not query.include_transient:
        where.add("state IS NOT NULL")
    return where
