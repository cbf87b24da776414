"""The seam between the emulators and the process that serves them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from localazure.config import Config
from localazure.faults import Faults

if TYPE_CHECKING:
    from starlette.routing import BaseRoute

# Azurite's published development account: every installation has the same key, so it is no secret.
STORAGE_ACCOUNT = "devstoreaccount1"
STORAGE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


@dataclass(frozen=True)
class Addresses:
    """Where everything listens. `blob` is in account-host form; `storage_ip` in path form, for clients that resolve
    names themselves, and `table`, since Azurite takes transactions in no other (no trailing slashes anywhere)."""

    azure: str  # https://localhost:8443
    functions: str  # http://127.0.0.1:7071
    blob: str  # https://devstoreaccount1.blob.localhost:10000
    table: str  # https://127.0.0.1:10002/devstoreaccount1
    storage_ip: str  # https://127.0.0.1:10000/devstoreaccount1
    pages: str = ""  # http://127.0.0.1:8444: the same server for browsers, which do not know its certificate


@dataclass(frozen=True)
class Runtime:
    """What every emulator is handed: the configuration, where to keep state, addresses, and generated secrets.

    `faults` says whether something is to go wrong here and now; unless the azure server gives it some, nothing is.
    """

    config: Config
    state: Path
    addresses: Addresses
    ca_bundle: Path
    secrets: Mapping[str, str]
    faults: Faults = field(default_factory=Faults, compare=False)


class EventSink(Protocol):
    """Takes an event that happened at `source` (a topic or workspace name); durable once it returns; thread-safe."""

    def __call__(self, source: str, event: Mapping[str, Any]) -> None: ...


class Service(Protocol):
    """One emulator: its routes on the azure server, and its background work between `start` and `stop`."""

    @property
    def routes(self) -> "Sequence[BaseRoute]": ...

    async def start(self) -> None: ...

    async def stop(self) -> None: ...
