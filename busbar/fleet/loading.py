"""From the files of `config/` at a commit to a fleet."""

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache

from busbar.domain.circuits import Fleet


def load_fleet(files: Mapping[str, bytes], commit: str) -> Fleet:
    """Read and validate the configuration; raises `ConfigurationErrors` with everything that is wrong at once.

    `files` holds contents by path relative to `config/`: `circuits.yaml` and `people.yaml` must be there,
    `pipeline.yaml`, `sources.yaml` and `environments/{dev,test,prod}.yaml` may be.
    """
    return replace(_load(tuple(sorted(files.items()))), commit=commit)


@lru_cache(maxsize=4)
def _load(files: tuple[tuple[str, bytes], ...]) -> Fleet:
    """Activities ask for the same commit again and again: parsing 200 circuits takes tenths of a second."""
    from busbar.fleet.reading import read_fleet  # pydantic and ruamel.yaml: the app's own import stays cheap

    return read_fleet(dict(files))
