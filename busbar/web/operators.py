"""Who presses a button on a page: the person whom the platform signed in, else whoever knows a function key."""

import hashlib
import hmac
from collections.abc import Mapping
from typing import Protocol

from busbar.domain.errors import BusbarError
from busbar.pages import Desk
from busbar.web.forms import Form
from busbar.web.reply import header


class NotAllowed(BusbarError):
    """Nobody who may do that. The message says what is missing."""

    permanent = True


class OperatorSettings(Protocol):
    @property
    def easy_auth(self) -> bool: ...

    @property
    def approval_key(self) -> str: ...


class Keys(Protocol):
    def accepted(self, key: str) -> bool: ...


def desk(headers: Mapping[str, str], settings: OperatorSettings) -> Desk:
    """What a page with a button needs: who is signed in and the form's token, or a field for the key."""
    if not settings.easy_auth:
        return Desk()
    person = _signed_in(headers)
    return Desk(person[1], _token(person[0], settings)) if person else Desk(signed_out=True)


def operator(headers: Mapping[str, str], form: Form, *, settings: OperatorSettings, keys: Keys) -> str:
    """The name under which the audit log has it; raises `NotAllowed`.

    With Easy Auth on the platform has signed somebody in, and the form carries the token of that person's page, so
    that no other site can press the button for him. Without it a header proves nothing: a function key is asked for.
    """
    if not settings.easy_auth:
        if not keys.accepted(form.one("key")):
            raise NotAllowed("the function key was not accepted: an operator has it, or a platform engineer")
        return form.text("name") or "operator"
    person = _signed_in(headers)
    if person is None:
        raise NotAllowed("sign in first: nobody is signed in")
    if not hmac.compare_digest(form.one("csrf").encode(), _token(person[0], settings).encode()):
        raise NotAllowed("this form is not of this page: open the page again and press the button there")
    return person[1]


def _signed_in(headers: Mapping[str, str]) -> tuple[str, str] | None:
    """(object id, name) as the platform says, which drops such headers from outside."""
    identity = header(headers, "X-MS-CLIENT-PRINCIPAL-ID")
    return (identity, header(headers, "X-MS-CLIENT-PRINCIPAL-NAME") or identity) if identity else None


def _token(object_id: str, settings: OperatorSettings) -> str:
    key = settings.approval_key.encode()
    return hmac.new(key, f"operate\0{object_id}".encode(), hashlib.sha256).hexdigest()
