"""Which versions of orchestrations this app takes turns of: host.json's defaultVersion and its strategies."""

import re
from dataclasses import dataclass
from typing import Literal

type Match = Literal["None", "Strict", "CurrentOrOlder"]
type Failure = Literal["Reject", "Fail"]

_NUMBERS = re.compile(r"\d+(\.\d+){1,3}")


@dataclass(frozen=True)
class Versions:
    """The version that new orchestrations get, and what happens to those of another one.

    Without a `default`, orchestrations have the version they were started with, and none is refused.
    """

    default: str | None = None
    match: Match = "CurrentOrOlder"
    failure: Failure = "Reject"

    def of_new(self, asked: str | None) -> str | None:
        """The version of an orchestration that is started with `asked`, where None is none."""
        return self.default if asked is None else asked

    def accepts(self, version: str) -> bool:
        """Whether the app may run an orchestration of this version; "" is one without a version."""
        if self.default is None or self.match == "None":
            return True
        if self.match == "Strict":
            return version == self.default
        return not _is_newer(version, self.default)

    def refusal(self, version: str) -> str:
        """Why an orchestration of this version is not run, as a sentence."""
        wanted = self.default if self.match == "Strict" else f"{self.default} or older"
        return (
            f"The orchestration has the version '{version}', and this app runs version {wanted} "
            "(defaultVersion and versionMatchStrategy in host.json)."
        )


def _is_newer(version: str, other: str) -> bool:
    """Versions of two to four numbers compare as numbers, others as texts without regard to case."""
    if _NUMBERS.fullmatch(version) and _NUMBERS.fullmatch(other):
        return _parts(version) > _parts(other)
    return version.lower() > other.lower()


def _parts(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]
