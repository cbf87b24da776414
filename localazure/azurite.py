"""Azurite, Microsoft's storage emulator, as a child process that speaks TLS and takes bearer tokens."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from localazure.config import Ports
from localazure.service import STORAGE_ACCOUNT, STORAGE_KEY
from localazure.tls import Certificates

START_SECONDS = 60.0
KEEP_ALIVE_SECONDS = 120  # as Azure does: another connection costs a client 50 ms of its processor, for TLS


class AzuriteError(RuntimeError):
    """Azurite is missing or did not start; the message says what to do."""


@dataclass(frozen=True)
class Azurite:
    """A running Azurite. `ports` are the real ones (none is 0); `blob`, `table`, `storage_ip`: addresses."""

    process: subprocess.Popen[bytes]
    ports: Ports

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def blob(self) -> str:
        return f"https://{STORAGE_ACCOUNT}.blob.localhost:{self.ports.blob}"

    @property
    def table(self) -> str:
        # The account-host form breaks entity group transactions in Azurite, `localhost` makes the SDK think of Cosmos.
        return f"https://127.0.0.1:{self.ports.table}/{STORAGE_ACCOUNT}"

    @property
    def storage_ip(self) -> str:
        return f"https://127.0.0.1:{self.ports.blob}/{STORAGE_ACCOUNT}"

    def stop(self, seconds: float = 10.0) -> None:
        """End it and wait; it writes its tables to disk on SIGTERM, so it is killed only when it does not answer."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def start_azurite(state: Path, ports: Ports, certificates: Certificates) -> Azurite:
    """Start Azurite with its data under `state`/azurite and wait until it answers; port 0 means any free one.

    Raises `AzuriteError` when it is not installed, or ends or stays silent instead of listening.
    """
    ports = _assigned(ports)
    folder = state / "azurite"
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "azurite.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            azurite_command(folder, ports, certificates),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **azurite_environment()},
            start_new_session=True,
        )
    azurite = Azurite(process, ports)
    try:
        for port in (ports.blob, ports.queue, ports.table):
            _wait_until_listening(process, port, log)
    except BaseException:
        azurite.stop()
        raise
    return azurite


def create_containers(storage_ip: str, ca_bundle: Path, names: Iterable[str]) -> None:
    """Create the blob containers that do not exist yet; `storage_ip` as in `Addresses`."""
    from azure.core.exceptions import ResourceExistsError
    from azure.storage.blob import BlobServiceClient

    with BlobServiceClient(storage_ip, credential=STORAGE_KEY, connection_verify=str(ca_bundle)) as service:
        for name in names:
            try:
                service.create_container(name)
            except ResourceExistsError:
                continue


def azurite_environment() -> dict[str, str]:
    """Its variables: a bounded heap, and every acknowledged write on disk."""
    asked = os.environ.get("NODE_OPTIONS", "--max-old-space-size=512")
    preload = Path(__file__).with_name("azurite_durable.cjs")
    return {"NODE_OPTIONS": f'{asked} --require "{preload}"'}


def azurite_command(folder: Path, ports: Ports, certificates: Certificates) -> list[str]:
    """What to run for an Azurite that keeps its data in `folder`. Raises `AzuriteError` when it is not installed."""
    listen = [
        argument
        for service in ("blob", "queue", "table")
        for argument in (
            *(f"--{service}Host", "127.0.0.1"),
            *(f"--{service}Port", str(getattr(ports, service))),
            *(f"--{service}KeepAliveTimeout", str(KEEP_ALIVE_SECONDS)),
        )
    ]
    tls = ["--cert", str(certificates.certificate), "--key", str(certificates.key), "--oauth", "basic"]
    return [
        _executable(), *listen, *tls, "--location", str(folder),
        "--skipApiVersionCheck", "--disableTelemetry", "--silent",
    ]  # fmt: skip


def _executable() -> str:
    for folder in (Path.cwd(), *Path(__file__).resolve().parents):
        candidate = folder / "node_modules" / ".bin" / "azurite"
        if candidate.exists():
            return str(candidate)
    if found := shutil.which("azurite"):
        return found
    raise AzuriteError(
        "Azurite is not installed: run `npm ci` in the repository's root (needs Node.js 20 or newer)"
    )


def _assigned(ports: Ports) -> Ports:
    """`ports` with every 0 among the storage ports replaced by a free port."""
    with ExitStack() as held:
        free: dict[str, int] = {}
        for service in ("blob", "queue", "table"):
            if getattr(ports, service) == 0:
                listener = held.enter_context(socket.socket())
                listener.bind(("127.0.0.1", 0))
                free[service] = listener.getsockname()[1]
    return ports.model_copy(update=free)


def _wait_until_listening(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise AzuriteError(f"Azurite ended with {process.returncode}: {_tail(log)}")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise AzuriteError(f"Azurite did not listen on port {port} within {START_SECONDS:.0f} s: {_tail(log)}")


def _tail(log: Path) -> str:
    return log.read_text(errors="replace").strip()[-500:] or f"nothing was written to {log}"
