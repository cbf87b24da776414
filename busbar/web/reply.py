"""What a route answers, before any web framework."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from busbar import pages

HTML = "text/html; charset=utf-8"
JSON = "application/json; charset=utf-8"


@dataclass(frozen=True)
class Reply:
    """Status, body (`content` where it is no text), content type and further headers."""

    status: int
    body: str = ""
    content_type: str = "text/plain; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    content: bytes = b""

    @classmethod
    def html(cls, status: int, body: str, headers: Mapping[str, str] | None = None) -> "Reply":
        """A page, which may run no script, be framed by nobody and leak no address."""
        safety = {
            "Content-Security-Policy": pages.content_security_policy(),
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
        }
        return cls(status, body, HTML, safety | dict(headers or {}))

    @classmethod
    def json(cls, status: int, value: Any, headers: Mapping[str, str] | None = None) -> "Reply":
        return cls(status, json.dumps(value, ensure_ascii=False, allow_nan=False), JSON, dict(headers or {}))

    @classmethod
    def message(cls, status: int, title: str, text: str, headers: Mapping[str, str] | None = None) -> "Reply":
        """A page that says one thing."""
        return cls.html(status, pages.message(title, text, status), headers)

    def head(self) -> "Reply":
        """The same without its body, for HEAD."""
        return replace(self, body="")


def header(headers: Mapping[str, str], name: str) -> str | None:
    """A header's value whatever the casing of its name."""
    return next((value for key, value in headers.items() if key.lower() == name.lower()), None)


def unless_known(reply: Reply, headers: Mapping[str, str]) -> Reply:
    """`reply` with an ETag of its content, or 304 where the asker has just that."""
    tag = f'"{hashlib.sha256(reply.body.encode()).hexdigest()[:32]}"'
    tagged = {**reply.headers, "ETag": tag, "Cache-Control": "no-cache"}
    known = (header(headers, "If-None-Match") or "").split(",")
    if {tag, "*"} & {one.strip().removeprefix("W/") for one in known}:
        return Reply(304, headers=tagged)
    return replace(reply, headers=tagged)
