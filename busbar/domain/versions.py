"""Semantic versions of environments and components (https://semver.org)."""

import re
from dataclasses import dataclass

from busbar.domain.errors import BadRequest

_SEMVER = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)", re.ASCII)


@dataclass(frozen=True, order=True)
class Version:
    """major.minor.patch: a breaking change raises the first."""

    major: int
    minor: int
    patch: int

    @classmethod
    def parse(cls, text: str) -> "Version":
        """Read `1.5.0`; raises `BadRequest`."""
        match = _SEMVER.fullmatch(text)
        if not match:
            raise BadRequest("version", f"{text!r} is not major.minor.patch (pin a version, never `latest`)")
        return cls(*(int(part) for part in match.groups()))

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"
