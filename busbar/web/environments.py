"""Releases of environments: the compatibility matrix as a page and as JSON."""

from collections.abc import Mapping
from typing import Protocol

from busbar import pages
from busbar.codec import to_wire
from busbar.domain.environments import EnvironmentRelease
from busbar.domain.errors import BadRequest
from busbar.domain.versions import Version
from busbar.web.reply import Reply, unless_known


class EnvironmentReader(Protocol):
    def get(self, version: str) -> EnvironmentRelease | None: ...


def show(version: str, headers: Mapping[str, str], *, environments: EnvironmentReader) -> Reply:
    """GET /environments/{version}: which models stay the same in it."""
    release = _release(version, environments)
    if release is None:
        text = (
            f"Environment {version} was never tried on what is deployed: `busbar environments release` does."
        )
        return Reply.message(404, "No such environment", text)
    return unless_known(Reply.html(200, pages.environment(release)), headers)


def as_json(version: str, headers: Mapping[str, str], *, environments: EnvironmentReader) -> Reply:
    """GET /api/environments/{version}: the same as JSON."""
    release = _release(version, environments)
    if release is None:
        return Reply.json(404, {"error": f"environment {version} was never tried on what is deployed"})
    matrix = [{"circuit": str(one.key)} | to_wire(one) for one in release.matrix]
    return unless_known(Reply.json(200, to_wire(release) | {"matrix": matrix}), headers)


def _release(version: str, environments: EnvironmentReader) -> EnvironmentRelease | None:
    """Only what is a version is looked for: the rest of an address is somebody else's."""
    try:
        return environments.get(str(Version.parse(version)))
    except BadRequest:
        return None
