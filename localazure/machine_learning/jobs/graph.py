"""What a job means, free of wire formats: tasks, graphs of steps, and how bindings and commands resolve. Pure."""

import re
from collections.abc import Mapping, Set
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter


class InvalidJob(ValueError):
    """The job or one of its components cannot run as written; the message says what to change."""


@dataclass(frozen=True)
class Literal:
    text: str


@dataclass(frozen=True)
class Data:
    """Something to be read: an `azureml:` id or a URI, of type uri_file, uri_folder, mltable or a kind of model.

    With mode `direct` the command is handed the URI itself.
    """

    uri: str
    type: str
    mode: str | None = None


Value = Literal | Data


@dataclass(frozen=True)
class InputSpec:
    type: str
    optional: bool = False
    default: str | None = None
    mode: str | None = None


@dataclass(frozen=True)
class OutputSpec:
    type: str
    uri: str | None = None
    mode: str | None = None


@dataclass(frozen=True)
class Task:
    """One command. `code` is the id of a code asset or None; `environment` an asset id."""

    command: str
    environment: str
    compute: str
    code: str | None
    inputs: Mapping[str, InputSpec]
    outputs: Mapping[str, OutputSpec]
    variables: Mapping[str, str]


@dataclass(frozen=True)
class Step:
    """A part of a graph. `inputs` may bind to the parent; `bound_outputs` name the parent outputs that it writes."""

    work: "Task | Graph"
    inputs: Mapping[str, Value]
    outputs: Mapping[str, OutputSpec]
    bound_outputs: Mapping[str, str]
    after: frozenset[str]


@dataclass(frozen=True)
class Graph:
    inputs: Mapping[str, InputSpec]
    outputs: Mapping[str, OutputSpec]
    steps: Mapping[str, Step]


@dataclass(frozen=True)
class Plan:
    """A whole job: what runs, and the values of its inputs."""

    work: Task | Graph
    inputs: Mapping[str, Value]


_PARENT_INPUT = re.compile(r"\$\{\{\s*parent\.inputs\.(\w+(?:\.\w+)*)\s*\}\}")
_STEP_OUTPUT = re.compile(r"\$\{\{\s*parent\.jobs\.(\w+)\.outputs\.(\w+)\s*\}\}")
_PARENT_OUTPUT = re.compile(r"\$\{\{\s*parent\.outputs\.(\w+)\s*\}\}")
_REFERENCE = re.compile(r"\$\{\{\s*(inputs|outputs)\.(\w+)(?:\.path)?\s*\}\}")
_OPTIONAL = re.compile(r"\$\[\[(.*?)\]\]", re.DOTALL)


def parent_output(text: str) -> str | None:
    """The parent's output that `text` binds to, None when it is no such binding."""
    match = _PARENT_OUTPUT.fullmatch(text.strip())
    return match[1] if match else None


def steps_read(value: Value) -> set[str]:
    """The sibling steps whose outputs `value` reads."""
    return {match[1] for match in _STEP_OUTPUT.finditer(_text(value))}


def in_order(graph: Graph) -> list[str]:
    """The steps' names, each after those it reads. Raises `InvalidJob` for unknown steps and circles."""
    for name, step in graph.steps.items():
        if missing := step.after - graph.steps.keys():
            raise InvalidJob(
                f"The step {name} reads the step {', '.join(sorted(missing))}, which does not exist."
            )
    try:
        return list(
            TopologicalSorter({name: step.after for name, step in graph.steps.items()}).static_order()
        )
    except CycleError as error:
        raise InvalidJob(f"The steps wait for each other: {' -> '.join(error.args[1])}.") from None


def resolve(
    value: Value, inputs: Mapping[str, Value], produced: Mapping[tuple[str, str], Data]
) -> Value | None:
    """`value` with bindings to the parent's `inputs` and to `produced` (step, output) replaced.

    None when it is bound to an optional input that was not given.
    """
    text = _text(value)
    if match := _PARENT_INPUT.fullmatch(text.strip()):
        found = inputs.get(match[1])
        return found if found is None else _with_mode(found, value)
    if match := _STEP_OUTPUT.fullmatch(text.strip()):
        return _with_mode(produced[match[1], match[2]], value)
    if isinstance(value, Data):
        return value
    return Literal(_PARENT_INPUT.sub(lambda match: _text(_given(inputs, match[1])), text))


def complete(specs: Mapping[str, InputSpec], given: Mapping[str, Value], what: str) -> dict[str, Value]:
    """`given` with defaults filled in. Raises `InvalidJob` for unknown and for missing inputs."""
    if unknown := given.keys() - specs.keys():
        raise InvalidJob(
            f"{what} has no input {', '.join(sorted(unknown))} (it has {', '.join(specs) or 'none'})."
        )
    defaults = {name: Literal(spec.default) for name, spec in specs.items() if spec.default is not None}
    values = {**defaults, **given}
    missing = [name for name, spec in specs.items() if name not in values and not spec.optional]
    if missing:
        raise InvalidJob(f"{what} needs the input {', '.join(missing)}.")
    return values


def render(command: str, inputs: Mapping[str, str], outputs: Mapping[str, str]) -> str:
    """The command line: `$[[…]]` stays when all inputs in it are given, references become values.

    Raises `InvalidJob` when a reference outside of `$[[…]]` has no value.
    """
    values = {"inputs": inputs, "outputs": outputs}

    def optional(match: re.Match[str]) -> str:
        needed = [(kind, name) for kind, name in _REFERENCE.findall(match[1])]
        return match[1] if all(name in values[kind] for kind, name in needed) else ""

    def value(match: re.Match[str]) -> str:
        if match[2] not in values[match[1]]:
            raise InvalidJob(f"The command refers to {match[1]}.{match[2]}, which has no value.")
        return values[match[1]][match[2]]

    return _REFERENCE.sub(value, _OPTIONAL.sub(optional, command))


def referenced(command: str) -> Set[tuple[str, str]]:
    """The (inputs|outputs, name) that a command mentions."""
    return {(kind, name) for kind, name in _REFERENCE.findall(command)}


def _text(value: Value) -> str:
    return value.text if isinstance(value, Literal) else value.uri


def _given(inputs: Mapping[str, Value], name: str) -> Value:
    if name not in inputs:
        raise InvalidJob(f"A step's text refers to the input {name}, which was not given.")
    return inputs[name]


def _with_mode(found: Value, asked: Value) -> Value:
    """What a binding yields; a mode written at the binding wins."""
    if isinstance(found, Data) and isinstance(asked, Data) and asked.mode:
        return Data(found.uri, found.type, asked.mode)
    return found
