"""Reading single fields of documents that nobody has checked."""

import json
import re
from collections.abc import Mapping
from typing import Any, cast

from busbar.domain.errors import BadRequest

MAX_TEXT = 255
_COMMIT = re.compile(r"[0-9a-f]{40}")


def json_object(body: bytes) -> Mapping[str, Any]:
    """The JSON object in `body`; raises `BadRequest`."""
    try:
        document: object = json.loads(body)
    except (ValueError, RecursionError) as error:
        problem = "is not JSON (set the sender's content type to application/json)"
        raise BadRequest("body", problem) from error
    return mapping("body", document)


def mapping(name: str, value: object) -> Mapping[str, Any]:
    """`value` if it is an object with text keys; raises `BadRequest`."""
    if not (isinstance(value, Mapping) and all(isinstance(key, str) for key in cast(Any, value))):
        raise BadRequest(name, "is not a JSON object")
    return cast(Mapping[str, Any], value)


def section(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """The object under `name`; empty where it is missing or null. Raises `BadRequest`."""
    value = document.get(name)
    return {} if value is None else mapping(name, value)


def text(document: Mapping[str, Any], key: str, name: str | None = None) -> str:
    """The text under `key` (`name` is what a message calls it), 1 to 255 printable characters; raises `BadRequest`."""
    value = document.get(key)
    if value is None:
        raise BadRequest(name or key, "is missing")
    if not (isinstance(value, str) and 0 < len(value) <= MAX_TEXT and value.isprintable()):
        raise BadRequest(name or key, f"is not a text of 1 to {MAX_TEXT} printable characters")
    return value


def optional_text(document: Mapping[str, Any], key: str, default: str = "") -> str:
    """The text under `key` without blanks around it, `default` where it is missing; raises `BadRequest`."""
    value = document.get(key, default)
    if not isinstance(value, str):
        raise BadRequest(key, "not text")
    return value.strip()


def commit(document: Mapping[str, Any], key: str, name: str | None = None) -> str:
    """The commit under `key`, 40 hex digits in lower case; raises `BadRequest`."""
    value = text(document, key, name)
    if not _COMMIT.fullmatch(value):
        raise BadRequest(name or key, "is not a commit (40 hex digits)")
    return value


def boolean(document: Mapping[str, Any], key: str, name: str | None = None) -> bool:
    """The boolean under `key`, false where it is missing or null; raises `BadRequest`."""
    value = document.get(key)
    if not (value is None or isinstance(value, bool)):
        raise BadRequest(name or key, "is neither true nor false")
    return bool(value)


def folded(document: Mapping[str, Any]) -> dict[str, Any]:
    """The same keys in lower case, for senders that change their minds about it."""
    return {key.lower(): value for key, value in document.items()}
