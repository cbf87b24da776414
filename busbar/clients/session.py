"""What all clients share: how SDKs are loaded, one credential per process, and errors in Busbar's own words."""

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

from busbar.domain.errors import (
    AccessDenied,
    BusbarError,
    Conflict,
    NotFound,
    Rejected,
    TemporarilyUnavailable,
)

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

_loading = threading.Lock()


def load(*modules: str) -> None:
    """Import an SDK, a thread at a time, before anything of it is used.

    Threads that import the SDKs' circular packages side by side leave them half made, until the process ends.
    """
    with _loading:
        for module in modules:
            import_module(module)


@cache
def credential() -> "TokenCredential":
    """The app's identity, asked once for a token per audience and shared by every client of the process."""
    load("azure.identity")
    from azure.identity import DefaultAzureCredential

    return DefaultAzureCredential()


def status_error(status: int | None, doing: str, reason: str) -> BusbarError:
    """The domain error for an HTTP status (`None`: no answer came); `doing` reads `read blob raw/x`."""
    told = f"cannot {doing}: {reason}"
    match status:
        case None | 408 | 429:
            return TemporarilyUnavailable(f"{told} (it is tried again later)")
        case 401 | 403:
            return AccessDenied(
                f"{told} (a platform engineer can grant the app's identity the role it lacks)"
            )
        case 404:
            return NotFound(told)
        case 409 | 412:
            return Conflict(told)
        case _ if status >= 500:
            return TemporarilyUnavailable(f"{told} (it is tried again later)")
        case _:
            return Rejected(told)


@contextmanager
def translated(doing: str) -> Generator[None]:
    """Run Azure SDK calls; errors leave as domain errors that say what was being done and who can mend it."""
    from azure.core.exceptions import (
        AzureError,
        ClientAuthenticationError,
        HttpResponseError,
        ResourceExistsError,
        ResourceNotFoundError,
        ServiceRequestError,
        ServiceResponseError,
    )

    try:
        yield
    except (ServiceRequestError, ServiceResponseError) as error:
        raise status_error(None, doing, _reason(error)) from error
    except ClientAuthenticationError as error:
        raise status_error(401, doing, _reason(error)) from error
    except ResourceNotFoundError as error:
        raise status_error(404, doing, _reason(error)) from error
    except ResourceExistsError as error:
        raise status_error(409, doing, _reason(error)) from error
    except HttpResponseError as error:
        raise status_error(error.status_code, doing, _reason(error)) from error
    except AzureError as error:
        raise Rejected(f"cannot {doing}: {_reason(error)}") from error


def with_parent(doing: str, write: Callable[[], object], create_parent: Callable[[], object]) -> None:
    """Write into a container or table; a missing one is created first."""
    try:
        with translated(doing):
            write()
    except NotFound:
        with translated(doing):
            create_parent()
            write()


def _reason(error: Any) -> str:
    """The service's own code and first line: bodies and headers may carry more than a log should."""
    code = getattr(getattr(error, "error", None), "code", None) or getattr(error, "error_code", None)
    message = str(getattr(error, "message", None) or error).strip().splitlines()
    first = message[0][:300] if message else type(error).__name__
    return first if not code or str(code) in first else f"{code}: {first}"
