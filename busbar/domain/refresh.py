"""When a circuit's cutoff date moves to its newest readings: because they are much newer, or because it is time."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from busbar.domain.circuits import Circuit, CircuitKey
from busbar.domain.policies import Every, RefreshPolicy, SchedulePolicy, Weekday
from busbar.domain.wording import counted

NAMED = 5


@dataclass(frozen=True)
class CutoffMove:
    """A circuit's cutoff date to come; `training_days` is given where that changes, too."""

    key: CircuitKey
    before: date
    after: date
    training_days: int | None = None

    @property
    def sentence(self) -> str:
        """`PLANT1/CIRC1: cutoff_date 2025-12-01 → 2025-12-09`."""
        days = f", training_days → {self.training_days}" if self.training_days is not None else ""
        return f"{self.key}: cutoff_date {self.before} → {self.after}{days}"


def whole_day(newest: datetime, frequency_minutes: int) -> date:
    """The last day (UTC) of which a series whose newest reading is given has all steps."""
    following = newest.astimezone(UTC) + timedelta(minutes=frequency_minutes)
    return following.date() - timedelta(days=1)


def due_by_age(
    circuits: Iterable[Circuit], newest: Mapping[CircuitKey, datetime], policy: RefreshPolicy
) -> tuple[CutoffMove, ...]:
    """The circuits whose newest whole day is more than `max_age_days` after their cutoff date."""
    if policy.max_age_days is None:
        return ()
    limit = timedelta(days=policy.max_age_days)
    return tuple(move for move in _moves(circuits, newest) if move.after - move.before > limit)


def due_by_schedule(
    circuits: Iterable[Circuit], newest: Mapping[CircuitKey, datetime], policy: SchedulePolicy
) -> tuple[CutoffMove, ...]:
    """The circuits that have a newer whole day than their cutoff date, with the schedule's look-back."""
    known = {circuit.key: circuit for circuit in circuits}
    return tuple(
        CutoffMove(
            move.key, move.before, move.after, _changed(policy.lookback_days, known[move.key].training_days)
        )
        for move in _moves(known.values(), newest)
    )


def asked_for(
    circuits: Iterable[Circuit], newest: Mapping[CircuitKey, datetime], wanted: Iterable[CircuitKey]
) -> tuple[CutoffMove, ...]:
    """Those of the wanted circuits that have a newer whole day than their cutoff date."""
    keys = set(wanted)
    return tuple(_moves((circuit for circuit in circuits if circuit.key in keys), newest))


def up_to_date(
    circuits: Iterable[Circuit], newest: Mapping[CircuitKey, datetime], wanted: Iterable[CircuitKey]
) -> tuple[CircuitKey, ...]:
    """Those of the wanted circuits whose cutoff date is their newest whole day."""
    keys = set(wanted) & set(newest)
    asked = [circuit for circuit in circuits if circuit.key in keys]
    return tuple(
        circuit.key
        for circuit in asked
        if whole_day(newest[circuit.key], circuit.frequency_minutes) == circuit.cutoff_date
    )


def last_due(policy: SchedulePolicy, now: datetime) -> datetime:
    """When the schedule was last due: the same moment however often, and however late, it is asked for."""
    hour, minute = map(int, policy.at.split(":"))
    today = now.astimezone(UTC).date()
    due = datetime.combine(today, time(hour, minute), UTC)
    if policy.every is Every.WEEK and policy.on is not None:
        due -= timedelta(days=(today.weekday() - list(Weekday).index(policy.on)) % 7)
    period = timedelta(days=7 if policy.every is Every.WEEK else 1)
    return due if due <= now else due - period


def sentence(moves: tuple[CutoffMove, ...], cause: str) -> str:
    """The commit's message: how many circuits, why, and a line for each."""
    if len(moves) == 1:
        return f"Move the cutoff date of {moves[0].key}: {cause}\n\n{moves[0].sentence}"
    names = ", ".join(str(move.key) for move in moves[:NAMED])
    more = f" and {len(moves) - NAMED} more" if len(moves) > NAMED else ""
    lines = "\n".join(move.sentence for move in moves)
    return f"Move the cutoff dates of {counted(len(moves), 'circuit')} ({names}{more}): {cause}\n\n{lines}"


def _moves(circuits: Iterable[Circuit], newest: Mapping[CircuitKey, datetime]) -> list[CutoffMove]:
    """Where each circuit could go; one without newer readings stays."""
    ahead = [
        CutoffMove(
            circuit.key, circuit.cutoff_date, whole_day(newest[circuit.key], circuit.frequency_minutes)
        )
        for circuit in circuits
        if circuit.key in newest
    ]
    return sorted((move for move in ahead if move.after > move.before), key=lambda move: move.key)


def _changed(wanted: int | None, current: int) -> int | None:
    return wanted if wanted != current else None
