import ssl
from pathlib import Path

import pytest

from localazure.tls import ensure_certificates


def test_certificates_survive_a_restart(tmp_path: Path) -> None:
    first = ensure_certificates(tmp_path)
    before = [path.read_bytes() for path in (first.authority, first.certificate, first.key, first.bundle)]
    second = ensure_certificates(tmp_path)
    assert [
        path.read_bytes() for path in (second.authority, second.certificate, second.key, second.bundle)
    ] == before
    assert first.key.stat().st_mode & 0o077 == 0


def test_the_bundle_adds_to_what_is_trusted_already(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    company = tmp_path / "company.pem"
    company.write_text("# company roots\n")
    monkeypatch.setenv("SSL_CERT_FILE", str(company))
    files = ensure_certificates(tmp_path / "state")
    assert files.bundle.read_bytes() == b"# company roots\n\n" + files.authority.read_bytes()
    monkeypatch.setenv("SSL_CERT_FILE", str(files.bundle))
    assert ensure_certificates(tmp_path / "state").bundle.stat().st_size > 100_000
    ssl.create_default_context(cafile=str(files.bundle))
