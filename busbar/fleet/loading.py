"""From the files of `config/` at a commit to a fleet."""

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache

from busbar.domain.circuits import Fleet
from busbar.domain.policies import BranchAction


def load_fleet(files: Mapping[str, bytes], commit: str) -> Fleet:
    """Read and validate the configuration; raises `ConfigurationErrors` with everything that is wrong at once.

    `files` holds contents by path relative to `config/`: `circuits.yaml` and `people.yaml` must be there,
    `pipeline.yaml`, `sources.yaml` and `environments/{dev,test,prod}.yaml` may be.
    """
    return replace(_load(tuple(sorted(files.items()))), commit=commit)


def branch_table(files: Mapping[str, bytes]) -> Mapping[str, BranchAction]:
    """What pushes start, though other files be wrong: so that a push with a mistake is told of it.

    `files` as above; the usual table (develop, release/*, main) where `pipeline.yaml` itself is missing or wrong.
    """
    from busbar.fleet.documents import Document
    from busbar.fleet.policies import BRANCHES, read_policies

    policies = read_policies(Document("pipeline.yaml", files.get("pipeline.yaml", b""), []), {}, None)
    return policies.branches if policies else BRANCHES


@lru_cache(maxsize=4)
def _load(files: tuple[tuple[str, bytes], ...]) -> Fleet:
    """Activities ask for the same commit again and again: parsing 200 circuits takes tenths of a second."""
    from busbar.fleet.reading import read_fleet  # pydantic and ruamel.yaml: the app's own import stays cheap

    return read_fleet(dict(files))
