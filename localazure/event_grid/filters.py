"""Which events a subscription asks for: types, subjects, and conditions on any field."""

from collections.abc import Mapping
from operator import ge, gt, le, lt
from typing import Any

from localazure.event_grid.schema import event_type
from localazure.event_grid_config import ONE_NUMBER, AdvancedFilter, Subscription, is_number

_COMPARISONS = {
    "NumberLessThan": lt,
    "NumberLessThanOrEquals": le,
    "NumberGreaterThan": gt,
    "NumberGreaterThanOrEquals": ge,
}
# Without the field there is nothing to compare with, so all the others let the event pass by.
_MATCH_WITHOUT_FIELD = ("NumberNotIn", "StringNotIn", "IsNullOrUndefined")


def matches(event: Mapping[str, Any], subscription: Subscription) -> bool:
    """Whether `subscription` wants `event`: every one of its conditions holds."""
    return (
        _has_type(event, subscription)
        and _has_subject(event, subscription)
        and all(
            holds(one, event, subscription.enable_advanced_filtering_on_arrays)
            for one in subscription.advanced_filters
        )
    )


def _has_type(event: Mapping[str, Any], subscription: Subscription) -> bool:
    wanted = {name.lower() for name in subscription.event_types}
    return not wanted or "all" in wanted or event_type(event).lower() in wanted


def _has_subject(event: Mapping[str, Any], subscription: Subscription) -> bool:
    subject = str(event.get("subject") or "")
    begin, end = subscription.subject_begins_with, subscription.subject_ends_with
    if not subscription.is_subject_case_sensitive:
        subject, begin, end = subject.lower(), begin.lower(), end.lower()
    return subject.startswith(begin) and subject.endswith(end)


def holds(condition: AdvancedFilter, event: Mapping[str, Any], on_arrays: bool) -> bool:
    """Whether `condition` holds for `event`; with `on_arrays` one element of an array is enough (for a negated
    operator: none of them may be named). Values of another type than the operator's are ignored."""
    found, operator = field_of(event, condition.key), condition.operator_type
    if found is None:
        return operator in _MATCH_WITHOUT_FIELD
    if operator in ("IsNullOrUndefined", "IsNotNull"):
        return operator == "IsNotNull"
    candidates: list[Any] = found if isinstance(found, list) and on_arrays else [found]
    any_holds = any(_compare(operator.replace("Not", ""), one, condition) for one in candidates)
    return not any_holds if "Not" in operator else any_holds


def _compare(operator: str, found: Any, condition: AdvancedFilter) -> bool:
    if operator == "BoolEquals":
        return isinstance(found, bool) and found == condition.value
    if operator.startswith("Number"):
        return is_number(found) and _compare_number(operator, found, condition)
    return isinstance(found, str) and any(
        _compare_string(operator, found.lower(), one.lower()) for one in condition.values
    )


def _compare_number(operator: str, found: float, condition: AdvancedFilter) -> bool:
    if operator in ONE_NUMBER:
        return _COMPARISONS[operator](found, condition.value)
    if operator == "NumberIn":
        return found in condition.values
    return any(low <= found <= high for low, high in condition.values)


def _compare_string(operator: str, found: str, wanted: str) -> bool:
    match operator:
        case "StringContains":
            return wanted in found
        case "StringBeginsWith":
            return found.startswith(wanted)
        case "StringEndsWith":
            return found.endswith(wanted)
        case _:
            return found == wanted


def field_of(event: Mapping[str, Any], path: str) -> Any:
    """The value at `path` (`data.a.b`), names compared without regard to case where none is exact; None if there is
    none."""
    value: Any = event
    for name in path.split("."):
        if not isinstance(value, Mapping):
            return None
        fields: Mapping[str, Any] = value  # pyright: ignore[reportUnknownVariableType] - JSON
        value = (
            fields[name]
            if name in fields
            else next((v for k, v in fields.items() if k.lower() == name.lower()), None)
        )
    return value
