"""A YAML file as plain data with the line of every key, and its problems collected rather than raised."""

from typing import Any

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from busbar.fleet.explanations import explain
from busbar.fleet.problems import Path, Problem, dotted

MAX_BYTES = 1_000_000
_CORE = "tag:yaml.org,2002:"
_CONSTRUCTED = {f"{_CORE}{name}" for name in ("bool", "int", "float", "null")}
_TEXT = {f"{_CORE}{name}" for name in ("str", "timestamp", "merge", "value")}


class Document:
    """One file: `data` (`None` if it is no YAML), the line of each path in it, and the problems of all files so far."""

    def __init__(self, file: str, content: bytes, problems: list[Problem]):
        self.file = file
        self._problems = problems
        self._lines: dict[Path, int] = {(): 1}
        self._seen: set[int] = set()
        self._yaml = YAML(typ="safe", pure=True)
        self.data: Any = self._read(content)

    def line(self, path: Path) -> int:
        """The line of `path`, or of the nearest thing around it."""
        while path not in self._lines:
            path = path[:-1]
        return self._lines[path]

    def problem(self, path: Path, message: str) -> None:
        self._problems.append(Problem(self.file, self.line(path), dotted(path), message))

    def model[M: BaseModel](self, type_: type[M], data: Any, path: Path = ()) -> M | None:
        """`data`, found at `path`, as a `type_`; `None` and problems where it does not fit."""
        try:
            return type_.model_validate(data)
        except ValidationError as error:
            for detail in error.errors(include_url=False):
                self.problem((*path, *detail["loc"]), explain(type_, detail))
            return None

    def _read(self, content: bytes) -> Any:
        if len(content) > MAX_BYTES:
            return self.problem((), f"is larger than {MAX_BYTES:,} bytes")
        try:
            root = self._yaml.compose(content.decode())
            return (self._plain(root, ()) if root else None) or {}  # comments alone, or nothing, set no key
        except UnicodeDecodeError:
            return self.problem((), "is not UTF-8 text")
        except RecursionError:
            return self.problem((), "is nested too deeply")
        except MarkedYAMLError as error:
            self._lines[()] = error.problem_mark.line + 1 if error.problem_mark else 1
            return self.problem((), f"is not YAML: {error.problem or error.context}")
        except (YAMLError, ValueError) as error:  # ValueError: ruamel's readers of odd escapes and numbers
            return self.problem((), f"is not YAML: {str(error).splitlines()[0]}")

    def _plain(self, node: Node, path: Path) -> Any:
        self._lines.setdefault(path, node.start_mark.line + 1)
        if id(node) in self._seen:
            return self.problem(
                path, "anchors and aliases are not supported: write it out, or use `defaults`"
            )
        self._seen.add(id(node))
        match node:
            case MappingNode():
                return self._mapping(node, path)
            case SequenceNode():
                return [self._plain(item, (*path, index)) for index, item in enumerate(node.value)]
            case _:
                return self._scalar(node, path)

    def _mapping(self, node: MappingNode, path: Path) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, ScalarNode):
                self._lines.setdefault(path, line)
                self.problem(path, f"the key in line {line} is not a name")
                continue
            key = str(key_node.value)
            inner = (*path, key)
            if key in result:
                message = f"duplicate key, first in line {self._lines[inner]}"
                self._problems.append(Problem(self.file, line, dotted(inner), message))
                continue
            self._lines[inner] = line
            result[key] = self._plain(value_node, inner)
        return result

    def _scalar(self, node: Node, path: Path) -> Any:
        tag = str(node.tag)
        if tag in _CONSTRUCTED:
            return self._yaml.constructor.construct_object(node, deep=True)
        if tag not in _TEXT:
            return self.problem(path, f"the tag {tag} is not supported")
        return node.value
