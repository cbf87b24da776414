"""From a job as the SDK sends it, and the registered components it names, to a `Plan`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from localazure.machine_learning.assets.references import parse_asset
from localazure.machine_learning.assets.store import read_asset
from localazure.machine_learning.computes.resources import compute_names, find_compute
from localazure.machine_learning.context import Context
from localazure.machine_learning.jobs.checks import check_plan
from localazure.machine_learning.jobs.graph import (
    Data,
    Graph,
    InputSpec,
    InvalidJob,
    Literal,
    OutputSpec,
    Plan,
    Step,
    Task,
    Value,
    in_order,
    parent_output,
    steps_read,
)
from localazure.machine_learning.routing import Json, Scope, missing_field
from localazure.web import azure_error

_TYPES = {
    name.replace("_", ""): name
    for name in (
        "uri_file",
        "uri_folder",
        "mltable",
        "mlflow_model",
        "custom_model",
        "triton_model",
        "literal",
    )
}
_BINDING = re.compile(r"\$\{\{\s*parent\.")


def plan_job(context: Context, scope: Scope, properties: Json) -> Plan:
    """What the job runs. Refuses with 400 what cannot run as written, with 404 what is not registered."""
    try:
        plan = _Planner(context, scope).job(properties)
        check_plan(context, scope, plan)
        return plan
    except InvalidJob as error:
        raise azure_error(400, "UserError", str(error)) from None


@dataclass(frozen=True)
class _Planner:
    context: Context
    scope: Scope

    def job(self, job: Json) -> Plan:
        inputs = _values(job.get("inputs"))
        kind = str(job.get("jobType", "")).lower()
        if kind not in ("command", "pipeline"):
            raise InvalidJob(f"localazure runs command and pipeline jobs, not {job.get('jobType')!r}.")
        compute = job.get("computeId") or (job.get("settings") or {}).get("default_compute")
        if job.get("componentId"):
            work = self._component(str(job["componentId"]), self.scope, compute)
            return Plan(_with_outputs(work, _outputs(job.get("outputs"))), inputs)
        specs = {name: InputSpec(_given_type(value)) for name, value in inputs.items()}
        outputs = {name: spec for name, (spec, _) in _outputs(job.get("outputs")).items()}
        if kind == "pipeline":
            return Plan(self._graph(specs, outputs, job.get("jobs") or {}, self.scope, compute), inputs)
        for name in ("command", "environmentId"):
            if not job.get(name):
                raise missing_field(f"properties.{name}")
        fields = {"command": job["command"], "code": job.get("codeId"), "environment": job["environmentId"]}
        return Plan(self._task(fields, specs, outputs, self.scope, compute, job), inputs)

    def _component(
        self, reference: str, home: Scope, compute: str | None, step: Json | None = None
    ) -> Task | Graph:
        found = parse_asset(reference, home, self.context.scopes)
        resource = read_asset(self.context, found.scope, "components", found.name, found.version)
        spec = resource["properties"]["componentSpec"]
        inputs = {name: _input_spec(value) for name, value in (spec.get("inputs") or {}).items()}
        outputs = {
            name: OutputSpec(wire_type(value), None, value.get("mode"))
            for name, value in (spec.get("outputs") or {}).items()
        }
        if spec.get("type") == "pipeline":
            return self._graph(inputs, outputs, spec.get("jobs") or {}, found.scope, compute)
        if spec.get("type") != "command":
            raise InvalidJob(
                f"{found.name}: localazure runs command and pipeline components, not {spec.get('type')!r}."
            )
        return self._task(spec, inputs, outputs, found.scope, compute, step or {})

    def _graph(
        self,
        inputs: Mapping[str, InputSpec],
        outputs: Mapping[str, OutputSpec],
        jobs: Json,
        home: Scope,
        compute: str | None,
    ) -> Graph:
        steps = {name: self._step(name, step, home, compute) for name, step in jobs.items()}
        if not steps:
            raise InvalidJob("The pipeline has no steps.")
        graph = Graph(inputs, outputs, steps)
        in_order(graph)
        return graph

    def _step(self, name: str, step: Json, home: Scope, compute: str | None) -> Step:
        reference = step.get("componentId") or step.get("component")
        if not isinstance(reference, str):
            raise InvalidJob(f"The step {name}, of type {step.get('type')!r}, names no registered component.")
        work = self._component(reference, home, step.get("computeId") or step.get("compute") or compute, step)
        inputs, outputs = _values(step.get("inputs")), _outputs(step.get("outputs"))
        return Step(
            work=work,
            inputs=inputs,
            outputs={key: spec for key, (spec, bound) in outputs.items() if bound is None},
            bound_outputs={key: bound for key, (_, bound) in outputs.items() if bound},
            after=frozenset(other for value in inputs.values() for other in steps_read(value)),
        )

    def _task(
        self,
        spec: Json,
        inputs: Mapping[str, InputSpec],
        outputs: Mapping[str, OutputSpec],
        home: Scope,
        compute: str | None,
        overrides: Json,
    ) -> Task:
        variables = overrides.get("environmentVariables") or overrides.get("environment_variables") or {}
        return Task(
            command=spec["command"],
            environment=self._environment(str(overrides.get("environment") or spec["environment"]), home),
            compute=self._compute(compute),
            code=self._code(spec.get("code"), home),
            inputs=inputs,
            outputs=outputs,
            variables={**(spec.get("environment_variables") or {}), **variables},
        )

    def _environment(self, reference: str, home: Scope) -> str:
        found = parse_asset(reference, home, self.context.scopes)
        read_asset(self.context, found.scope, "environments", found.name, found.version)
        return found.scope.asset_id("environments", found.name, found.version)

    def _code(self, reference: str | None, home: Scope) -> str | None:
        if not reference:
            return None
        found = parse_asset(reference, home, self.context.scopes)
        read_asset(self.context, found.scope, "codes", found.name, found.version)
        return found.scope.asset_id("codes", found.name, found.version)

    def _compute(self, reference: str | None) -> str:
        name = (reference or "").removeprefix("azureml:").rpartition("/")[2]
        if find_compute(self.context, self.scope, name):
            return name
        known = ", ".join(compute_names(self.context, self.scope)) or "none"
        raise InvalidJob(
            f"Unknown compute target {name!r} in {self.scope.name} (it has {known})."
            if name
            else "No compute: set one on the step, on the job, or as the pipeline's default_compute."
        )


def _with_outputs(work: Task | Graph, asked: Mapping[str, tuple[OutputSpec, str | None]]) -> Task | Graph:
    """`work` with the places asked for its outputs. Raises `InvalidJob` for an output it does not have."""
    if unknown := asked.keys() - work.outputs.keys():
        raise InvalidJob(f"The component has no output {', '.join(sorted(unknown))}.")
    placed = {
        name: OutputSpec(work.outputs[name].type, spec.uri, spec.mode) for name, (spec, _) in asked.items()
    }
    outputs = {**work.outputs, **placed}
    if isinstance(work, Graph):
        return Graph(work.inputs, outputs, work.steps)
    return Task(work.command, work.environment, work.compute, work.code, work.inputs, outputs, work.variables)


def _values(inputs: Json | None) -> dict[str, Value]:
    return {name: _value(name, value) for name, value in (inputs or {}).items() if value is not None}


def _value(name: str, wire: Json | str) -> Value:
    if not isinstance(wire, dict):
        return Literal(str(wire))
    kind, mode = wire_type(wire), _mode(wire)
    if kind == "literal":
        text = _text(wire.get("value"))
        return Data(text, "binding", mode) if mode and _BINDING.search(text) else Literal(text)
    if not wire.get("uri"):
        raise InvalidJob(f"The input {name} of type {kind} has no uri.")
    return Data(str(wire["uri"]), kind, mode)


def _outputs(outputs: Json | None) -> dict[str, tuple[OutputSpec, str | None]]:
    """(spec, bound output of the parent) by name."""
    return {name: _output(value) for name, value in (outputs or {}).items() if value is not None}


def _output(wire: Json | str) -> tuple[OutputSpec, str | None]:
    if isinstance(wire, str):
        return OutputSpec("uri_folder"), parent_output(wire)
    if wire_type(wire) == "literal":
        return OutputSpec("uri_folder", mode=_mode(wire)), parent_output(_text(wire.get("value")))
    return OutputSpec(wire_type(wire), wire.get("uri"), _mode(wire)), None


def _input_spec(wire: Json) -> InputSpec:
    default = wire.get("default")
    return InputSpec(
        type=str(wire["type"]),
        optional=bool(wire.get("optional")),
        default=None if default is None else _text(default),
        mode=_mode(wire),
    )


def _given_type(value: Value) -> str:
    return "string" if isinstance(value, Literal) else value.type


def wire_type(wire: Json) -> str:
    """The type of an input or output on the wire, spelled as in YAML (`MLFlowModel` is `mlflow_model`)."""
    keys = ("jobInputType", "job_input_type", "jobOutputType", "job_output_type", "type")
    found = next((str(wire[key]) for key in keys if wire.get(key)), "uri_folder")
    return _TYPES.get(found.lower().replace("_", ""), found)


def _mode(wire: Json) -> str | None:
    return str(wire["mode"]).lower() if wire.get("mode") else None


def _text(value: object) -> str:
    """A literal as Azure ML writes it into a command."""
    return ("true" if value else "false") if isinstance(value, bool) else str("" if value is None else value)
