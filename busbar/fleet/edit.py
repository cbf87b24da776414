"""Edits of `circuits.yaml` that leave every other character as it is: comments, quotes, order, line ends."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from busbar.domain.circuits import CircuitKey
from busbar.domain.errors import ConfigurationError

_MARK = "\ufeff"


@dataclass(frozen=True)
class CircuitEdit:
    """A circuit's new cutoff date and, where given, the days before it that training sees."""

    key: CircuitKey
    cutoff_date: date
    training_days: int | None = None


@dataclass(frozen=True)
class _Splice:
    """Put `text` in place of the characters from `start` to `end`."""

    start: int
    end: int
    text: str


def edit_circuits(text: str, edits: Iterable[CircuitEdit]) -> str:
    """`circuits.yaml` with the edits made; the same text where nothing changes.

    Raises `ConfigurationError` for a circuit that is not in it, or a file that is no fleet's.
    """
    mark, body = (_MARK, text[1:]) if text.startswith(_MARK) else ("", text)
    circuits = _circuits(body)
    splices = [splice for edit in edits for splice in _splices(body, _found(circuits, edit.key), edit)]
    for splice in sorted(splices, key=lambda one: one.start, reverse=True):
        body = body[: splice.start] + splice.text + body[splice.end :]
    return mark + body


def _circuits(text: str) -> dict[CircuitKey, MappingNode]:
    try:
        root = YAML(typ="safe", pure=True).compose(text)
    except (YAMLError, ValueError) as error:
        raise ConfigurationError(f"config/circuits.yaml is not YAML: {str(error).splitlines()[0]}") from error
    listed = _value(root, "circuits") if isinstance(root, MappingNode) else None
    items = listed.value if isinstance(listed, SequenceNode) else []
    return {_key(item): item for item in items if isinstance(item, MappingNode)}


def _key(item: MappingNode) -> CircuitKey:
    plant, circuit = (_value(item, name) for name in ("plant_id", "circuit_id"))
    return CircuitKey(*(str(node.value) if isinstance(node, ScalarNode) else "" for node in (plant, circuit)))


def _found(circuits: dict[CircuitKey, MappingNode], key: CircuitKey) -> MappingNode:
    if key not in circuits:
        raise ConfigurationError(f"{key} is not in config/circuits.yaml")
    return circuits[key]


def _splices(text: str, item: MappingNode, edit: CircuitEdit) -> list[_Splice]:
    cutoff, days = _value(item, "cutoff_date"), _value(item, "training_days")
    if not isinstance(cutoff, ScalarNode):
        raise ConfigurationError(f"{edit.key} has no cutoff_date in config/circuits.yaml")
    splices = [_replaced(text, cutoff, edit.cutoff_date.isoformat())]
    if edit.training_days is not None and isinstance(days, ScalarNode):
        splices.append(_replaced(text, days, str(edit.training_days)))
    elif edit.training_days is not None:
        splices.append(_before_key(text, item, "cutoff_date", f"training_days: {edit.training_days}"))
    return splices


def _replaced(text: str, node: ScalarNode, value: str) -> _Splice:
    """The scalar's own quotes stay."""
    start, end = int(node.start_mark.index), int(node.end_mark.index)
    written = text[start:end].rstrip()  # a plain scalar's mark may lie behind the blanks after it
    quote = written[0] if written[:1] in ("'", '"') else ""
    return _Splice(start, start + len(written), f"{quote}{value}{quote}")


def _before_key(text: str, item: MappingNode, name: str, entry: str) -> _Splice:
    """A new entry before a key of the mapping: on a line of its own, or in the braces."""
    at = next(int(key.start_mark.index) for key, _ in item.value if key.value == name)
    if item.flow_style:
        return _Splice(at, at, f"{entry}, ")
    line = text.rfind("\n", 0, at) + 1
    end = "\r\n" if text.find("\r\n") >= 0 else "\n"
    return _Splice(at, at, f"{entry}{end}{' ' * (at - line)}")


def _value(node: MappingNode, name: str) -> Node | None:
    return next(
        (value for key, value in node.value if isinstance(key, ScalarNode) and key.value == name), None
    )
