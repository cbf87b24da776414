"""Workload W as a durable app: a child per circuit, five at once, parents in chunks (or one flat parent)."""

import asyncio
import json

import azure.durable_functions as df
import azure.functions as func
from durabletask import task
from durabletask.client import OrchestrationStatus

from scripts.bench_engine import workload

CHUNK = 25

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@app.activity_trigger(input_name="request")
def step(request: dict) -> int:
    return workload.step(request["value"], request["number"])


@app.activity_trigger(input_name="request")
@app.durable_client_input(client_name="client")
def submit(request: dict, client: df.SyncDurableFunctionsClient) -> int:
    """The job ends at once, and says so by an event."""
    client.raise_orchestration_event(request["circuit"], workload.EVENT_NAME, data=workload.EVENT)
    return workload.step(request["value"], workload.SUBMIT)


@app.orchestration_trigger(context_name="context")
def circuit(context: task.OrchestrationContext, value: int):
    for number in workload.BEFORE:
        value = yield context.call_activity("step", input={"value": value, "number": number})
    value = yield context.call_activity("submit", input={"value": value, "circuit": context.instance_id})
    value += yield context.wait_for_external_event(workload.EVENT_NAME)
    for number in workload.AFTER:
        value = yield context.call_activity("step", input={"value": value, "number": number})
    return value


@app.orchestration_trigger(context_name="context")
def window(context: task.OrchestrationContext, circuits: list):
    """The sum over `circuits`, five at once."""
    waiting, running, total = list(circuits), [], 0
    while waiting or running:
        while waiting and len(running) < workload.WINDOW:
            running.append(context.call_sub_orchestrator("circuit", input=waiting.pop(0)))
        finished = yield task.when_any(running)
        running.remove(finished)
        total += finished.get_result()
    return total


@app.orchestration_trigger(context_name="context")
def chunks(context: task.OrchestrationContext, circuits: list):
    """One `window` after another: no parent's history grows long."""
    total = 0
    for first in range(0, len(circuits), CHUNK):
        total += yield context.call_sub_orchestrator("window", input=circuits[first : first + CHUNK])
    return total


@app.orchestration_trigger(context_name="context")
def single(context: task.OrchestrationContext, value: int):
    return (yield context.call_activity("step", input={"value": value, "number": 1}))


@app.route(route="workload/{shape}", methods=["POST"])
@app.durable_client_input(client_name="client")
async def run_workload(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """Run W over `circuits` with the orchestrator `shape` (chunks or window) to its end; answers the sum."""
    circuits = list(range(int(req.params["circuits"])))
    instance = await client.schedule_new_orchestration(req.route_params["shape"], input=circuits)
    return func.HttpResponse(str(await _result(client, instance)))


@app.route(route="singles", methods=["POST"])
@app.durable_client_input(client_name="client")
async def run_singles(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """Start `count` orchestrations of one activity and wait for all; answers the sum of their results."""
    count = int(req.params["count"])
    starts = (client.schedule_new_orchestration("single", input=n) for n in range(count))
    instances = await asyncio.gather(*starts)
    return func.HttpResponse(str(sum(await asyncio.gather(*(_result(client, i) for i in instances)))))


async def _result(client: df.DurableFunctionsClient, instance: str) -> int:
    state = await client.wait_for_orchestration_completion(instance, timeout=600)
    if state is None or state.runtime_status != OrchestrationStatus.COMPLETED:
        raise RuntimeError(f"{instance}: {state}")
    return json.loads(state.serialized_output or "null")
