"""GitHub's webhooks (https://docs.github.com/webhooks): is it from GitHub, and which branch moved?"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import Any

from busbar.domain.errors import BadRequest
from busbar.domain.events import RepositoryPushed
from busbar.inbound import fields

BRANCHES = "refs/heads/"
_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)


def verify_signature(secret: str, body: bytes, header: str | None) -> bool:
    """Whether `header` (`X-Hub-Signature-256`) signs the raw `body`, compared in constant time.

    Without a secret nothing is trusted: an empty one would let anybody sign.
    """
    if not (secret and header):
        return False
    expected = "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected.encode(), header.encode(errors="replace"))


def read_push(headers: Mapping[str, str], body: bytes) -> RepositoryPushed | None:
    """The push of a branch; `None` for other events (`ping`) and for tags. Raises `BadRequest` naming the field."""
    event = fields.text(fields.folded(headers), "x-github-event", "X-GitHub-Event")
    if event != "push":
        return None
    payload = fields.json_object(body)
    ref = fields.text(payload, "ref")
    if not ref.startswith(BRANCHES):
        return None
    return RepositoryPushed(
        repository=_repository(payload),
        branch=_branch(ref),
        before=fields.commit(payload, "before"),
        after=fields.commit(payload, "after"),
        requester=_requester(payload),
        forced=fields.boolean(payload, "forced"),
    )


def _branch(ref: str) -> str:
    branch = ref.removeprefix(BRANCHES)
    if not branch:
        raise BadRequest("ref", f"{ref!r} names no branch")
    return branch


def _repository(payload: Mapping[str, Any]) -> str:
    name = fields.text(fields.section(payload, "repository"), "full_name", "repository.full_name")
    if not _REPOSITORY.fullmatch(name):
        raise BadRequest("repository.full_name", "is not owner/name")
    return name


def _requester(payload: Mapping[str, Any]) -> str:
    """Who pushed: the account, or what git was told where there is no account (a deploy key)."""
    sender = fields.section(payload, "sender")
    if sender.get("login") is not None:
        return fields.text(sender, "login", "sender.login")
    return fields.text(fields.section(payload, "pusher"), "name", "pusher.name")
