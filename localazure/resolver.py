"""`*.localhost` resolves to loopback (RFC 6761, section 6.3), which glibc leaves to the application."""

import socket
from typing import Any

_system_getaddrinfo = socket.getaddrinfo


def _getaddrinfo(host: Any, *args: Any, **options: Any) -> Any:
    return _system_getaddrinfo("127.0.0.1" if _is_localhost_name(host) else host, *args, **options)


def _is_localhost_name(host: object) -> bool:
    name = host.decode("ascii", "replace") if isinstance(host, bytes) else host
    return isinstance(name, str) and name.rstrip(".").lower().endswith(".localhost")


def install() -> None:
    """Make every resolution of this process, asyncio's included, follow the rule. May be called twice."""
    socket.getaddrinfo = _getaddrinfo
