"""`python -m localazure.functions_host --port N --app DIR --state DIR`: serve one Functions app."""

import argparse
import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Generator
from pathlib import Path

import uvicorn

from localazure import resolver
from localazure.functions_host.host import Host, open_host
from localazure.functions_host.report import print_functions, set_up_logging
from localazure.functions_host.settings import SettingsError, load_key, load_local_settings
from localazure.functions_host.worker import AppDoesNotLoad
from localazure.task_hub.model import TaskHubLocked

GRACE = 5  # seconds that requests under way are given at the end


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """The host handles signals itself, so that it ends with status 0."""
        yield


async def serve(app: Path, state: Path, port: int) -> None:
    """Serve `app` on loopback until SIGTERM or SIGINT."""
    listener = _listen(port)
    base = f"http://127.0.0.1:{listener.getsockname()[1]}"
    async with open_host(app, state, base, load_key(state)) as host:
        print_functions(base, host.functions)
        server = _server(host)
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(
                number, lambda: setattr(server, "should_exit", True)
            )
        await server.serve(sockets=[listener])


def _listen(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError as error:
        raise SettingsError(
            f"Port {port} cannot be used: {error.strerror}. Choose another with --port."
        ) from None
    return listener


def _server(host: Host) -> _Server:
    config = uvicorn.Config(
        host.asgi,
        log_config=None,
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=GRACE,
        ws="none",
    )
    return _Server(config)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m localazure.functions_host", description="Serve a Functions app."
    )
    parser.add_argument("--port", type=int, default=7071, help="port on loopback; 0 takes a free one")
    parser.add_argument("--app", type=Path, default=Path(), help="folder with function_app.py and host.json")
    parser.add_argument(
        "--state", type=Path, default=Path(".localazure/functions"), help="folder to keep state in"
    )
    arguments = parser.parse_args()
    app, state = arguments.app.resolve(), arguments.state.resolve()
    state.mkdir(parents=True, exist_ok=True)
    os.chdir(app)  # as on Azure
    resolver.install()
    set_up_logging()
    try:
        load_local_settings(app)
        asyncio.run(serve(app, state, arguments.port))
    except (AppDoesNotLoad, SettingsError, TaskHubLocked) as error:
        sys.exit(str(error))
    # An activity's thread may be busy for long; its work is taken up again at the next start.
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
