"""On real hourly data of one station the blend leaves at most 0.9 of seasonal-naive's squared error."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from etl.findings import Findings
from etl.mapping import load_mappings
from etl.raw_files import read_raw_file
from merging import Merge
from raw_parquet import open_parquet
from shared.circuit import parse_circuit
from shared.metrics import errors, seasonal_naive
from shared.readings import load_series
from shared.windows import split_rows, split_windows

DATA = Path(__file__).parents[5] / "shared" / "data" / "prsa"
MAPPING = """
plant_id: PLANT1
file: PRSA_Data_Aotizhongxin_20130301-20170228.csv
time: [year, month, day, hour]
circuits: {WEATHER: [TEMP, PRES, DEWP]}
"""


@pytest.mark.skipif(not DATA.is_dir(), reason=f"no station data in {DATA}")
def test_the_blend_beats_seasonal_naive_on_a_station(tmp_path: Path) -> None:
    from blend import Scale, fit_blend

    (tmp_path / "mapping.yaml").write_text(MAPPING)
    [mapping] = load_mappings(tmp_path / "mapping.yaml")
    file, findings = DATA / mapping.files[0], Findings()
    merge = Merge(str(tmp_path / "readings"), findings)
    read_raw_file(file, file.name, datetime.now(UTC), mapping, findings, merge.add, open_parquet)
    merge.flush()
    circuit = parse_circuit(
        {
            "plant_id": "PLANT1",
            "circuit_id": "WEATHER",
            "sensors": ["TEMP", "PRES", "DEWP"],
            "cutoff_date": "2016-06-30",
            "hyperparameters": {"epochs": 3},
        }
    )
    end = circuit.cutoff
    series = load_series(circuit, str(tmp_path / "readings"), end - timedelta(days=90), end)
    parts, chosen = split_windows(circuit, series), circuit.hyperparameters
    scale = Scale.of(series.values[: split_rows(circuit, series).train])
    blend = fit_blend(scale, parts["train"], parts["validation"], chosen)
    test = parts["test"]
    naive = seasonal_naive(test.inputs, chosen.horizon, chosen.season)
    ours, theirs = (
        np.mean(errors(given, test.truth, scale.deviation).mse)
        for given in (blend.predict(test.inputs), naive)
    )
    assert ours <= 0.9 * theirs
