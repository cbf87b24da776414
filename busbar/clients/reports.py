"""Reports: one JSON document each in the container `reports`, by kind and id."""

import json
from typing import Any

from busbar.clients.blobs import Blobs
from busbar.codec import to_wire
from busbar.domain.errors import NotFound
from busbar.settings import Settings

_CONTAINER = "reports"


class Reports:
    """A save replaces what was reported under the same id before."""

    def __init__(self, settings: Settings):
        self._blobs = Blobs(settings)

    def save(self, kind: str, id: str, report: object) -> None:
        self._blobs.write(_CONTAINER, _path(kind, id), json.dumps(to_wire(report)).encode())

    def read(self, kind: str, id: str) -> dict[str, Any] | None:
        """What `to_wire` made of the report, `None` if there is none."""
        try:
            content = self._blobs.read(_CONTAINER, _path(kind, id))
        except NotFound:
            return None
        return json.loads(content)

    def ids(self, kind: str) -> list[str]:
        """The ids of all reports of a kind, by id."""
        names = (name for name, _ in self._blobs.names(_CONTAINER, f"{kind}/"))
        return [name.removeprefix(f"{kind}/").removesuffix(".json") for name in names]

    def delete(self, kind: str, id: str) -> None:
        """Delete a report; one that is not there needs no deleting."""
        self._blobs.delete(_CONTAINER, _path(kind, id))


def _path(kind: str, id: str) -> str:
    return f"{kind}/{id}.json"
