"""Secrets of one local Azure: generated once, kept in `state/secrets.json`, readable by its owner alone."""

import base64
import json
import os
import secrets
from collections.abc import Sequence
from pathlib import Path

NAMES = ("functions_key", "webhook", "git_token", "identity_header", "event_grid_key", "email_key")
_BASE64 = ("event_grid_key", "email_key")  # requests are signed with what these decode to


def load_or_create(state: Path, more: Sequence[str] = ()) -> dict[str, str]:
    """The secrets by name, `more` of the app's own among them; a missing one is generated and written first."""
    path = state / "secrets.json"
    known: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    missing = [name for name in (*NAMES, *more) if name not in known]
    if missing:
        known |= {name: _generate(name) for name in missing}
        _write(path, json.dumps(known, indent=2))
    return known


def _generate(name: str) -> str:
    if name in _BASE64:
        return base64.b64encode(secrets.token_bytes(32)).decode()
    return secrets.token_urlsafe(32)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    draft.replace(path)
