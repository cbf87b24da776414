"""Exchanges against Azure's schemas: what an SDK sent and we took, what we gave, and how we refused."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from tests.localazure.contracts import schemas
from tests.localazure.contracts.deviations import ACCEPTED, READ_ONLY, Deviation
from tests.localazure.contracts.exchanges import Exchange

Side = Literal["request", "response"]


@dataclass(frozen=True)
class Finding:
    """A body that its schema does not allow."""

    side: Side
    kind: str
    api_version: str
    message: str

    def __str__(self) -> str:
        return f"{self.side} of {self.kind} ({self.api_version}): {self.message}"


def findings(exchange: Exchange) -> list[Finding]:
    """What is wrong with one exchange and is no accepted deviation."""
    return [finding for finding in _findings(exchange) if accepted_by(finding) is None]


def accepted_by(finding: Finding) -> Deviation | None:
    return next((one for one in ACCEPTED if one.covers(finding.side, finding.kind, finding.message)), None)


def accepted_findings(exchange: Exchange) -> set[str]:
    """The reasons of the accepted deviations that an exchange needs."""
    found = (accepted_by(finding) for finding in _findings(exchange))
    return {deviation.reason for deviation in found if deviation}


def sides(exchange: Exchange) -> set[Side]:
    """Which of the exchange's bodies a schema judges."""
    kind = _kind(exchange)
    if kind is None or exchange.status >= 300 or schemas.schema_of(kind, exchange.api_version) is None:
        return set()
    asked: set[Side] = {"request"} if exchange.method == "PUT" and exchange.is_sdks else set()
    return asked | ({"response"} if any(True for _ in _resources(exchange)) else set())


def _findings(exchange: Exchange) -> Iterator[Finding]:
    kind = _kind(exchange)
    if kind is None:
        return
    if exchange.status >= 400:
        yield from _refusal(exchange, kind)
        return
    judged = sides(exchange)
    version = exchange.api_version
    if "request" in judged:
        name = exchange.path.rpartition("/")[2]
        body = {**exchange.body, "name": name, "type": _type(kind)}
        yield from _judged("request", kind, version, body)
    if "response" in judged:
        for resource in _resources(exchange):
            yield from _judged("response", kind, version, _sendable(resource, kind))


def _judged(side: Side, kind: str, version: str, body: dict[str, Any]) -> Iterator[Finding]:
    for message in _messages(kind, version, json.dumps(body, sort_keys=True)):
        yield Finding(side, kind, version, message)


@cache
def _messages(kind: str, version: str, body: str) -> tuple[str, ...]:
    """Kept, because what polls gets the same again and again."""
    judge = schemas.schema_of(kind, version)
    assert judge is not None
    return tuple(schemas.errors(kind, judge, {**json.loads(body), "apiVersion": judge}))


def _refusal(exchange: Exchange, kind: str) -> Iterator[Finding]:
    """ARM's shape of an error."""
    match exchange.answer:
        case {"error": {"code": str(), "message": str()}}:
            return
        case _ if exchange.method == "HEAD":
            return
        case answer:
            message = f"{exchange.status} without an error of code and message: {answer}"
            yield Finding("response", kind, exchange.api_version, message)


def _kind(exchange: Exchange) -> str | None:
    return schemas.resource_type(exchange.path)


def _type(kind: str) -> str:
    return f"{schemas.PROVIDER}/{kind.replace('_', '/')}"


def _resources(exchange: Exchange) -> Iterable[Any]:
    """The resources in an answer: the one, or a list's."""
    if exchange.method not in ("GET", "PUT", "PATCH") or not isinstance(exchange.answer, dict):
        return []
    return exchange.answer.get("value", [exchange.answer])


def _sendable(resource: Any, kind: str) -> Any:
    """A resource without what the schemas, made for what is sent, do not have: read-only properties and nulls."""
    found = _without_nulls(resource)
    for path in (*READ_ONLY[""], *READ_ONLY.get(kind, ())):
        _remove(found, path.split("."))
    return found


def _without_nulls(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _without_nulls(value) for key, value in node.items() if value is not None}
    return [_without_nulls(item) for item in node] if isinstance(node, list) else node


def _remove(node: Any, path: list[str]) -> None:
    *parents, last = path
    for name in parents:
        node = node.get(name) if isinstance(node, dict) else None
    if isinstance(node, dict):
        node.pop(last, None)
