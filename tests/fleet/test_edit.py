"""Edits of circuits.yaml: the wanted values change, not one other character."""

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from busbar.domain.circuits import CircuitKey
from busbar.domain.errors import ConfigurationError
from busbar.fleet import load_fleet
from busbar.fleet.edit import CircuitEdit, edit_circuits

CIRC1 = CircuitKey("PLANT1", "CIRC1")
NEW = date(2026, 1, 31)
CONFIG = Path(__file__).parents[2] / "config"
SAMPLE = (CONFIG / "circuits.yaml").read_text()

BLOCK = """\
circuits:
  - plant_id: PLANT1   # north
    circuit_id: CIRC1
    cutoff_date: 2025-12-09      # the last day
    sensors: [a]
"""


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (BLOCK, BLOCK.replace("2025-12-09", "2026-01-31")),
        (BLOCK.replace("2025-12-09", "'2025-12-09'"), BLOCK.replace("2025-12-09", "'2026-01-31'")),
        (BLOCK.replace("2025-12-09", '"2025-12-09"'), BLOCK.replace("2025-12-09", '"2026-01-31"')),
        (BLOCK.replace("\n", "\r\n"), BLOCK.replace("2025-12-09", "2026-01-31").replace("\n", "\r\n")),
        ("\ufeff" + BLOCK, "\ufeff" + BLOCK.replace("2025-12-09", "2026-01-31")),
        (
            "circuits: [{plant_id: PLANT1, circuit_id: CIRC1, cutoff_date: 2025-12-09}]",
            "circuits: [{plant_id: PLANT1, circuit_id: CIRC1, cutoff_date: 2026-01-31}]",
        ),
        (
            "circuits:\n- {cutoff_date: 2025-12-09 , plant_id: 'PLANT1', circuit_id: CIRC1}\n# ä\n",
            "circuits:\n- {cutoff_date: 2026-01-31 , plant_id: 'PLANT1', circuit_id: CIRC1}\n# ä\n",
        ),
    ],
)
def test_a_cutoff_date_is_replaced_in_its_place(before: str, after: str):
    assert edit_circuits(before, [CircuitEdit(CIRC1, NEW)]) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            BLOCK + "    training_days: 60 # enough\n",
            BLOCK.replace("2025-12-09", "2026-01-31") + "    training_days: 90 # enough\n",
        ),
        (
            BLOCK,
            BLOCK.replace(
                "    cutoff_date: 2025-12-09", "    training_days: 90\n    cutoff_date: 2026-01-31"
            ),
        ),
        (
            "circuits:\n- cutoff_date: 2025-12-09\n  plant_id: PLANT1\n  circuit_id: CIRC1\n",
            "circuits:\n- training_days: 90\n  cutoff_date: 2026-01-31\n  plant_id: PLANT1\n  circuit_id: CIRC1\n",
        ),
        (
            "circuits: [{plant_id: PLANT1, circuit_id: CIRC1, cutoff_date: 2025-12-09}]",
            "circuits: [{plant_id: PLANT1, circuit_id: CIRC1, training_days: 90, cutoff_date: 2026-01-31}]",
        ),
    ],
)
def test_training_days_are_replaced_or_added(before: str, after: str):
    assert edit_circuits(before, [CircuitEdit(CIRC1, NEW, 90)]) == after


def test_without_an_edit_and_with_what_is_there_the_text_stays():
    assert edit_circuits(SAMPLE, []) == SAMPLE
    assert edit_circuits(SAMPLE, [CircuitEdit(CIRC1, date(2025, 12, 9))]) == SAMPLE


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (BLOCK.replace("CIRC1", "CIRC9"), "PLANT1/CIRC1 is not in config/circuits.yaml"),
        (BLOCK.replace("cutoff_date", "cutoff"), "PLANT1/CIRC1 has no cutoff_date"),
        ("circuits: {", "is not YAML"),
        ("", "PLANT1/CIRC1 is not in"),
        ("[1, 2]", "PLANT1/CIRC1 is not in"),
    ],
)
def test_what_cannot_be_edited_says_why(text: str, told: str):
    with pytest.raises(ConfigurationError, match=told):
        edit_circuits(text, [CircuitEdit(CIRC1, NEW)])


KEYS = [CircuitKey(f"PLANT{plant}", f"CIRC{circuit}") for plant in (1, 2) for circuit in (1, 2, 3)]
EDITS = st.dictionaries(
    st.sampled_from(KEYS),
    st.tuples(st.dates(date(2026, 1, 1), date(2026, 12, 31)), st.none() | st.integers(30, 365)),
)
FILLERS = st.lists(
    st.sampled_from(["", "# a comment: cutoff_date: 2020-01-01", "  # - circuit_id: CIRC1"]), max_size=3
)


@settings(deadline=None, max_examples=40)
@given(EDITS, FILLERS, st.sampled_from(["\n", "\r\n"]))
def test_only_the_wanted_lines_change(
    edits: dict[CircuitKey, tuple[date, int | None]], fillers: list[str], end: str
):
    """On the sample with comments strewn in: other lines stay, and the fleet reads as wanted."""
    text = SAMPLE.replace("circuits:\n", "\n".join(["circuits:", *fillers, ""])).replace("\n", end)
    wanted = [CircuitEdit(key, cutoff, days) for key, (cutoff, days) in edits.items()]
    edited = edit_circuits(text, wanted)

    before, after = _circuits(text), _circuits(edited)
    for key in KEYS:
        cutoff, days = edits.get(key, (before[key][0], None))
        assert after[key] == (cutoff, days if days is not None else before[key][1])
    changed = [line for line in edited.split(end) if line not in text.split(end)]
    assert all(line.strip().startswith(("cutoff_date: 2026-", "training_days: ")) for line in changed)
    added = sum(days is not None for _, days in edits.values())
    assert len(edited.split(end)) == len(text.split(end)) + added
    assert edit_circuits(edited, wanted) == edited


def _circuits(text: str) -> dict[CircuitKey, tuple[date, int]]:
    people = (CONFIG / "people.yaml").read_bytes()
    fleet = load_fleet({"circuits.yaml": text.encode(), "people.yaml": people}, "c0ffee")
    return {circuit.key: (circuit.cutoff_date, circuit.training_days) for circuit in fleet.circuits}
