"""Reading raw files never fails, whatever is in them: a reading, a gap or a reason for every cell."""

import math
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from etl.cells import read_values
from etl.clock import Clock
from etl.findings import Findings
from etl.mapping import PlantMapping
from etl.raw_files import read_raw_file
from etl.raw_table import Block
from raw_parquet import open_parquet

hypothesis = pytest.importorskip("hypothesis", reason="hypothesis is not in this environment")
from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

WRITTEN = datetime(2026, 1, 1, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")
CELLS = st.text(max_size=12) | st.floats().map(str) | st.integers().map(str)
WALLS = st.datetimes(datetime(1980, 1, 1), datetime(2025, 1, 1)).map(  # noqa: DTZ001 - wall clocks
    lambda wall: wall.replace(fold=0)
)


def mapping(zone: str = "UTC") -> PlantMapping:
    return PlantMapping("P", ("*",), ("at",), ZoneInfo(zone), None, ",", ".", {"C": {"a": "a"}}, "d")


@given(
    st.binary(max_size=400)
    | st.text(max_size=200).map(lambda text: ("at,a\n" + text).encode("utf-8", "replace"))
)
@settings(deadline=None)
def test_no_bytes_break_it(content: bytes) -> None:
    findings, taken = Findings(), list[int]()
    with TemporaryDirectory() as folder:
        path = Path(folder) / "x.csv"
        path.write_bytes(content)
        done = read_raw_file(
            path, "x.csv", WRITTEN, mapping(), findings, lambda _, at, __: taken.append(len(at)), open_parquet
        )
    assert sum(taken) == done.readings <= done.rows
    rows_lost = {(reject.line, reject.column) for reject in findings.rejects if reject.column in ("", "at")}
    assert done.readings + len(rows_lost) == done.rows


@given(st.lists(CELLS, min_size=1), st.sampled_from(".,"))
def test_every_cell_is_a_finite_number_a_gap_or_a_reason(cells: list[str], decimal: str) -> None:
    read = read_values(cells, decimal)
    assert len(read.values) == len(cells)
    assert int(np.isnan(read.values).sum()) == read.gaps + len(read.bad)
    assert not np.isinf(read.values).any()


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_numbers_are_read_exactly(numbers: list[float]) -> None:
    read = read_values([repr(number) for number in numbers])
    assert read.values.tolist() == numbers
    assert not read.bad


@given(WALLS, st.integers(0, 200))
def test_hours_in_order_come_out_an_hour_apart(start: datetime, hours: int) -> None:
    begin = start.replace(minute=0, second=0, microsecond=0, tzinfo=UTC)
    instants = [begin + timedelta(hours=k) for k in range(hours)]
    walls = [instant.astimezone(BERLIN).replace(tzinfo=None).isoformat() for instant in instants]
    if not walls or _begins_in_a_second_hour(instants[0]):
        return
    read = Clock(mapping("Europe/Berlin"), WRITTEN).read(Block(list(range(hours)), {"at": walls}))
    assert read.microseconds.tolist() == [int(instant.timestamp()) * 10**6 for instant in instants]
    assert read.good.all()


def _begins_in_a_second_hour(instant: datetime) -> bool:
    """Whether its wall clock alone cannot tell: the file would have to begin an hour earlier."""
    return bool(instant.astimezone(BERLIN).fold)


@given(WALLS)
def test_a_wall_time_is_rejected_exactly_where_the_zone_has_none(wall: datetime) -> None:
    read = Clock(mapping("Europe/Berlin"), WRITTEN).read(Block([1], {"at": [wall.isoformat()]}))
    there_and_back = wall.replace(tzinfo=BERLIN).astimezone(UTC).astimezone(BERLIN).replace(tzinfo=None)
    assert bool(read.good[0]) == (there_and_back == wall)
    if read.good[0]:
        assert math.isclose(
            int(read.microseconds[0]) / 10**6, wall.replace(tzinfo=BERLIN).timestamp(), abs_tol=1e-5
        )
