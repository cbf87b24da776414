"""What a new version of the environment means, and when a model counts as the same in it."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from busbar.domain import names
from busbar.domain.circuits import CircuitKey
from busbar.domain.environments import (
    Change,
    Comparison,
    Deployed,
    Scored,
    change,
    judge,
    objection,
    plan_update,
    summary,
)
from busbar.domain.errors import BadRequest
from busbar.domain.policies import EnvironmentPolicy, Stage
from busbar.domain.versions import Version

CIRC1, CIRC2 = (CircuitKey("PLANT1", f"CIRC{number}") for number in (1, 2))
CHANGES = [
    ("1.1.0", "1.1.0", Change.SAME),
    ("1.1.0", "1.1.1", Change.NON_BREAKING),
    ("1.1.0", "1.2.0", Change.NON_BREAKING),
    ("1.9.0", "1.10.0", Change.NON_BREAKING),
    ("1.1.0", "2.0.0", Change.BREAKING),
    ("0.9.0", "1.0.0", Change.BREAKING),
    ("1.1.0", "1.0.9", Change.DOWNGRADE),
    ("2.0.0", "1.9.9", Change.DOWNGRADE),
]


@pytest.mark.parametrize(("before", "after", "expected"), CHANGES)
def test_what_a_version_is_to_another(before: str, after: str, expected: Change):
    assert change(before, after) is expected


@pytest.mark.parametrize("wrong", ["latest", "1.2", "", "1.2.3-rc.1", "v1.2.3"])
def test_what_is_no_version_is_refused(wrong: str):
    with pytest.raises(BadRequest, match=r"is not major\.minor\.patch"):
        change("1.0.0", wrong)


versions = st.builds(Version, *[st.integers(0, 30)] * 3)


@given(versions, versions)
def test_there_and_back_is_a_downgrade_one_of_the_ways(one: Version, other: Version):
    there, back = change(str(one), str(other)), change(str(other), str(one))
    assert (there is Change.SAME) == (one == other) == (back is Change.SAME)
    assert one == other or Change.DOWNGRADE in (there, back)
    assert (Change.BREAKING in (there, back)) == (one.major != other.major)


def deployed(environment: str = "1.1.0", key: CircuitKey = CIRC1, stage: Stage = Stage.PROD) -> Deployed:
    return Deployed(key, stage, "3", environment)


UPDATES = [
    ((), Change.SAME, "nothing is deployed in test or prod"),
    ((deployed("1.2.0"),), Change.SAME, "everything that is deployed runs in environment 1.2.0 already"),
    ((deployed("1.3.0"), deployed(key=CIRC2)), Change.DOWNGRADE, "PLANT1/CIRC1 (prod) runs in 1.3.0 already"),
    (
        (deployed("0.3.0"), deployed("0.3.0", CIRC2)),
        Change.BREAKING,
        "environment 1.2.0 breaks with 0.3.0, in which PLANT1/CIRC1 (prod) and 1 other run: every circuit has to",
    ),
]


@pytest.mark.parametrize(("serving", "expected", "told"), UPDATES)
def test_where_there_is_nothing_to_update_it_says_why(
    serving: tuple[Deployed, ...], expected: Change, told: str
):
    update = plan_update("1.2.0", serving)
    assert (update.change, update.possible) == (expected, False)
    assert update.sentence.startswith(told)


def test_only_what_lags_behind_is_updated():
    serving = (deployed("1.2.0"), deployed(key=CIRC2), deployed("1.0.0", CIRC2, Stage.TEST))
    update = plan_update("1.2.0", serving)
    assert (update.change, set(update.deployed)) == (Change.NON_BREAKING, set(serving[1:]))
    assert update.sentence == (
        "environment 1.0.0, 1.1.0 → 1.2.0 changes nothing that is trained: 1 circuit to try in it"
    )


# --- comparisons ------------------------------------------------------------------------------------------

SAME = Comparison(
    CIRC1, "3", "1.1.0", "1.2.0", compared=24, max_difference=2e-7, old=Scored(1.0), new=Scored(2.0)
)
POLICY = EnvironmentPolicy()
VERDICTS: list[tuple[dict[str, Any], str]] = [
    ({}, ""),
    ({"max_difference": 1e-4}, ""),
    ({"max_difference": None}, "neither environment gave a forecast that could be compared"),
    ({"max_difference": 1.01e-4}, "forecasts differ by up to 0.000101 σ (limit ≤ 0.0001)"),
    ({"max_difference": float("nan")}, "forecasts differ by up to nan σ"),
    ({"one_sided": 12}, "12 values came in one of the two environments only"),
    ({"differently_read": 3, "compared": 21}, "3 of 24 windows were read differently"),
    ({"compared": 0}, "0 windows could be compared, needs ≥ 1"),
    ({"new": Scored(2.0, 5)}, "5 forecasts failed, 0 in 1.1.0"),
    ({"problem": "ImportError: no onnxruntime"}, "PLANT1/CIRC1 v3 in 1.2.0: ImportError: no onnxruntime"),
]


@pytest.mark.parametrize(("changes", "problem"), VERDICTS)
def test_when_a_model_counts_as_the_same(changes: dict[str, Any], problem: str):
    verdict = judge(replace(SAME, **changes), POLICY)
    assert verdict.compatible == (not problem)
    assert verdict.sentence.startswith("PLANT1/CIRC1 v3 in 1.2.0: ")
    assert problem in verdict.sentence


def test_a_tolerance_of_nothing_takes_only_the_same_bits():
    strict = EnvironmentPolicy(tolerance=0.0)
    assert not judge(SAME, strict).compatible
    assert judge(replace(SAME, max_difference=0.0), strict).compatible


def test_a_summary_names_the_first_bad_ones_and_counts_the_rest():
    bad = [judge(replace(SAME, one_sided=n), POLICY) for n in range(1, 6)]
    said = summary([judge(SAME, POLICY), *bad])
    assert said.startswith("1 of 6 models compatible; PLANT1/CIRC1 v3 in 1.2.0: 1 value came in")
    assert said.endswith("; and 2 more")


def moving(*keys: CircuitKey) -> str:
    """What is objected to moving PROD's `keys`; CIRC1 v3 does not stay the same, CIRC2 v3 does."""
    update = plan_update("1.2.0", (deployed(), deployed(key=CIRC2), deployed(stage=Stage.TEST)))
    matrix = [judge(replace(SAME, one_sided=1), POLICY), judge(replace(SAME, key=CIRC2), POLICY)]
    return objection(Stage.PROD, keys, update, matrix)


