"""What is refused of a planned job before it is queued: inputs missing, unknown, of the wrong type, or of nothing."""

from collections.abc import Mapping

from localazure.machine_learning.assets.references import is_asset, parse_asset
from localazure.machine_learning.assets.store import read_asset
from localazure.machine_learning.context import Context
from localazure.machine_learning.datastores.routes import check_datastore
from localazure.machine_learning.jobs.graph import (
    Data,
    Graph,
    InputSpec,
    InvalidJob,
    Literal,
    Plan,
    Step,
    Task,
    Value,
    complete,
)
from localazure.machine_learning.routing import Scope

_DATA = ("uri_file", "uri_folder", "mltable")
_MODELS = ("mlflow_model", "custom_model", "triton_model")
_BINDING = "${{"


def check_plan(context: Context, scope: Scope, plan: Plan) -> None:
    """Raises `InvalidJob`; refuses with 404 an input that names no registered asset."""
    _check_inputs(context, scope, plan.work, plan.inputs, "The job")
    _check_steps(context, scope, plan.work)
    for output in plan.work.outputs.values():
        check_datastore(context, scope, output.uri or "")


def _check_steps(context: Context, scope: Scope, work: Task | Graph) -> None:
    if not isinstance(work, Graph):
        return
    for name, step in work.steps.items():
        _check_inputs(context, scope, step.work, step.inputs, f"The step {name}")
        _check_outputs(name, step, work)
        _check_steps(context, scope, step.work)


def _check_inputs(
    context: Context, scope: Scope, work: Task | Graph, given: Mapping[str, Value], what: str
) -> None:
    complete(work.inputs, given, what)
    for name, value in given.items():
        if _BINDING in (value.text if isinstance(value, Literal) else value.uri):
            continue
        if problem := _type_problem(work.inputs[name], value):
            raise InvalidJob(
                f"{what}: the input {name} is of type {work.inputs[name].type}; it was given {problem}."
            )
        if isinstance(value, Data) and is_asset(value.uri):
            found = parse_asset(value.uri, scope, context.scopes)
            kind = found.kind.lower() or ("models" if value.type in _MODELS else "data")
            read_asset(context, found.scope, kind, found.name, found.version)
        elif isinstance(value, Data):
            check_datastore(context, scope, value.uri)


def _check_outputs(name: str, step: Step, graph: Graph) -> None:
    if unknown := (step.outputs.keys() | step.bound_outputs.keys()) - step.work.outputs.keys():
        raise InvalidJob(f"The step {name} has no output {', '.join(sorted(unknown))}.")
    if unknown := set(step.bound_outputs.values()) - graph.outputs.keys():
        raise InvalidJob(
            f"The step {name} writes the pipeline's {', '.join(sorted(unknown))}, which does not exist."
        )


def _type_problem(spec: InputSpec, value: Value) -> str | None:
    """What `value` is instead of what `spec` asks for; None when it fits."""
    if isinstance(value, Data):
        if spec.type not in (*_DATA, *_MODELS):
            return f"{value.type} {value.uri}"
        return value.type if {spec.type, value.type} <= set(_DATA) and spec.type != value.type else None
    if spec.type in (*_DATA, *_MODELS):
        return f"the text {value.text!r}"
    return None if _reads_as(spec.type, value.text) else repr(value.text)


def _reads_as(kind: str, text: str) -> bool:
    if kind == "boolean":
        return text.lower() in ("true", "false")
    if kind not in ("integer", "number"):
        return True
    try:
        float(text) if kind == "number" else int(text)
    except ValueError:
        return False
    return True
