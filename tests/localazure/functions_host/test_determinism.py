"""The determinism guard, on a host whose app sins in every usual way."""

import signal
from pathlib import Path

import durabletask.internal.helpers as events
import durabletask.internal.orchestrator_service_pb2 as pb
import pytest

from localazure.functions_host import determinism

APP = Path(__file__).with_name("sinful_app")


@pytest.fixture(scope="module")
def guarded(launch, tmp_path_factory):
    running = launch(tmp_path_factory.mktemp("guarded"), app=APP, LOCALAZURE_CHECK_DETERMINISM="1")
    yield running
    running.stop()


def run(host, name, value=0):
    started = host.http.post(f"/api/runs/{name}", json=value)
    return host.finished(started.json()["statusQueryGetUri"])


@pytest.mark.parametrize(
    ("name", "turn", "what", "before", "after"),
    [
        ("clock_in_a_payload", 1, "action 1", "the first run has call_activity('echo', \"20", "call_activity"),
        ("clock_in_a_timer", 1, "action 1", "the first run has create_timer(20", "create_timer(20"),
        ("clock_in_the_result", 2, "action 2", "the first run has return 1", "return 1"),
        ("clock_in_the_custom_status", 1, "the custom status", "the first run has ", ""),
        ("random_payload", 1, "action 1", "the first run has call_activity('echo', 0.", "call_activity('echo', 0."),
        ("random_child_id", 1, "action 1", "the first run has call_sub_orchestrator('honest', 1, inst", "call_sub"),
        ("random_event", 1, "action 1", "the first run has send_event('nobody', 'number', 0.", "send_event("),
        ("random_signal", 1, "action 1", "the first run has signal_entity(@counter@sin, add, 0.", "signal_entity("),
        ("random_call", 1, "action 1", "the first run has call_entity(@sums@sin, add, 0.", "call_entity("),
        ("random_error", 2, "action 2", "the first run has raise builtins.ValueError: bad luck 0.", "raise "),
        ("random_next_input", 2, "action 2", "the first run has continue_as_new(0.", "continue_as_new(0."),
        ("global_counter", 1, "action 1", "the first run has call_activity('echo', 0)", "call_activity('echo', 1)"),
        ("shared_dict", 3, "action 1", "history has call_activity('echo')", "call_activity('echo', \"changed\")"),
        ("environment", 3, "action 1", "history has call_activity('echo')", "call_activity('echo', \"westeurope\")"),
        ("other_activity", 2, "action 1", "history has call_activity('echo')", "call_activity('remember')"),
    ],
)  # fmt: skip
def test_sins(guarded, name, turn, what, before, after):
    status = run(guarded, name, 0)
    assert status["runtimeStatus"] == "Failed"
    instance = status["instanceId"]
    start = (
        f"The orchestrator '{name}' is not deterministic: instance {instance}, turn {turn}, {what}: {before}"
    )
    found = status["output"].removeprefix("NonDeterministicOrchestrator: ")
    assert found.startswith(start)
    assert f"; the replay has {after}" in found
    assert "ctx.current_utc_datetime" in found
    assert start in guarded.output


@pytest.mark.parametrize(
    ("name", "value", "output"),
    [
        ("honest", 0, 2),
        ("retries", 0, [3, 3]),
        ("fan_out", 5, 10),
        ("cancelled_timer", 0, True),
        ("entities", 0, [7, 15]),
        ("rounds", 0, 3),
        ("caught", 0, "FunctionNotFound"),
        ("v1_style", 0, [36, 1, 2]),
    ],
)
def test_the_deterministic_pass(guarded, name, value, output):
    status = run(guarded, name, value)
    assert (status["runtimeStatus"], status["output"]) == ("Completed", output)


def test_a_failure_stays_the_orchestrators_own(guarded):
    status = run(guarded, "failing")
    assert status["runtimeStatus"] == "Failed"
    assert status["output"].startswith("builtins.ValueError: no <object object at 0x")


def test_the_order_of_strings_shows_after_a_restart(start):
    host = start(app=APP, LOCALAZURE_CHECK_DETERMINISM="1", PYTHONHASHSEED="1")
    links = host.http.post("/api/runs/order_of_strings/s", json=0).json()
    host.until(lambda: len(history(host, links)) == 2)
    host.stop(signal.SIGTERM)
    host = start(app=APP, LOCALAZURE_CHECK_DETERMINISM="1", PYTHONHASHSEED="2")
    host.http.post(here(links["sendEventPostUri"]).format(eventName="go"), json=1)
    output = host.finished(here(links["statusQueryGetUri"]))["output"]
    assert "turn 3, action 1: history has call_activity('echo', [\"circuit " in output


def history(host, links):
    return host.http.get(here(links["statusQueryGetUri"]) + "&showHistory=true").json()["historyEvents"]


def here(address):
    """An address of an earlier host, on the present one."""
    return address.partition("/runtime")[1] + address.partition("/runtime")[2]


def test_without_the_switch_nothing_runs_twice(start):
    host = start(app=APP, LOCALAZURE_CHECK_DETERMINISM="0")
    assert run(host, "random_payload")["runtimeStatus"] == "Completed"


def test_long_payloads_are_shown_where_they_differ():
    past = [events.new_task_scheduled_event(1, "echo", f'"{"x" * 5000}one{"x" * 5000}"')]
    asked = pb.OrchestratorResponse(
        actions=[events.new_schedule_task_action(1, "echo", f'"{"x" * 5000}two{"x" * 5000}"', None)]
    )
    difference = determinism.first_difference(past, pb.OrchestratorResponse(), asked)
    assert difference is not None
    text = determinism.sentence("long", "i", 2, difference)
    assert "history has …xxx" in text
    assert "xonex" in text
    assert "xtwox" in text
    assert len(text) < 1000
