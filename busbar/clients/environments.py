"""Releases of environments: the latest attempt of each version, a blob each."""

import json

from busbar.clients.blobs import Blobs
from busbar.codec import from_wire, to_wire
from busbar.domain.environments import EnvironmentRelease
from busbar.domain.errors import NotFound
from busbar.settings import Settings

_CONTAINER = "environments"


class Environments:
    """By version. A save replaces the attempt before."""

    def __init__(self, settings: Settings):
        self._blobs = Blobs(settings)

    def get(self, version: str) -> EnvironmentRelease | None:
        try:
            content = self._blobs.read(_CONTAINER, f"{version}.json")
        except NotFound:
            return None
        return from_wire(EnvironmentRelease, json.loads(content))

    def save(self, release: EnvironmentRelease) -> None:
        self._blobs.write(_CONTAINER, f"{release.version}.json", json.dumps(to_wire(release)).encode())
