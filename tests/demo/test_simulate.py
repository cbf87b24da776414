"""The simulated fleet: seeded, with rhythm, coupling and gaps, and readable as anyone's own data."""

from datetime import date
from pathlib import Path

import numpy as np

from demo.foreign import read_folder
from demo.plan import Findings
from demo.simulate import CIRCUITS, MAPPING, write_fleet
from demo.tables import read_readings


def test_the_same_seed_is_the_same_fleet(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        write_fleet(tmp_path / name, seed=seed, days=30)
    a, b, c = ((tmp_path / name / "PLANT1.csv").read_bytes() for name in "abc")
    assert a == b != c


def test_two_plants_of_three_circuits_up_to_the_last_full_day(tmp_path: Path) -> None:
    write_fleet(tmp_path)
    findings = Findings()
    plants = read_folder(tmp_path, tmp_path / MAPPING, findings)
    assert findings.all == ()
    assert [plant.plant_id for plant in plants] == ["PLANT1", "PLANT2"]
    for plant in plants:
        assert [group.circuit_id for group in plant.circuits] == list(CIRCUITS)
        assert (plant.cutoff_date, plant.frequency_minutes) == (date(2025, 12, 9), 60)
        assert 95 <= plant.training_days <= 100


def test_rhythm_coupling_and_gaps(tmp_path: Path) -> None:
    write_fleet(tmp_path)
    readings = read_readings(tmp_path / "PLANT1.csv", Findings())
    columns = {column.name: column.values for column in readings.columns}
    flow, pressure = columns["feed_flow"], columns["feed_pressure"]
    present = ~(np.isnan(flow) | np.isnan(pressure))
    assert 0.005 < np.isnan(flow).mean() < 0.03
    assert np.corrcoef(flow[present], pressure[present])[0, 1] > 0.5
    day = np.array([np.nanmean(flow[hour::24]) for hour in range(24)])
    assert day.max() - day.min() > 5
