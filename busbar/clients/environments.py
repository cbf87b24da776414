"""Releases of environments: the latest attempt of each version, a report each."""

from busbar.clients.reports import Reports
from busbar.codec import from_wire
from busbar.domain.environments import EnvironmentRelease
from busbar.settings import Settings

_KIND = "environments"


class Environments:
    """By version. A save replaces the attempt before."""

    def __init__(self, settings: Settings):
        self._reports = Reports(settings)

    def get(self, version: str) -> EnvironmentRelease | None:
        document = self._reports.read(_KIND, version)
        return None if document is None else from_wire(EnvironmentRelease, document)

    def save(self, release: EnvironmentRelease) -> None:
        self._reports.save(_KIND, release.version, release)
