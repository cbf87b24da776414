"""Serves an app on loopback until a signal ends it."""

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Generator

import uvicorn

from localazure.functions_host.host import Host, HostOptions, open_host
from localazure.functions_host.report import print_start, say
from localazure.functions_host.settings import HostSettings, SettingsError

GRACE = 5  # seconds that requests under way are given at the end


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """The host handles signals itself, so that it ends with status 0."""
        yield


async def serve(options: HostOptions, settings: HostSettings, port: int) -> None:
    """Serve until SIGTERM or SIGINT; requests under way may finish. Raises what `open_host` raises."""
    listener = _bind(port)
    base = f"http://127.0.0.1:{listener.getsockname()[1]}"
    async with open_host(options, settings, base) as host:
        _listen(listener, port)  # not before: who can connect finds the app
        server = _server(host)
        _end_on_signals(server)
        print_start(base, host.functions, host.remarks)
        await server.serve(sockets=[listener])


def _end_on_signals(server: uvicorn.Server) -> None:
    def end() -> None:
        if server.should_exit:
            os._exit(128 + signal.SIGINT)  # asked twice: nothing is waited for
        server.should_exit = True
        say("Ending: what is under way may finish. Ctrl-C again ends at once.")

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, end)


def _bind(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    with _refusing(port):
        listener.bind(("127.0.0.1", port))
    return listener


def _listen(listener: socket.socket, port: int) -> None:
    with _refusing(port):  # another program may have begun to listen since
        listener.listen()


@contextlib.contextmanager
def _refusing(port: int) -> Generator[None]:
    try:
        yield
    except OSError as error:
        raise SettingsError(
            f"Port {port} cannot be used: {error.strerror}{_holder(port)}. Choose another with --port."
        ) from None


def _holder(port: int) -> str:
    """Who listens on `port`, as far as this user may know."""
    import psutil  # only a start that fails needs it

    try:
        pids = [
            connection.pid
            for connection in psutil.net_connections("tcp")
            if connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port
        ]
        return f" by process {pids[0]} ({psutil.Process(pids[0]).name()})" if pids else ""
    except psutil.Error:
        return ""


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
