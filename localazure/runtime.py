"""A `Runtime` from a configuration and a state folder: ports, secrets and certificates are made once and kept."""

import json
import socket
from contextlib import ExitStack
from pathlib import Path

from localazure import secrets
from localazure.config import Config, Ports
from localazure.service import STORAGE_ACCOUNT, Addresses, Runtime
from localazure.tls import ensure_certificates


def open_runtime(config_path: Path, state: Path) -> Runtime:
    """What the emulators are handed. Safe to call again, and from several processes once the first has returned."""
    config = Config.read(config_path)
    state = state.absolute()
    state.mkdir(parents=True, exist_ok=True)
    config = config.model_copy(update={"ports": _kept_ports(config.ports, state / "ports.json")})
    return Runtime(
        config=config,
        state=state,
        addresses=addresses(config.ports),
        ca_bundle=ensure_certificates(state).bundle,
        secrets=secrets.load_or_create(state, config.secret_names),
    )


def addresses(ports: Ports) -> Addresses:
    return Addresses(
        azure=f"https://localhost:{ports.azure}",
        functions=f"http://127.0.0.1:{ports.functions}",
        blob=f"https://{STORAGE_ACCOUNT}.blob.localhost:{ports.blob}",
        table=f"https://127.0.0.1:{ports.table}/{STORAGE_ACCOUNT}",
        storage_ip=f"https://127.0.0.1:{ports.blob}/{STORAGE_ACCOUNT}",
        pages=f"http://127.0.0.1:{ports.pages}",
    )


def _kept_ports(asked: Ports, path: Path) -> Ports:
    """`asked` with every 0 replaced by a free port, the same one at every start: links in old mails stay valid."""
    kept: dict[str, int] = json.loads(path.read_text()) if path.exists() else {}
    with ExitStack() as held:
        ports = {
            name: port or kept.get(name) or _free_port(held) for name, port in asked.model_dump().items()
        }
    if ports != kept:
        path.write_text(json.dumps(ports))
    return Ports(**ports)


def _free_port(held: ExitStack) -> int:
    listener = held.enter_context(socket.socket())
    listener.bind(("127.0.0.1", 0))
    return listener.getsockname()[1]
