"""Errors of the SDKs become domain errors that say who can mend them; importing a client imports no SDK."""

import pkgutil
import subprocess
import sys
from typing import Any

import pytest
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
    ServiceRequestError,
    ServiceResponseError,
)

import busbar.clients
from busbar.clients.session import credential, status_error, translated, with_parent
from busbar.domain.errors import (
    AccessDenied,
    BusbarError,
    Conflict,
    NotFound,
    Rejected,
    TemporarilyUnavailable,
)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (None, TemporarilyUnavailable),
        (400, Rejected),
        (401, AccessDenied),
        (403, AccessDenied),
        (404, NotFound),
        (408, TemporarilyUnavailable),
        (409, Conflict),
        (412, Conflict),
        (413, Rejected),
        (422, Rejected),
        (429, TemporarilyUnavailable),
        (500, TemporarilyUnavailable),
        (503, TemporarilyUnavailable),
    ],
)
def test_a_status_is_an_error_of_the_domain(status: int | None, error: type[BusbarError]):
    raised = status_error(status, "read x", "why")
    assert type(raised) is error
    assert str(raised).startswith("cannot read x: why")


def http_error(kind: type[HttpResponseError], status: int) -> HttpResponseError:
    error = kind("slow down\nRequestId: 1")
    error.status_code = status
    return error


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ServiceRequestError("no route"), TemporarilyUnavailable),
        (ServiceResponseError("cut off"), TemporarilyUnavailable),
        (ClientAuthenticationError("no identity"), AccessDenied),
        (http_error(ResourceNotFoundError, 404), NotFound),
        (http_error(ResourceExistsError, 409), Conflict),
        (http_error(ResourceModifiedError, 412), Conflict),
        (http_error(HttpResponseError, 429), TemporarilyUnavailable),
        (http_error(HttpResponseError, 403), AccessDenied),
        (AzureError("odd"), Rejected),
    ],
)
def test_an_sdk_error_says_what_was_being_done(error: AzureError, expected: type[BusbarError]):
    with pytest.raises(expected, match=r"^cannot read blob raw/x: ") as raised, translated("read blob raw/x"):
        raise error
    assert raised.value.__cause__ is error
    assert "\n" not in str(raised.value)


def test_other_errors_pass_untouched():
    with pytest.raises(KeyError), translated("do it"):
        raise KeyError("bug")


def test_a_missing_parent_is_created_before_the_second_try():
    done: list[str] = []

    def write() -> None:
        if not done:
            raise http_error(ResourceNotFoundError, 404)
        done.append("written")

    with_parent("write", write, lambda: done.append("parent"))
    assert done == ["parent", "written"]


def test_there_is_one_credential_in_the_process():
    assert credential() is credential()


HEAVY = ("azure.", "httpx", "pydantic", "jinja2", "requests", "numpy", "pandas")


@pytest.mark.parametrize(
    "module",
    ["busbar.codec", "busbar.settings"]
    + [found.name for found in pkgutil.walk_packages(busbar.clients.__path__, "busbar.clients.")],
)
def test_importing_costs_nothing(module: str):
    code = f"import sys, {module}; print([m for m in sys.modules if m.startswith({HEAVY!r})])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_credentials_are_asked_for_by_every_client_lazily(monkeypatch: pytest.MonkeyPatch):
    from busbar.clients.approvals import Approvals
    from busbar.clients.blobs import Blobs
    from busbar.clients.ledger import Ledger
    from busbar.clients.records import Records
    from busbar.settings import Settings
    from tests.clients.test_settings import GOOD

    def refuse(*_: Any) -> Any:
        raise AssertionError("a constructor asked for a credential")

    monkeypatch.setattr("busbar.clients.blobs.credential", refuse)
    monkeypatch.setattr("busbar.clients.tables.credential", refuse)
    settings = Settings.from_environment(GOOD)
    for client in (Approvals, Blobs, Ledger, Records):
        client(settings)
