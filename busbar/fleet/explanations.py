"""What pydantic found, in words that tell the author of a file what to do."""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import ErrorDetails


def explain(model: type[BaseModel], detail: ErrorDetails) -> str:
    """The sentence for one finding in a `model`."""
    match detail["type"]:
        case "missing":
            return "is missing"
        case "extra_forbidden":
            return unknown(str(detail["loc"][-1]), _known_keys(model, detail["loc"][:-1]))
        case "value_error":
            return str(detail["msg"]).removeprefix("Value error, ")
        case "model_type" | "dict_type":
            return f"{_shown(detail)} is not a mapping of keys to values"
        case _:
            message = str(detail["msg"])
            return f"{_shown(detail)}: {message[:1].lower()}{message[1:]}"


def unknown(name: str, known: Iterable[str], kind: str = "key") -> str:
    """`unknown key; did you mean cutoff_date?`, or the list of what is known."""
    names = {one.lower(): one for one in sorted(known)}
    near = get_close_matches(name.lower(), names, n=1)
    hint = f"did you mean {names[near[0]]}?" if near else f"known: {', '.join(names.values())}"
    return f"unknown {kind}; {hint}"


def _shown(detail: ErrorDetails) -> str:
    value = detail["input"]
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else "a list"
    return (
        "nothing" if value is None else f"{str(value)[:60]!r}" if isinstance(value, str) else str(value)[:60]
    )


def _known_keys(model: type[BaseModel], loc: tuple[int | str, ...]) -> list[str]:
    """The keys that the model at `loc` within `model` takes."""
    here: Any = model
    for part in loc:
        if isinstance(here, type) and issubclass(here, BaseModel):
            here = _optional(here.model_fields[str(part)].annotation)
        elif get_origin(here) in (list, dict):
            here = _optional(get_args(here)[-1])
    if not (isinstance(here, type) and issubclass(here, BaseModel)):
        return []
    return [field.alias or name for name, field in here.model_fields.items()]


def _optional(annotation: Any) -> Any:
    """`X | None` as X; anything else as it is."""
    rest = [part for part in get_args(annotation) if part is not type(None)]
    return rest[0] if len(rest) == 1 and type(None) in get_args(annotation) else annotation
