"""How faults are asked for, by the page's form and the command line alike."""

from collections.abc import Mapping, Sequence
from typing import Any

from localazure.faults.fault import FaultError

PATH = "/admin/faults"


def pairs(texts: Sequence[str], field: str) -> dict[str, str]:
    """`name=value` each. Raises `FaultError`."""
    for text in texts:
        if "=" not in text:
            raise FaultError(f"{field}: {text!r} is not of the form name=value")
    return dict(text.split("=", 1) for text in texts)


def from_form(fields: Mapping[str, str]) -> dict[str, Any]:
    """The body of the API for the fields of a form, in which `where` and `parameters` are lists of pairs."""
    plain = {name: value for name, value in fields.items() if name not in ("where", "parameters")}
    return plain | {name: pairs(fields.get(name, "").split(), name) for name in ("where", "parameters")}
