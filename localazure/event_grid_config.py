"""The `event_grid` section of the configuration: topics, subscriptions and their filters, in Azure's own terms."""

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic.alias_generators import to_camel

EventSchema = Literal["EventGridSchema", "CloudEventSchemaV1_0"]
Number = int | float
LOOPBACK = r"^https?://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?(/|\?|$)"

MAX_FILTERS = 25
MAX_FILTER_VALUES = 25  # of all the filters of a subscription together
MAX_STRING = 512

ONE_NUMBER = (
    "NumberLessThan",
    "NumberLessThanOrEquals",
    "NumberGreaterThan",
    "NumberGreaterThanOrEquals",
)
NUMBERS = ("NumberIn", "NumberNotIn")
RANGES = ("NumberInRange", "NumberNotInRange")
STRINGS = (
    "StringIn", "StringNotIn", "StringContains", "StringNotContains",
    "StringBeginsWith", "StringNotBeginsWith", "StringEndsWith", "StringNotEndsWith",
)  # fmt: skip
NULLS = ("IsNullOrUndefined", "IsNotNull")
OPERATORS = (*ONE_NUMBER, *NUMBERS, *RANGES, *STRINGS, "BoolEquals", *NULLS)


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class AdvancedFilter(_Section):
    """A condition on one field of an event, as `advancedFilters` has it; `key` is a path such as `data.runStatus`.

    Operators that compare with one thing take `value`, the others `values`; a range is `[low, high]`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=to_camel, populate_by_name=True)

    operator_type: str
    key: str = Field(min_length=1, max_length=MAX_STRING)
    value: Any = None
    values: tuple[Any, ...] = ()

    @model_validator(mode="after")
    def _fits_its_operator(self) -> Self:
        operator = self.operator_type
        if operator not in OPERATORS:
            raise ValueError(f"operatorType: {operator!r} is none of {', '.join(OPERATORS)}")
        if operator in (*ONE_NUMBER, "BoolEquals"):
            fits, form = _is_operand(operator, self.value) and not self.values, "one `value`"
        elif operator in NULLS:
            fits, form = self.value is None and not self.values, "no value"
        else:
            fits = bool(self.values) and all(_is_operand(operator, one) for one in self.values)
            fits, form = fits and self.value is None, "`values`"
        if not fits:
            raise ValueError(f"{operator} on {self.key!r} takes {form} of its type")
        return self


def is_number(value: Any) -> bool:
    return isinstance(value, Number) and not isinstance(value, bool)


def _is_operand(operator: str, value: Any) -> bool:
    if operator in RANGES:
        return (
            isinstance(value, list | tuple) and len(value) == 2 and all(is_number(end) for end in value)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]  # JSON
        )
    if operator in (*ONE_NUMBER, *NUMBERS):
        return is_number(value)
    if operator == "BoolEquals":
        return isinstance(value, bool)
    return isinstance(value, str) and len(value) <= MAX_STRING


class Subscription(_Section):
    """An event subscription: `source` is a topic's or a workspace's name. It delivers to a `function` of the app or to
    a `webhook`, an absolute loopback URL. `delivery_schema` is the source's where it is not given. What cannot be
    delivered is dropped unless `dead_letter_container` names a blob container."""

    name: str = Field(pattern=r"^[A-Za-z0-9-]{1,64}$")
    source: str
    function: str | None = None
    webhook: str | None = Field(default=None, pattern=LOOPBACK)
    delivery_schema: EventSchema | None = None
    event_types: tuple[str, ...] = ()
    subject_begins_with: str = ""
    subject_ends_with: str = ""
    is_subject_case_sensitive: bool = False
    advanced_filters: tuple[AdvancedFilter, ...] = Field(default=(), max_length=MAX_FILTERS)
    enable_advanced_filtering_on_arrays: bool = False
    max_events_per_batch: int = Field(default=1, ge=1, le=5000)
    preferred_batch_size_in_kilobytes: int = Field(default=64, ge=1, le=1024)
    max_delivery_attempts: int = Field(default=30, ge=1, le=30)
    event_time_to_live_in_minutes: int = Field(default=1440, ge=1, le=1440)
    dead_letter_container: str | None = None
    delivery_headers: dict[str, str] = Field(default={}, max_length=10)

    @property
    def destination(self) -> str:
        """For a person: where its events go."""
        return self.webhook or f"function {self.function}"

    @model_validator(mode="after")
    def _has_one_destination(self) -> Self:
        if (self.function is None) == (self.webhook is None):
            raise ValueError(f"{self.name!r} needs either a `function` or a `webhook`")
        return self

    @model_validator(mode="after")
    def _keeps_to_the_limit(self) -> Self:
        values = sum(max(1, len(one.values)) for one in self.advanced_filters)
        if values > MAX_FILTER_VALUES:
            raise ValueError(f"{self.name!r} has {values} filter values; the limit is {MAX_FILTER_VALUES}")
        return self


class Topic(_Section):
    """A custom topic; it takes events of one schema. It is in the section's resource group unless it names another."""

    name: str = Field(pattern=r"^[A-Za-z0-9-]{3,50}$")
    resource_group: str | None = None
    input_schema: EventSchema = "EventGridSchema"


class Disorder(_Section):
    """Delivery out of order, repeatable by its `seed`: each event waits up to `within_seconds`, and the share
    `duplicates` of them comes twice."""

    seed: int = 0
    within_seconds: float = Field(default=2.0, ge=0)
    duplicates: float = Field(default=0.1, ge=0, le=1)


class EventGrid(_Section):
    """Custom topics (a name, or a name and an `input_schema`) and subscriptions. Every wait of Azure's schedule (10 s,
    30 s, 1 min, … 12 h), the time to live and the delays of dead-lettering are multiplied by `time_scale`."""

    topics: tuple[Topic, ...] = ()
    resource_group: str = "local-rg"
    subscriptions: tuple[Subscription, ...] = ()
    time_scale: float = Field(default=1.0, gt=0)
    answer_within_seconds: float = Field(default=30.0, gt=0)
    disorder: Disorder | None = None

    @field_validator("topics", mode="before")
    @classmethod
    def _named(cls, topics: Any) -> Any:
        if not isinstance(topics, list | tuple):
            return topics
        return [{"name": one} if isinstance(one, str) else one for one in topics]  # pyright: ignore[reportUnknownVariableType] - YAML

    @model_validator(mode="after")
    def _schemas_agree(self) -> Self:
        inputs: Mapping[str, EventSchema] = {topic.name: topic.input_schema for topic in self.topics}
        for one in self.subscriptions:
            check_schemas(inputs.get(one.source, "EventGridSchema"), one.delivery_schema)
        return self


def check_schemas(input_schema: EventSchema, delivery_schema: EventSchema | None) -> None:
    """Raises `ValueError` for the one conversion that Event Grid does not do."""
    if input_schema == "CloudEventSchemaV1_0" and delivery_schema == "EventGridSchema":
        raise ValueError("The event delivery schema EventGridSchema needs a topic that takes EventGridSchema")
