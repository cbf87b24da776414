"""The Delta table of forecasts: one row a circuit, deployment, issue time, step ahead and sensor."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
from shared.circuit import Circuit
from shared.delta import text_column, time_column

from forecasting.forecast import Forecasts

if TYPE_CHECKING:
    from arro3.core import Table

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def forecast_rows(
    circuit: Circuit, issued: list[datetime], found: Forecasts, model_version: str, deployment: str
) -> "Table":
    """The finite forecasts, as the table holds them."""
    from arro3.core import Array, Table

    windows, steps, sensors = np.nonzero(found.good)
    count = len(windows)
    moments = np.array([microseconds(at) for at in issued], np.int64)[windows]
    ahead = steps * (timedelta(minutes=circuit.frequency_minutes) // timedelta(microseconds=1))
    cells = {name: values[windows, steps, sensors] for name, values in found.outputs.items()}
    return Table.from_pydict(
        {
            "plant_id": text_column([circuit.plant_id] * count),
            "circuit_id": text_column([circuit.circuit_id] * count),
            "sensor": text_column([circuit.sensors[index] for index in sensors]),
            "issued_at": time_column(moments),
            "time": time_column(moments + ahead),
            **{name: Array.from_numpy(values) for name, values in cells.items()},
            "model_version": text_column([model_version] * count),
            "deployment": text_column([deployment] * count),
            "scored_at": time_column(np.full(count, microseconds(datetime.now(UTC)))),
        }
    )


def replaced(circuit: Circuit, issued: list[datetime], deployment: str) -> str:
    """Delta predicate of the rows that a repeat of this run replaces."""
    kind = """'Timestamp(Microsecond, Some("UTC"))'"""  # the column's own: delta-rs compares file statistics as typed
    times = " OR ".join(
        f"issued_at = arrow_cast('{at.isoformat(timespec='seconds')}', {kind})" for at in issued
    )
    equal = {"plant_id": circuit.plant_id, "circuit_id": circuit.circuit_id, "deployment": deployment}
    columns = " AND ".join(f"{column} = '{value.replace("'", "''")}'" for column, value in equal.items())
    return f"{columns} AND ({times})"


def microseconds(moment: datetime) -> int:
    """Since 1970 in UTC, as Delta counts them."""
    return (moment - EPOCH) // timedelta(microseconds=1)
