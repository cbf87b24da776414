"""A rollback on its way, and what became of it."""

from dataclasses import dataclass

from busbar.domain.circuits import CircuitKey
from busbar.domain.rollback import PROMISE_SECONDS, Return, Scope, Stay
from busbar.domain.wording import counted


@dataclass(frozen=True)
class RollbackRun:
    """Somebody wants a scope back as it was. `asked_at` (ISO 8601, UTC) is when: the promise counts from there.

    A `drill` brings everything forward again, and leaves ramps alone.
    """

    id: str
    scope: Scope
    actor: str
    reason: str
    asked_at: str
    drill: bool = False


@dataclass(frozen=True)
class CircuitMove:
    """One circuit's step back, or `forward` again."""

    run: RollbackRun
    step: Return
    forward: bool = False


@dataclass(frozen=True)
class MoveBatch:
    """A chunk of circuits, at most `at_once` on their way."""

    run: RollbackRun
    steps: tuple[Return, ...]
    at_once: int
    forward: bool = False


@dataclass(frozen=True)
class CircuitMoved:
    """How one circuit's move ended, and how long it took."""

    key: CircuitKey
    done: bool
    sentence: str
    seconds: float


@dataclass(frozen=True)
class RollbackReport:
    """What a rollback did. `seconds` run from the wish to the last circuit; `wanted` is how many circuits were to move.

    While it runs, `ended` is False and `moved` empty.
    """

    run: RollbackRun
    wanted: int
    stays: tuple[Stay, ...] = ()
    ended: bool = False
    moved: tuple[CircuitMoved, ...] = ()
    seconds: float = 0.0
    forward: tuple[CircuitMoved, ...] = ()
    forward_seconds: float = 0.0

    @property
    def done(self) -> bool:
        """Whether every circuit that was to move did, in a drill both ways."""
        both = (*self.moved, *self.forward)
        return self.ended and self.wanted > 0 and all(moved.done for moved in both)

    @property
    def kept_promise(self) -> bool:
        return self.done and self.seconds <= PROMISE_SECONDS

    @property
    def sentence(self) -> str:
        """The one line that page, command line and audit share."""
        what = "drill" if self.run.drill else "rollback"
        if not self.ended:
            return f"{what} of {self.run.scope}: {counted(self.wanted, 'circuit')} on the way"
        if not self.wanted:
            return f"{what} of {self.run.scope}: nothing to do"
        back = sum(moved.done for moved in self.moved)
        parts = [
            f"{what} of {self.run.scope}: {back} of {counted(self.wanted, 'circuit')} back in {self.seconds:.1f} s "
            f"(promised: {PROMISE_SECONDS // 60} minutes)"
        ]
        if self.run.drill:
            forward = sum(moved.done for moved in self.forward)
            parts.append(f"{forward} forward again in {self.forward_seconds:.1f} s")
        return "; ".join(
            [*parts, *(moved.sentence for moved in (*self.moved, *self.forward) if not moved.done)]
        )
