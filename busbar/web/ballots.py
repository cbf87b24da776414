"""What a person sends from an approval page: the form, read and checked."""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import parse_qs

from busbar import pages
from busbar.domain.approval import ApprovalRequest, Choice
from busbar.domain.circuits import CircuitKey
from busbar.domain.errors import BadRequest

MAX_BODY = 64 * 1024
MAX_REASON = 1000


class Foreign(BadRequest):
    """A form that is not of the page it was sent to: nobody filled it in there."""


@dataclass(frozen=True)
class Ballot:
    """A decision as it was written down."""

    choice: Choice
    reason: str
    excluded: tuple[CircuitKey, ...]


def csrf(token: str, request: ApprovalRequest) -> str:
    """The form's second half of the link's secret, bound to what is shown."""
    bound = f"vote\0{request.id}\0{request.digest}".encode()
    return hmac.new(token.encode(), bound, hashlib.sha256).hexdigest()


def read(body: bytes, view: pages.ApprovalView) -> Ballot:
    """The decision in a form; raises `BadRequest` naming the field, `Foreign` where the page's secret is not in it."""
    fields = _fields(body)
    if not hmac.compare_digest(_one(fields, "csrf").encode(), view.csrf.encode()):
        raise Foreign("csrf", "this form is not of this page: look at the evidence below and decide here")
    try:
        choice = Choice(_one(fields, "choice"))
    except ValueError as error:
        raise BadRequest("choice", f"one of {', '.join(Choice)} is needed") from error
    reason = _clean(_one(fields, "reason"))
    if choice is Choice.REJECT:
        if not reason:
            raise BadRequest("reason", "a rejection needs one: the requester reads it")
        return Ballot(choice, reason, ())
    return Ballot(choice, reason, _exclusions(fields.get("exclude", []), view))


def refilled(view: pages.ApprovalView, body: bytes, problem: str) -> pages.ApprovalView:
    """The page with what was wrong, and what the person had filled in."""
    try:
        fields = _fields(body)
    except BadRequest:
        fields = dict[str, list[str]]()
    reason = fields.get("reason", [""])[0][:MAX_REASON]
    return replace(view, problem=problem, reason=reason, excluded=tuple(fields.get("exclude", [])))


def _fields(body: bytes) -> dict[str, list[str]]:
    if len(body) > MAX_BODY:
        raise BadRequest("body", f"more than {MAX_BODY} bytes")
    try:
        return parse_qs(body.decode(), keep_blank_values=True, max_num_fields=2000, errors="strict")
    except ValueError as error:
        raise BadRequest("body", "not a form (application/x-www-form-urlencoded, UTF-8)") from error


def _one(fields: Mapping[str, list[str]], name: str) -> str:
    values = fields.get(name, [""])
    if len(values) > 1:
        raise BadRequest(name, "sent more than once")
    return values[0]


def _clean(reason: str) -> str:
    text = "".join(
        character for character in reason if character.isprintable() or character in "\n\t"
    ).strip()
    if len(text) > MAX_REASON:
        raise BadRequest("reason", f"longer than {MAX_REASON} characters")
    return text


def _exclusions(values: list[str], view: pages.ApprovalView) -> tuple[CircuitKey, ...]:
    """The circuits to leave out, each in question; something has to remain once all votes are put together."""
    if not values:
        return ()
    keys = {CircuitKey.parse(value) for value in values}
    pinned = {one.key for one in (view.release.pins if view.release else view.request.asked)}
    if unknown := sorted(keys - pinned):
        raise BadRequest("exclude", f"{', '.join(map(str, unknown))} is not in what is asked")
    if not pinned - keys - {key for vote in view.votes for key in vote.excluded}:
        raise BadRequest("exclude", "nothing would be left: reject instead, with a reason")
    return tuple(sorted(keys))
