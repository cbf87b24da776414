"""Azure's published schemas of resources, by api-version, made to judge instances instead of templates."""

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

SPECS = Path(__file__).parents[4] / "shared" / "specs"
PROVIDER = "Microsoft.MachineLearningServices"
_BASE = "https://schema.management.azure.com/schemas/"
# Registries answer at their data plane's versions, which are not published: the nearest that is.
_DATA_PLANE = "2023-10-01"


def resource_type(path: str) -> str | None:
    """`workspaces_models_versions` of a resource's or a list's path; None where it is not Azure ML's."""
    _, found, rest = path.partition(f"/providers/{PROVIDER}/")
    if not found or path.startswith(("/mlflow/", "/history/")):
        return None
    return "_".join(rest.rstrip("/").split("/")[::2])


@cache
def schema_of(kind: str, api_version: str) -> str | None:
    """The api-version whose schema judges resources of `kind`; None if none does."""
    if kind.startswith("registries") and not _file(api_version).is_file():
        api_version = _DATA_PLANE
    if not _file(api_version).is_file() or kind not in _document(api_version)["resourceDefinitions"]:
        return None
    return api_version


def errors(kind: str, api_version: str, body: dict[str, Any]) -> Iterator[str]:
    """What the schema of `kind` says against `body`: `properties/tags: …`."""
    for error in _validator(kind, api_version).iter_errors(body):
        yield f"{'/'.join(map(str, error.absolute_path)) or 'the body'}: {error.message}"


@cache
def _validator(kind: str, api_version: str) -> Draft202012Validator:
    document = _document(api_version)
    identifier = document["id"].rstrip("#")
    common = json.loads((SPECS / "definitions.json").read_text())
    registry = Registry().with_resources(
        [
            (f"{_BASE}common/definitions.json", Resource(common, DRAFT202012)),
            (identifier, Resource(document, DRAFT202012)),
        ]
    )
    return Draft202012Validator({"$ref": f"{identifier}#/resourceDefinitions/{kind}"}, registry=registry)


def _file(api_version: str) -> Path:
    return SPECS / f"{api_version}.json"


@cache
def _document(api_version: str) -> dict[str, Any]:
    document = _judging_instances(json.loads(_file(api_version).read_text()))
    derived = set(re.findall(r'"then": \{"\$ref": "#/definitions/(\w+)"', json.dumps(document)))
    for name, definition in document["definitions"].items():
        if name not in derived and definition.get("properties"):
            definition.setdefault("additionalProperties", False)
    return document


def _judging_instances(node: Any) -> Any:
    """No template expressions, enumerations in any case, unions by their discriminator, no property unheard of."""
    if isinstance(node, list):
        return [_judging_instances(item) for item in node]
    if not isinstance(node, dict):
        return node
    found = {key: _judging_instances(value) for key, value in node.items()}
    if isinstance(found.get("enum"), list) and all(isinstance(item, str) for item in found["enum"]):
        found["pattern"] = _any_case(found.pop("enum"))
    if isinstance(found.get("oneOf"), list):
        found |= _union(
            [item for item in found.pop("oneOf") if "expression" not in str(item.get("$ref", ""))]
        )
    if isinstance(found.get("allOf"), list) and any("allOf" in item for item in found["allOf"]):
        for item in found["allOf"]:
            item.pop("additionalProperties", None)
        found["unevaluatedProperties"] = False
    return found


def _union(choices: list[Any]) -> dict[str, Any]:
    """Exactly one kind of derived type per discriminator's value, else any of the choices."""
    if choices and all(isinstance(choice.get("allOf"), list) for choice in choices):
        return {"allOf": [_case(*choice["allOf"]) for choice in choices]}
    return choices[0] if len(choices) == 1 else {"anyOf": choices}


def _case(derived: dict[str, Any], discriminator: dict[str, Any]) -> dict[str, Any]:
    ((name, value),) = discriminator["properties"].items()
    when = {"properties": {name: {"pattern": _any_case([value["const"]])}}, "required": [name]}
    return {"if": when, "then": derived}


def _any_case(values: list[str]) -> str:
    """The SDK writes `aadToken` and `pay_as_you_go` where the schemas write `AADToken` and `PayAsYouGo`."""
    return "(?i)^(" + "|".join(re.escape(value).replace("_", "_?") for value in values) + ")$"
