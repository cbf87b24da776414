import pytest
from hypothesis import given
from hypothesis import strategies as st

from localazure.machine_learning.jobs.graph import (
    Data,
    Graph,
    InputSpec,
    InvalidJob,
    Literal,
    Step,
    Task,
    complete,
    in_order,
    render,
    resolve,
)

TASK = Task("true", "env", "cpu", None, {}, {}, {})


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("run ${{inputs.a}}", "run A"),
        ("run ${{ inputs.a }} ${{outputs.o}}", "run A /out"),
        ("run $[[--a ${{inputs.a}}]]", "run --a A"),
        ("run $[[--b ${{inputs.b}}]] end", "run  end"),
        ("run $[[--a ${{inputs.a}} --b ${{inputs.b}}]]", "run "),
        ("echo $HOME ${PATH} $[[kept]]", "echo $HOME ${PATH} kept"),
        ("run $[[--a\n${{inputs.a}}]]", "run --a\nA"),
    ],
)
def test_commands_are_rendered_as_azure_does(command: str, expected: str) -> None:
    assert render(command, {"a": "A"}, {"o": "/out"}) == expected


def test_a_required_reference_without_a_value_is_named() -> None:
    with pytest.raises(InvalidJob, match=r"inputs\.b"):
        render("run ${{inputs.b}}", {}, {})


@given(st.text())
def test_values_are_never_rendered_again(value: str) -> None:
    assert render("${{inputs.a}}", {"a": value}, {}) == value


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Literal("${{parent.inputs.text}}"), Data("u", "uri_file")),
        (Data("${{parent.inputs.text}}", "binding", "direct"), Data("u", "uri_file", "direct")),
        (Literal("${{parent.inputs.absent}}"), None),
        (Literal("${{parent.jobs.first.outputs.loud}}"), Data("p", "uri_file")),
        (Literal("at ${{parent.inputs.rate}} %"), Literal("at 5 %")),
        (Literal("plain"), Literal("plain")),
        (Data("azureml:x:1", "mltable"), Data("azureml:x:1", "mltable")),
    ],
)
def test_bindings_resolve(value: Literal | Data, expected: Literal | Data | None) -> None:
    inputs = {"text": Data("u", "uri_file"), "rate": Literal("5")}
    assert resolve(value, inputs, {("first", "loud"): Data("p", "uri_file")}) == expected


def test_defaults_fill_in_and_optional_inputs_may_be_absent() -> None:
    specs = {
        "a": InputSpec("string", default="1"),
        "b": InputSpec("string", optional=True),
        "c": InputSpec("string"),
    }
    assert complete(specs, {"c": Literal("3")}, "it") == {"a": Literal("1"), "c": Literal("3")}


@pytest.mark.parametrize(
    ("given_inputs", "message"),
    [({}, "needs the input c"), ({"c": Literal(""), "d": Literal("")}, "no input d")],
)
def test_missing_and_unknown_inputs_are_named(given_inputs: dict[str, Literal], message: str) -> None:
    with pytest.raises(InvalidJob, match=message):
        complete({"c": InputSpec("string")}, given_inputs, "The job")


def _graph(**after: set[str]) -> Graph:
    steps = {name: Step(TASK, {}, {}, {}, frozenset(others)) for name, others in after.items()}
    return Graph({}, {}, steps)


def test_steps_follow_those_they_read() -> None:
    assert in_order(_graph(c={"b"}, b={"a"}, a=set())) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("graph", "message"),
    [(_graph(a={"b"}, b={"a"}), "wait for each other"), (_graph(a={"z"}), "step z, which does not exist")],
)
def test_impossible_orders_are_refused(graph: Graph, message: str) -> None:
    with pytest.raises(InvalidJob, match=message):
        in_order(graph)
