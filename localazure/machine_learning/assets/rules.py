"""What the service refuses of an asset before it looks at what is registered."""

import re
from collections.abc import Mapping

from localazure.machine_learning.jobs.graph import referenced
from localazure.machine_learning.routing import Call, Json
from localazure.web import azure_error

_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,254}")
_DATA_TYPES = ("uri_file", "uri_folder", "mltable")
_REQUIRED: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "environments": (("image", "condaFile", "build"),),
    "components": (("componentSpec",),),
    "codes": (("codeUri",),),
    "data": (("dataUri",), ("dataType",)),
    "models": (("modelUri",),),
}


def check_asset(call: Call, kind: str) -> Json:
    """The `properties` of a PUT of one version; refuses with 400 what no version may be like."""
    for what in ("name", "version"):
        if not _NAME.fullmatch(call.path[what]):
            raise _refused(
                f"The {what} {call.path[what]!r} is not valid: letters, digits, dashes, underscores and dots, a "
                "letter or digit first, at most 255 characters."
            )
    properties: Json = call.required("properties")
    for alternatives in _REQUIRED[kind]:
        if not any(properties.get(name) for name in alternatives):
            call.required("properties", alternatives[0])
    if kind == "components":
        _check_component(properties["componentSpec"], call.path["name"], call.path["version"])
    if kind == "data" and str(properties["dataType"]).lower() not in _DATA_TYPES:
        raise _refused(f"dataType {properties['dataType']!r} is none of {', '.join(_DATA_TYPES)}.")
    return properties


def _check_component(spec: Json, name: str, version: str) -> None:
    for key, expected in (("name", name), ("version", version)):
        value = spec.get(key, expected)
        if not isinstance(value, str):
            raise _refused(f"componentSpec.{key} is {value!r}, which is no text: put it in quotes.")
        if value != expected:
            raise _refused(f"componentSpec.{key} is {value!r}, the address says {expected!r}.")
    for section, used in sorted(referenced(str(spec.get("command") or ""))):
        if used not in (spec.get(section) or {}):
            raise _refused(
                f"The command of {name} uses {section}.{used}, which the component does not declare."
            )


def _refused(message: str) -> Exception:
    return azure_error(400, "UserError", message)
