"""The certificates of a local Azure: one authority, one server certificate, and a bundle that trusts it."""

import os
from dataclasses import dataclass
from pathlib import Path

import certifi

from localazure.service import STORAGE_ACCOUNT

NAMES = (
    "localhost",
    "*.localhost",
    "*.blob.localhost",
    *(f"{STORAGE_ACCOUNT}.{service}.localhost" for service in ("blob", "queue", "table")),
    "127.0.0.1",
)


@dataclass(frozen=True)
class Certificates:
    """PEM files: the authority's certificate, the server's chain and private key, and the bundle for clients."""

    authority: Path
    certificate: Path
    key: Path
    bundle: Path


def ensure_certificates(state: Path) -> Certificates:
    """The certificates kept under `state`, made on the first call; the bundle is refreshed on every call.

    The authority's private key is dropped once it has signed: nobody can sign a second certificate with it.
    """
    folder = state / "tls"
    files = Certificates(*(folder / name for name in ("ca.pem", "server.pem", "server.key", "bundle.pem")))
    if not all(path.exists() for path in (files.authority, files.certificate, files.key)):
        _issue(folder, files)
    _replace(files.bundle, _trusted_roots(files.bundle) + b"\n" + files.authority.read_bytes())
    return files


def _issue(folder: Path, files: Certificates) -> None:
    import trustme  # 15 MB, and needed once

    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    authority = trustme.CA(organization_name="localazure")
    server = authority.issue_cert(*NAMES)
    _replace(files.key, server.private_key_pem.bytes(), mode=0o600)
    _replace(files.certificate, b"".join(pem.bytes() for pem in server.cert_chain_pems))
    _replace(files.authority, authority.cert_pem.bytes())


def _trusted_roots(ours: Path) -> bytes:
    """What this machine trusts already: a company's own roots (SSL_CERT_FILE) stay trusted, else certifi's."""
    configured = Path(os.environ.get("SSL_CERT_FILE", ""))
    if configured.is_file() and configured.name != ours.name:
        return configured.read_bytes()
    return Path(certifi.where()).read_bytes()


def _replace(path: Path, content: bytes, mode: int = 0o644) -> None:
    temporary = path.with_suffix(f".{os.getpid()}")
    temporary.touch(mode)
    temporary.write_bytes(content)
    temporary.replace(path)
