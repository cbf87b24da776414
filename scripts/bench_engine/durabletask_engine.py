"""durabletask's in-memory backend with its own worker over gRPC, in one process; the very orchestrators of our app."""

import json
import socket

from durabletask import client, task, worker
from durabletask.testing import create_test_backend

from scripts.bench_engine import workload
from scripts.bench_engine.reporting import report

CHUNK = 25


def step(context: task.ActivityContext, request: dict) -> int:
    return workload.step(request["value"], request["number"])


def circuit(context: task.OrchestrationContext, value: int):
    for number in workload.BEFORE:
        value = yield context.call_activity(step, input={"value": value, "number": number})
    value = yield context.call_activity("submit", input={"value": value, "circuit": context.instance_id})
    value += yield context.wait_for_external_event(workload.EVENT_NAME)
    for number in workload.AFTER:
        value = yield context.call_activity(step, input={"value": value, "number": number})
    return value


def window(context: task.OrchestrationContext, circuits: list):
    waiting, running, total = list(circuits), [], 0
    while waiting or running:
        while waiting and len(running) < workload.WINDOW:
            running.append(context.call_sub_orchestrator(circuit, input=waiting.pop(0)))
        finished = yield task.when_any(running)
        running.remove(finished)
        total += finished.get_result()
    return total


def chunks(context: task.OrchestrationContext, circuits: list):
    total = 0
    for first in range(0, len(circuits), CHUNK):
        total += yield context.call_sub_orchestrator(window, input=circuits[first : first + CHUNK])
    return total


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def main() -> None:
    port = free_port()
    backend = create_test_backend(port)
    hub = client.TaskHubGrpcClient(host_address=f"localhost:{port}")

    def submit(context: task.ActivityContext, request: dict) -> int:
        hub.raise_orchestration_event(request["circuit"], workload.EVENT_NAME, data=workload.EVENT)
        return workload.step(request["value"], workload.SUBMIT)

    def run(circuits: int) -> int:
        instance = hub.schedule_new_orchestration(chunks, input=list(range(circuits)))
        state = hub.wait_for_orchestration_completion(instance, timeout=600)
        return json.loads(state.serialized_output)

    with worker.TaskHubGrpcWorker(host_address=f"localhost:{port}") as app:
        for orchestrator in (circuit, window, chunks):
            app.add_orchestrator(orchestrator)
        for activity in (step, submit):
            app.add_activity(activity)
        app.start()
        report(run)
    backend.stop()


if __name__ == "__main__":
    main()
