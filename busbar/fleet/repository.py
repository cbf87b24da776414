"""The fleet as its repository says, at one commit."""

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Protocol

from busbar.domain.circuits import Fleet

CONFIG = "config"


class Files(Protocol):
    """Whatever can list a folder's files at a commit."""

    def files(self, prefix: str, ref: str) -> Mapping[str, bytes]: ...


def fleet_at(repository: Files, commit: str) -> Fleet:
    """Read `config/` at a commit; raises `ConfigurationError` naming file, line and key."""
    from busbar.fleet.loading import (
        load_fleet,
    )  # schema libraries cost a fifth of a second: not at the app's import

    files = repository.files(CONFIG, commit)
    return load_fleet({below(CONFIG, path): content for path, content in files.items()}, commit)


def below(folder: str, path: str) -> str:
    """`path` relative to `folder`."""
    return str(PurePosixPath(path).relative_to(folder))
