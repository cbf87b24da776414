"""`people.yaml`: git login → mail address → directory object id, and groups."""

from busbar.domain.circuits import Person
from busbar.fleet.documents import Document
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
    return tuple(Person(item.login, item.mail, item.object_id, tuple(item.groups)) for item in items.values())


def _check_unique(document: Document, items: dict[int, PersonItem]) -> None:
    for field in _UNIQUE:
        first: dict[str, int] = {}
        for index, item in items.items():
            value: str = getattr(item, field)
            before = first.setdefault(value.casefold(), index)
            if before != index:
                line = document.line(("people", before, field))
                document.problem(("people", index, field), f"{value} is taken, first in line {line}")
