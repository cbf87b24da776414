"""Who is asked: the members of a gate's groups, or whom they have delegated to on that day."""

from dataclasses import dataclass
from datetime import date

from busbar.domain.approval import StandIn, eligible
from busbar.domain.circuits import Fleet, Person


@dataclass(frozen=True)
class Roster:
    """The people to ask, each once, and who of them stands in for whom."""

    people: tuple[Person, ...] = ()
    stand_ins: tuple[StandIn, ...] = ()


def roster(fleet: Fleet, groups: tuple[str, ...], requester: str, day: date) -> Roster:
    """Whom to ask on a day. A delegate is asked in the place of a member, once however many delegate to them.

    Chains are not followed: a delegate who is away is asked all the same. The requester's seat goes to nobody (nobody
    picks who decides on their own request), and whoever delegates to the requester is asked in person.
    """
    allowed = {person.object_id for person in eligible(fleet.people, requester)}
    people: dict[str, Person] = {}
    stand_ins: list[StandIn] = []
    for member in fleet.members(groups):
        if member.object_id not in allowed:
            continue
        delegate = _delegate(fleet, member, day)
        if delegate is None or delegate.object_id not in allowed:
            people.setdefault(member.object_id, member)
        else:
            people.setdefault(delegate.object_id, delegate)
            stand_ins.append(StandIn(delegate.login, member.login))
    return Roster(tuple(people.values()), tuple(stand_ins))


def _delegate(fleet: Fleet, member: Person, day: date) -> Person | None:
    return fleet.person(member.delegate.to) if member.delegate and member.delegate.holds(day) else None
