"""Filters: a table of what passes, the operators against a plain reading of the documentation, and the limits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from localazure.event_grid.filters import holds, matches
from localazure.event_grid_config import AdvancedFilter, Subscription
from tests.localazure.event_grid.conftest import an_event, everything, metrics, publisher

EVENT = {
    "id": "e1",
    "topic": "/subscriptions/s/topics/busbar",
    "subject": "experiments/e/runs/Run-1",
    "eventType": "Microsoft.MachineLearningServices.RunStatusChanged",
    "eventTime": "2026-11-20T10:00:00Z",
    "dataVersion": "1",
    "data": {
        "runStatus": "Failed",
        "n": 5,
        "ok": True,
        "nothing": None,
        "tags": ["a", "B"],
        "deep": {"er": 1},
    },
}


def subscription(**fields):
    return Subscription.model_validate({"name": "one", "source": "busbar", "function": "f"} | fields)


@pytest.mark.parametrize(
    ("settings", "passes"),
    [
        ({}, True),
        ({"event_types": ["Microsoft.MachineLearningServices.RunStatusChanged"]}, True),
        ({"event_types": ["microsoft.machinelearningservices.runstatuschanged", "x"]}, True),
        ({"event_types": ["All"]}, True),
        ({"event_types": ["RunStatusChanged"]}, False),
        ({"subject_begins_with": "EXPERIMENTS/"}, True),
        ({"subject_begins_with": "EXPERIMENTS/", "is_subject_case_sensitive": True}, False),
        ({"subject_begins_with": "runs"}, False),
        ({"subject_ends_with": "/run-1"}, True),
        ({"subject_ends_with": "/Run-1", "is_subject_case_sensitive": True}, True),
        ({"subject_ends_with": "/run-1", "is_subject_case_sensitive": True}, False),
        ({"subject_begins_with": "experiments", "subject_ends_with": "other"}, False),
    ],
)
def test_types_and_subjects(settings, passes):
    assert matches(EVENT, subscription(**settings)) is passes


@pytest.mark.parametrize(
    ("operator", "key", "operand", "passes"),
    [
        ("StringIn", "data.runStatus", ["failed", "canceled"], True),
        ("StringIn", "Data.RunStatus", ["completed"], False),
        ("StringNotIn", "data.runStatus", ["FAILED"], False),
        ("StringContains", "subject", ["RUNS/"], True),
        ("StringNotContains", "Subject", ["runs/"], False),
        ("StringBeginsWith", "topic", ["/subscriptions/"], True),
        ("StringNotEndsWith", "id", ["2"], True),
        ("NumberIn", "data.n", [4, 5.0], True),
        ("NumberInRange", "data.n", [[1, 2], [5, 6]], True),
        ("NumberNotInRange", "data.n", [[5, 6]], False),
        ("NumberGreaterThan", "data.n", 5, False),
        ("NumberGreaterThanOrEquals", "data.n", 5, True),
        ("NumberLessThan", "data.deep.er", 2, True),
        ("BoolEquals", "data.ok", True, True),
        ("BoolEquals", "data.ok", False, False),
        # another type than the operator's is ignored: nothing matches, and nothing is forbidden
        ("StringContains", "data.n", ["5"], False),
        ("NumberIn", "data.ok", [1], False),
        ("NumberNotIn", "data.runStatus", [1], True),
        # a field that is missing or null
        ("IsNullOrUndefined", "data.nothing", None, True),
        ("IsNullOrUndefined", "data.missing.too", None, True),
        ("IsNullOrUndefined", "data.n", None, False),
        ("IsNotNull", "data.n", None, True),
        ("IsNotNull", "data.nothing", None, False),
        ("StringNotIn", "data.missing", ["a"], True),
        ("NumberNotIn", "data.missing", [1], True),
        ("StringNotContains", "data.missing", ["a"], False),
        ("StringNotBeginsWith", "data.missing", ["a"], False),
        ("NumberNotInRange", "data.missing", [[1, 2]], False),
        ("NumberLessThan", "data.missing", 1, False),
        ("StringIn", "data.runStatus.deeper", ["a"], False),
    ],
)  # fmt: skip
def test_conditions(operator, key, operand, passes):
    assert holds(condition(operator, key, operand), EVENT, on_arrays=False) is passes


@pytest.mark.parametrize(
    ("operator", "values", "on_arrays", "passes"),
    [
        ("StringIn", ["b"], True, True),
        ("StringIn", ["b"], False, False),
        ("StringNotIn", ["b"], True, False),
        ("StringNotIn", ["c"], True, True),
        ("NumberIn", [1], True, False),
    ],
)
def test_arrays_are_looked_into_on_request(operator, values, on_arrays, passes):
    assert holds(condition(operator, "data.tags", values), EVENT, on_arrays) is passes


def condition(operator, key, operand):
    name = "values" if isinstance(operand, list) else "value"
    return AdvancedFilter.model_validate({"operatorType": operator, "key": key, name: operand})


# What the documentation says of each operator, for one value and one operand, in words of Python.
REFERENCE = {
    "NumberLessThan": lambda found, wanted: found < wanted,
    "NumberLessThanOrEquals": lambda found, wanted: found <= wanted,
    "NumberGreaterThan": lambda found, wanted: found > wanted,
    "NumberGreaterThanOrEquals": lambda found, wanted: found >= wanted,
    "NumberIn": lambda found, wanted: found == wanted,
    "NumberInRange": lambda found, wanted: wanted[0] <= found <= wanted[1],
    "StringIn": lambda found, wanted: found.lower() == wanted.lower(),
    "StringContains": lambda found, wanted: wanted.lower() in found.lower(),
    "StringBeginsWith": lambda found, wanted: found.lower()[: len(wanted.lower())] == wanted.lower(),
    "StringEndsWith": lambda found, wanted: found.lower().endswith(wanted.lower()),
    "BoolEquals": lambda found, wanted: found is wanted,
}
NUMBER = st.integers(-3, 3) | st.sampled_from([-1.5, 0.0, 2.5])
STRING = st.text("abAB", max_size=3)
VALUE = NUMBER | STRING | st.booleans()


@st.composite
def conditions(draw):
    """(an operator, its operands)"""
    operator = draw(st.sampled_from(sorted(REFERENCE)))
    if operator.endswith("Range"):
        operands = st.lists(st.tuples(NUMBER, NUMBER).map(list), min_size=1, max_size=3)
    elif operator.startswith("String"):
        operands = st.lists(STRING, min_size=1, max_size=3)
    elif operator == "BoolEquals":
        operands = st.booleans()
    else:
        operands = st.lists(NUMBER, min_size=1, max_size=3) if operator == "NumberIn" else NUMBER
    return operator, draw(operands)


def is_of(operator, value):
    kinds = {"String": str, "Bool": bool}
    kind = next((kinds[name] for name in kinds if operator.startswith(name)), (int, float))
    return isinstance(value, kind) and (kind is bool or not isinstance(value, bool))


@given(conditions(), st.lists(VALUE, max_size=4))
def test_every_operator_and_its_negation_agree_with_the_reference(given_condition, found):
    operator, operands = given_condition
    wanted = operands if isinstance(operands, list) else [operands]
    expected = any(REFERENCE[operator](one, w) for one in found if is_of(operator, one) for w in wanted)
    event = {"data": {"x": found}}
    assert holds(condition(operator, "data.x", operands), event, on_arrays=True) is expected
    negated = {"NumberIn": "NumberNotIn", "NumberInRange": "NumberNotInRange"}.get(
        operator, operator.replace("String", "StringNot")
    )
    if negated != operator:
        assert holds(condition(negated, "data.x", operands), event, on_arrays=True) is not expected


@pytest.mark.parametrize(
    ("filters", "named"),
    [
        ([{"operatorType": "StringLike", "key": "id", "values": ["a"]}], "StringLike"),
        ([{"operatorType": "StringIn", "key": "id", "values": [1]}], "StringIn"),
        ([{"operatorType": "StringIn", "key": "id", "values": []}], "StringIn"),
        ([{"operatorType": "StringIn", "key": "id", "value": "a"}], "StringIn"),
        ([{"operatorType": "StringIn", "key": "id", "values": ["a" * 513]}], "StringIn"),
        ([{"operatorType": "NumberLessThan", "key": "id", "value": True}], "NumberLessThan"),
        ([{"operatorType": "NumberInRange", "key": "id", "values": [[1]]}], "NumberInRange"),
        ([{"operatorType": "BoolEquals", "key": "id", "value": 1}], "BoolEquals"),
        ([{"operatorType": "IsNotNull", "key": "id", "values": [1]}], "IsNotNull"),
        ([{"operatorType": "IsNotNull", "key": ""}], "key"),
        ([{"operatorType": "IsNotNull", "key": "id"}] * 26, "25"),
        ([{"operatorType": "NumberIn", "key": "id", "values": list(range(13))}] * 2, "26 filter values"),
    ],
)
def test_a_filter_that_azure_would_refuse_is_refused_and_named(filters, named):
    with pytest.raises(ValidationError, match=named):
        subscription(advanced_filters=filters)


def test_only_what_every_condition_wants_is_delivered(start, receiver, wait):
    filters = [
        {"operator_type": "StringIn", "key": "data.runStatus", "values": ["Failed", "Canceled"]},
        {"operator_type": "NumberGreaterThan", "key": "data.n", "value": 3},
    ]
    azure = start([everything(advanced_filters=filters)])
    publisher(azure).send(
        [
            an_event(id="both", data={"runStatus": "failed", "n": 4}),
            an_event(id="one", data={"runStatus": "failed", "n": 3}),
            an_event(id="none", data={}),
        ]
    )
    wait(lambda: metrics(azure)["delivered"] == 1)
    assert [got.json[0]["id"] for got in receiver.received] == ["both"]
    assert metrics(azure)["matched"] == 1
