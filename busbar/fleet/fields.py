"""What the values of keys in `config/` must be: names, dates, shares, numbers of hours."""

import re
from datetime import date
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, BeforeValidator, Field

from busbar.domain.circuits import CircuitKey
from busbar.domain.errors import BadRequest


def _identifier(text: str) -> str:
    try:
        valid = CircuitKey.parse(f"{text}/X").plant_id == text
    except BadRequest:
        valid = False
    if not valid:
        raise ValueError(f"{text!r} is not 1 to 16 letters and digits, a letter first")
    return text


def _label(text: str) -> str:
    if not (text and text.isprintable() and text == text.strip() and len(text) <= 100):
        raise ValueError(f"{text[:60]!r} is not 1 to 100 printable characters without blanks around them")
    return text


def _date(value: Any) -> date:
    if not (isinstance(value, str) and re.fullmatch(r"\d{4}-\d{2}-\d{2}", value, re.ASCII)):
        raise ValueError(f"{value!r} is not a date, YYYY-MM-DD")
    try:
        return date.fromisoformat(value)
    except ValueError as error:
        raise ValueError(f"{value!r} is not a date: {error}") from error


def _mail(text: str) -> str:
    if not re.fullmatch(r"[^@\s<>,;]+@[^@\s<>,;]+\.[^@\s<>,;]+", text):
        raise ValueError(f"{text!r} is not a mail address")
    return text


def _object_id(text: str) -> str:
    if not re.fullmatch(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", text):
        raise ValueError(f"{text!r} is not a directory object id (a GUID)")
    return str(UUID(text))


def _relative(text: str) -> str:
    if text.startswith("/") or ".." in text.split("/"):
        raise ValueError(f"{text!r} is not a path within the raw container, like PLANT1/*.csv")
    return text


Identifier = Annotated[str, AfterValidator(_identifier)]
Label = Annotated[str, AfterValidator(_label)]
IsoDate = Annotated[date, BeforeValidator(_date)]
Share = Annotated[float, Field(ge=0, le=1)]
Percent = Annotated[float, Field(ge=0, le=100)]
Days = Annotated[int, Field(ge=1, le=36_500)]
Hours = Annotated[float, Field(gt=0, le=720)]
Seconds = Annotated[float, Field(gt=0, le=86_400)]
TrainingDays = Annotated[int, Field(ge=1, le=3650)]
FrequencyMinutes = Annotated[int, Field(ge=1, le=1440)]
Mail = Annotated[str, AfterValidator(_mail)]
ObjectId = Annotated[str, AfterValidator(_object_id)]
RelativePath = Annotated[str, AfterValidator(_label), AfterValidator(_relative)]