def test_what_is_incompatible_goes_nowhere_unless_it_was_left_out():
    told = "PLANT1/CIRC1 would not stay the same, and nobody left them out (approve all but these)"
    assert moving(CIRC1, CIRC2) == told
    assert moving(CIRC2) == ""
    assert moving() == "every circuit was left out"


def test_another_version_of_an_incompatible_circuit_may_go():
    older = replace(deployed(), model_version="2")
    update = plan_update("1.2.0", (older, deployed(stage=Stage.TEST)))
    assert objection(Stage.PROD, (CIRC1,), update, [judge(replace(SAME, one_sided=1), POLICY)]) == ""


def report(**item: Any) -> dict[str, Any]:
    measured = {
        "plant_id": "PLANT1", "circuit_id": "CIRC1", "model_version": "3", "problem": None, "windows": 24,
        "rows": 1, "failed_rows": 0, "latency_ms": {"p50": 1.0, "p95": 2.0}, "compared": 24,
        "differently_read": 0, "one_sided": 0, "max_difference": 0.0,
    }  # fmt: skip
    return {"schema_version": 1, "models": [measured | item]}


def read(old: dict[str, Any], new: dict[str, Any]) -> Comparison:
    return Comparison.read(CIRC1, "3", "1.1.0", "1.2.0", (old, new))


def test_two_reports_make_a_comparison():
    found = read(report(latency_ms={"p50": 1.0, "p95": None}), report())
    expected = Comparison(
        CIRC1, "3", "1.1.0", "1.2.0", compared=24, max_difference=0.0, old=Scored(None), new=Scored(2.0)
    )
    assert found == expected


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (report(problem="boom"), report(), "could not be scored in 1.1.0: boom"),
        (report(), report(problem="boom"), "boom"),
        (report(problem="first"), report(problem="second"), "could not be scored in 1.1.0: first"),
    ],
)
def test_what_broke_is_told_with_where(old: dict[str, Any], new: dict[str, Any], problem: str):
    assert read(old, new).problem == problem


@pytest.mark.parametrize("broken", [{}, {"models": []}, report(model_version="4"), report(compared=None)])
def test_a_report_that_lacks_something_is_refused(broken: dict[str, Any]):
    with pytest.raises(BadRequest, match=r"report\.json"):
        read(report(), broken)


@given(st.integers(0, 99), st.integers(0, 99), st.integers(0, 99))
def test_a_build_says_its_version_and_its_environment(major: int, minor: int, patch: int):
    version, environment = f"{major}.{minor}.{patch}", f"{patch}.{minor}.{major}"
    build = names.build(version, environment)
    assert (names.version_of(build), names.environment_of(build)) == (version, environment)


def test_what_is_no_build_has_no_environment():
    assert (names.version_of("1.0.0"), names.environment_of("1.0.0")) == ("1.0.0", "")
