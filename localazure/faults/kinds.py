"""The kinds of faults: what each does, what it can be aimed at, its parameters and how long it lasts unasked."""

from collections.abc import Mapping
from dataclasses import dataclass, field

MAX_SECONDS = 24 * 3600.0
UNAVAILABLE_SECONDS = 300.0

_REQUEST = ("service", "method", "path")
_EVENT = ("subscription", "type", "subject")
_JOB = ("workspace", "job", "step", "compute")
_OPERATION = ("resource", "name")


@dataclass(frozen=True)
class Number:
    """A parameter that is a number from `least` to `most`."""

    default: float
    least: float = 0.0
    most: float = 3600.0


@dataclass(frozen=True)
class Text:
    """A parameter that is a text, one of `choices` where there are some."""

    default: str
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Kind:
    """`aims` are the names that `where` may give patterns for, `where` the patterns it has unasked.

    `times` or `seconds` bound it where nothing was asked. A `condition` is in force for a while: it cannot be counted
    or drawn. `most_seconds` is how long it may last.
    """

    does: str
    aims: tuple[str, ...] = ()
    parameters: Mapping[str, Number | Text] = field(default_factory=dict[str, Number | Text])
    where: Mapping[str, str] = field(default_factory=dict[str, str])
    times: int | None = None
    seconds: float | None = None
    condition: bool = False
    most_seconds: float = MAX_SECONDS

    @property
    def unasked(self) -> str:
        """The bound where nothing was asked, in words."""
        return "once" if self.times == 1 else f"{self.times} times" if self.times else f"{self.seconds:g} s"


KINDS: Mapping[str, Kind] = {
    "throttle": Kind(
        "429 with Retry-After, in the service's shape; nothing was done",
        _REQUEST,
        {"retry_after": Number(1, least=0)},
        seconds=60,
    ),
    "error": Kind(
        "a 5xx in the service's shape; nothing was done",
        _REQUEST,
        {"status": Number(503, least=500, most=599)},
        seconds=60,
    ),
    "slow": Kind(
        "the request waits before it is looked at", _REQUEST, {"seconds": Number(2, most=300)}, seconds=60
    ),
    "drop": Kind(
        "the connection closes without an answer, after the work was done (or before it was begun)",
        _REQUEST,
        {"when": Text("after", ("after", "before"))},
        times=1,
    ),
    "lose-event": Kind("a subscription never gets the event", _EVENT, times=1),
    "duplicate-event": Kind(
        "a subscription gets the event again",
        _EVENT,
        {"copies": Number(2, least=2, most=10), "within_seconds": Number(1)},
        times=1,
    ),
    "delay-event": Kind("the event is late", _EVENT, {"seconds": Number(5)}, times=1),
    "reorder-events": Kind(
        "every event is late by a time drawn for it, so that later ones overtake it",
        _EVENT,
        {"within_seconds": Number(2)},
        seconds=60,
    ),
    "job-fails": Kind(
        "the command does not complete: the run (or the step) is Failed with the message",
        _JOB,
        {"message": Text("The fault job-fails made this job fail."), "after_seconds": Number(0)},
        times=1,
    ),
    "job-hangs": Kind(
        "the job stays Running before its command starts; cancel works",
        _JOB,
        {"seconds": Number(3600, most=MAX_SECONDS)},
        times=1,
    ),
    "node-preempted": Kind(
        "the command is killed after `after_seconds` (one that ends sooner is spared) and the job queued again",
        _JOB,
        {"after_seconds": Number(1)},
        times=1,
    ),
    "propagation": Kind(
        "the registry shows what is imported only after a while",
        ("registry", "asset", "name"),
        {"seconds": Number(10)},
        seconds=60,
    ),
    "blob-unavailable": Kind(
        "Azurite's process stands still: blobs, queues and tables accept connections and never answer",
        seconds=10,
        condition=True,
        most_seconds=UNAVAILABLE_SECONDS,
    ),
    "token-expiry": Kind(
        "tokens issued now live for `seconds`; those that live longer are refused as expired",
        parameters={"seconds": Number(5, least=1)},
        seconds=60,
        condition=True,
    ),
    "clock-skew": Kind(
        "Azure's clock is off: tokens are dated and judged by it, and every answer's Date; storage's is right",
        parameters={"seconds": Number(600, least=-MAX_SECONDS, most=MAX_SECONDS)},
        seconds=60,
        condition=True,
    ),
    "deployment-hangs": Kind(
        "the long-running operation stays InProgress for so much longer",
        _OPERATION,
        {"seconds": Number(3600, most=MAX_SECONDS)},
        where={"resource": "*Deployments"},
        times=1,
    ),
    "deployment-fails": Kind(
        "the long-running operation ends Failed",
        _OPERATION,
        {"code": Text("InternalServerError"), "message": Text("The fault deployment-fails ended this.")},
        where={"resource": "*Deployments"},
        times=1,
    ),
    "bounce": Kind("the mail is accepted and never arrives", ("recipient", "subject"), times=1),
}
