"""What a person sends from a page: a form, read and checked."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

from busbar.domain.errors import BadRequest
from busbar.inbound.fields import optional_text

MAX_BODY = 64 * 1024
MAX_TEXT = 1000


class Form:
    """The fields of a POSTed form; every method raises `BadRequest` naming the field."""

    def __init__(self, fields: Mapping[str, list[str]]):
        self._fields = fields

    @classmethod
    def read(cls, body: bytes) -> "Form":
        if len(body) > MAX_BODY:
            raise BadRequest("body", f"more than {MAX_BODY} bytes")
        try:
            return cls(parse_qs(body.decode(), keep_blank_values=True, max_num_fields=2000, errors="strict"))
        except ValueError as error:
            raise BadRequest("body", "not a form (application/x-www-form-urlencoded, UTF-8)") from error

    def one(self, name: str) -> str:
        """The field's value, empty where it is missing."""
        values = self._fields.get(name, [""])
        if len(values) > 1:
            raise BadRequest(name, "sent more than once")
        return values[0]

    def text(self, name: str) -> str:
        """The field as printable text without blanks around it."""
        return printable(name, self.one(name))


def printable(name: str, text: str) -> str:
    """What is printable of `text`, at most 1000 characters; raises `BadRequest`."""
    kept = "".join(character for character in text if character.isprintable() or character in "\n\t").strip()
    if len(kept) > MAX_TEXT:
        raise BadRequest(name, f"longer than {MAX_TEXT} characters")
    return kept


def optional(document: Mapping[str, Any], key: str) -> str:
    """The same of a JSON document's text under `key`, empty where it is missing; raises `BadRequest`."""
    return printable(key, optional_text(document, key))
