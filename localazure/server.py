"""The azure server: every emulator on one port, over TLS. `python -m localazure.server --config FILE --state DIR`."""

import argparse
import asyncio
import logging
import sys
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.routing import BaseRoute

from localazure.azurite import KEEP_ALIVE_SECONDS, START_SECONDS, create_containers
from localazure.email import Email
from localazure.event_grid import EventGrid
from localazure.faults import Faults
from localazure.faults.http import FaultyHttp
from localazure.faults.service import FaultsAdmin
from localazure.git_host import GitHost
from localazure.identity import Identity
from localazure.runtime import open_runtime
from localazure.service import Runtime, Service
from localazure.start_page import StartPage
from localazure.tls import ensure_certificates
from localazure.web import Refusal, refuse


def services(runtime: Runtime) -> list[Service]:
    """Every emulator, composed: identity verifies for the others, Event Grid takes Azure ML's events."""
    from localazure.machine_learning import MachineLearning

    identity = Identity(runtime)
    event_grid = EventGrid(runtime, identity.tokens)
    email = Email(runtime, identity.tokens)
    git_host = GitHost(runtime)
    return [
        FaultsAdmin(runtime),
        identity,
        event_grid,
        email,
        git_host,
        Containers(runtime),
        MachineLearning(runtime, event_grid.emit),
    ]


class Containers:
    """The blob containers of the configuration; waits for Azurite, which starts beside this server."""

    routes: Sequence[BaseRoute] = ()

    def __init__(self, runtime: Runtime):
        self._runtime = runtime

    async def start(self) -> None:
        await _listening(self._runtime.config.ports.blob)
        names = self._runtime.config.containers
        await asyncio.to_thread(
            create_containers, self._runtime.addresses.storage_ip, self._runtime.ca_bundle, names
        )

    async def stop(self) -> None: ...


async def _listening(port: int) -> None:
    async with asyncio.timeout(START_SECONDS):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.03)
            else:
                writer.close()
                return


def application(runtime: Runtime, emulators: Sequence[Service]) -> FaultyHttp:
    """One app that answers for all `emulators`, starts them in order and stops them in reverse."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        async with AsyncExitStack() as running:
            for emulator in emulators:
                await emulator.start()
                running.push_async_callback(emulator.stop)
            yield

    start_page = StartPage(runtime, emulators)
    routes = [*start_page.routes, *(route for emulator in emulators for route in emulator.routes)]
    handlers = {Refusal: refuse, **start_page.handlers}
    app = Starlette(routes=routes, lifespan=lifespan, exception_handlers=handlers)
    return FaultyHttp(app, runtime.faults, {_name(emulator): emulator.routes for emulator in emulators})


def _name(emulator: Service) -> str:
    """What a fault calls it: `machine-learning`, `event-grid`, `identity`, `email`, `git-host`."""
    return type(emulator).__module__.removeprefix("localazure.").partition(".")[0].replace("_", "-")


class _Beside(uvicorn.Server):
    """A second server of the process: the first one minds the signals."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


async def serve(runtime: Runtime) -> None:
    """Serve until SIGTERM or SIGINT: over TLS for programs, and in the clear for browsers."""
    runtime = replace(runtime, faults=Faults(runtime.state / "faults.db"))
    certificates = ensure_certificates(runtime.state)
    app, ports = application(runtime, services(runtime)), runtime.config.ports
    options: dict[str, Any] = {
        "host": "127.0.0.1",
        "access_log": False,
        "timeout_graceful_shutdown": 2,
        "timeout_keep_alive": KEEP_ALIVE_SECONDS,
    }
    keys = {"ssl_certfile": certificates.certificate, "ssl_keyfile": certificates.key}
    secure = uvicorn.Server(uvicorn.Config(app, port=ports.azure, **keys, **options))
    plain = _Beside(uvicorn.Config(app, port=ports.pages, lifespan="off", **options))
    beside = asyncio.create_task(plain.serve())
    await secure.serve()
    plain.should_exit = True
    await beside
    if not secure.started:
        sys.exit(1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--state", type=Path, required=True)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for talkative in ("httpx", "azure"):
        logging.getLogger(talkative).setLevel(logging.WARNING)
    asyncio.run(serve(open_runtime(arguments.config, arguments.state)))


if __name__ == "__main__":
    main()
