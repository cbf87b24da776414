"""The fleet as its repository says, at one commit."""

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Protocol

from busbar.domain.circuits import Fleet
from busbar.domain.errors import BadRequest, ConfigurationError, NotFound
from busbar.domain.policies import BranchAction
from busbar.domain.routing import training_branch
from busbar.fleet.loading import branch_table, load_fleet

CONFIG = "config"


class Files(Protocol):
    """Whatever can list a folder's files at a commit."""

    def files(self, prefix: str, ref: str) -> Mapping[str, bytes]: ...


class Branches(Files, Protocol):
    """Whatever knows branches, too."""

    def heads(self) -> Mapping[str, str]: ...

    def default_branch(self) -> str: ...


def fleet_at(repository: Files, commit: str) -> Fleet:
    """Read `config/` at a commit; raises `ConfigurationError` naming file, line and key."""
    return load_fleet(_config(repository, commit), commit)


def branches_at(repository: Files, commit: str) -> Mapping[str, BranchAction]:
    """What pushes start, by the branch table at a commit; read though the rest of `config/` be wrong there."""
    return branch_table(_config(repository, commit))


def default_head(repository: Branches) -> str:
    """The commit that the default branch is at; raises `NotFound` while nobody has pushed."""
    branch = repository.default_branch()
    head = repository.heads().get(branch)
    if head is None:
        raise NotFound(
            f"the fleet's repository has no branch {branch} yet: push its config/ and ml_components/"
        )
    return head


def default_fleet(repository: Branches) -> Fleet:
    """The fleet as the default branch says; raises `NotFound` as `default_head`, `BadRequest` where it is wrong."""
    try:
        return fleet_at(repository, default_head(repository))
    except ConfigurationError as error:
        branch = repository.default_branch()
        raise BadRequest("config", f"{branch} cannot be read, mend it first: {error}") from error


def training_head(repository: Branches) -> tuple[str, str] | None:
    """The branch that trains, by the default branch's table, and its head; `None` while nobody has pushed one."""
    heads, default = repository.heads(), repository.default_branch()
    branch = training_branch(branches_at(repository, heads[default]), heads) if default in heads else None
    return None if branch is None else (branch, heads[branch])


def merging_head(repository: Branches) -> str:
    """The commit whose sources are merged: what trains must have its readings, before the default branch names them.

    That is the head of the branch that trains, else of the default branch; raises `NotFound` as `default_head`.
    """
    training = training_head(repository)
    return training[1] if training else default_head(repository)


def _config(repository: Files, commit: str) -> dict[str, bytes]:
    files = repository.files(CONFIG, commit)
    return {below(CONFIG, path): content for path, content in files.items()}


def below(folder: str, path: str) -> str:
    """`path` relative to `folder`."""
    return str(PurePosixPath(path).relative_to(folder))
