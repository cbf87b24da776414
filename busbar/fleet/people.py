"""`people.yaml`: git login → mail address → directory object id, groups, and who stands in for whom."""

from collections.abc import Mapping

from busbar.domain.circuits import Delegation, Person
from busbar.fleet.documents import Document
from busbar.fleet.explanations import unknown
from busbar.fleet.schema import PeopleFile, PersonItem

_UNIQUE = ("login", "mail", "object_id")


def read_people(document: Document) -> tuple[Person, ...] | None:
    """The people, or `None` and problems. One person is one entry: votes are counted by object id."""
    if document.data is None or (root := document.model(PeopleFile, document.data)) is None:
        return None
    read = {
        index: document.model(PersonItem, item, ("people", index)) for index, item in enumerate(root.people)
    }
    items = {index: item for index, item in read.items() if item is not None}
    _check_unique(document, items)
    if len(items) < len(read):
        return None
    _check_delegates(document, items)
    return tuple(_person(item) for item in items.values())


def _person(item: PersonItem) -> Person:
    delegate = item.delegate and Delegation(item.delegate.to, item.delegate.start, item.delegate.until)
    return Person(item.login, item.mail, item.object_id, tuple(item.groups), delegate)


def _check_delegates(document: Document, items: dict[int, PersonItem]) -> None:
    """A delegate is somebody else in the file, and nobody's seat comes back to them on any day."""
    known = {item.login.casefold(): item for item in items.values()}
    for index, item in items.items():
        if item.delegate is None:
            continue
        path = ("people", index, "delegate", "to")
        if item.delegate.to.casefold() not in known:
            logins = [one.login for one in items.values() if one is not item]
            document.problem(path, f"{item.delegate.to}: {unknown(item.delegate.to, logins, 'login')}")
        elif item.delegate.to.casefold() == item.login.casefold():
            document.problem(path, f"{item.login} delegates to themselves: name somebody else")
        elif cycle := _cycle(item, known):
            document.problem(path, f"{' → '.join(cycle)} is a cycle on the same days: end one of them")


def _cycle(item: PersonItem, known: Mapping[str, PersonItem]) -> list[str]:
    """The logins from `item` back to it along delegations that hold on a common day; empty if there are none."""
    names, here, start, until = [item.login], item, None, None
    while (held := here.delegate) and held.to.casefold() in known and len(names) <= len(known):
        start, until = max(start or held.start, held.start), min(until or held.until, held.until)
        if until < start:
            return []
        here = known[held.to.casefold()]
        names.append(here.login)
        if here is item:
            return names
    return []


def _check_unique(document: Document, items: dict[int, PersonItem]) -> None:
    for field in _UNIQUE:
        first: dict[str, int] = {}
        for index, item in items.items():
            value: str = getattr(item, field)
            before = first.setdefault(value.casefold(), index)
            if before != index:
                line = document.line(("people", before, field))
                document.problem(("people", index, field), f"{value} is taken, first in line {line}")
