"""The Delta table of daily findings: what was seen on which day, so that only what lasts counts."""

from collections.abc import Collection
from datetime import UTC, date, datetime, timedelta

import numpy as np
from shared.circuit import Circuit
from shared.delta import replace_rows, text_column, time_column
from shared.query import equal, select_if_there
from verdict import Kind, Observed

JUDGED = "judged"  # one row a day that says: this day was looked at


def earlier_findings(
    table: str, circuit: Circuit, day: date, days: int
) -> dict[str, Collection[tuple[str, Kind]]]:
    """Findings of the `days` − 1 days before `day`, by day; a day that nobody judged is not in it."""
    first = day - timedelta(days=days - 1)
    rows = select_if_there(
        table,
        f"SELECT day, sensor, kind FROM rows WHERE {_circuit(circuit)} "  # noqa: S608 every text is quoted
        f"AND day >= '{first.isoformat()}' AND day < '{day.isoformat()}'",
    )
    found: dict[str, set[tuple[str, Kind]]] = {}
    if rows is not None:
        for at, sensor, kind in zip(
            *(rows.column(name).to_pylist() for name in rows.column_names), strict=True
        ):
            seen = found.setdefault(at, set())
            if kind != JUDGED:
                seen.add((sensor, Kind(kind)))
    return dict(found)


def remember(table: str, circuit: Circuit, day: date, observed: list[Observed]) -> int:
    """Put the day's findings in the place of what stood there for it; the table's new version."""
    from arro3.core import Table

    kinds: list[str] = [JUDGED, *(one.kind for one in observed)]
    now = int(datetime.now(UTC).timestamp() * 10**6)
    rows = Table.from_pydict(
        {
            "plant_id": text_column([circuit.plant_id] * len(kinds)),
            "circuit_id": text_column([circuit.circuit_id] * len(kinds)),
            "day": text_column([day.isoformat()] * len(kinds)),
            "sensor": text_column(["", *(one.finding.sensor or "" for one in observed)]),
            "kind": text_column(kinds),
            "name": text_column([JUDGED, *(one.finding.name for one in observed)]),
            "sentence": text_column(["", *(one.finding.sentence for one in observed)]),
            "judged_at": time_column(np.full(len(kinds), now)),
        }
    )
    return replace_rows(table, rows, f"{_circuit(circuit)} AND day = '{day.isoformat()}'")


def _circuit(circuit: Circuit) -> str:
    return equal(plant_id=circuit.plant_id, circuit_id=circuit.circuit_id)
