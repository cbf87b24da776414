"""What a run left behind, as anybody could see it, without the times: two runs that did the same compare equal."""

import dataclasses
import re
from collections.abc import Mapping
from datetime import date
from typing import Any

from busbar.domain.audit import Entry, verify
from tests.activities.bench import Bench

INSTANT = r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?"
TIME = re.compile(rf'{INSTANT}|\b\d+(\.\d+)? (s|min|h)\b|(?<="day": ")\d{{4}}-\d\d-\d\d')
TIMES = {"seconds", "forward_seconds", "hours", "score_date"}  # a replay looks back from the day it begins on


TIMED_ID = re.compile(r"(?<=/ended)-[0-9a-f]{8}$")  # how a rollback ended, its duration included
MISSING = "not there"


def effects(bench: Bench) -> Mapping[str, Any]:
    """Deployments, registry, records, questions, mails by purpose and person, audit entries by id.

    The audit log's chain must be whole.
    """
    entries = bench.audit.entries()
    assert verify(entries, bench.audit.head()).whole
    repository = bench.repository
    return {
        "audit": {TIMED_ID.sub("", entry.id): _said(entry) for entry in sorted(entries, key=lambda one: one.id)},
        "mails": {operation: (mail.to, timeless(mail.subject)) for operation, mail in bench.mail.sent.items()},
        "branches": {name: (timeless(repository.files("", name)), len(repository.history(name)))
                     for name in repository.branches},
        "statuses": timeless(list(repository.shown().values())),
    } | {
        name: timeless(getattr(bench, name))
        for name in ("ml", "blobs", "records", "evidence", "releases", "approvals", "reports")
    }  # fmt: skip


def _said(entry: Entry) -> Any:
    return timeless((entry.kind, entry.subject, entry.actor, entry.sentence, entry.details))


def timeless(value: Any) -> Any:
    """Plain values, every time in them replaced, every mapping in one order."""
    if dataclasses.is_dataclass(value):
        seen = [one for one in dataclasses.fields(value) if one.compare and one.name not in TIMES]
        return {one.name: timeless(getattr(value, one.name)) for one in seen}
    if isinstance(value, Mapping):
        items = sorted((str(timeless(key)), one) for key, one in value.items() if key not in TIMES)
        return {key: timeless(one) for key, one in items}
    if isinstance(value, str | bytes):
        return TIME.sub("then", value.decode(errors="replace") if isinstance(value, bytes) else str(value))
    if isinstance(value, tuple | list):
        return [timeless(one) for one in value]
    return "a day" if isinstance(value, date) else value


def differences(left: Any, right: Any, path: str = "") -> list[str]:
    """Where two timeless values differ, and how."""
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        keys = sorted({*left, *right})
        return [
            one
            for key in keys
            for one in differences(left.get(key, MISSING), right.get(key, MISSING), f"{path}/{key}")
        ]
    return [] if left == right else [f"{path}: {left!r} != {right!r}"]
