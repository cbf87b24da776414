"""A small Functions app that uses every trigger the host serves."""

import json
import logging
import socket
import time
from datetime import timedelta

import azure.durable_functions as df
import azure.functions as func
import classic
import entities
import extras
import patterns
from durabletask import task
from durabletask.client import OrchestrationQuery, OrchestrationStatus
from notes import note

app = df.DFApp(http_auth_level=func.AuthLevel.FUNCTION)
for blueprint in (patterns.bp, entities.bp, classic.bp, extras.bp):
    app.register_functions(blueprint)
app.configure_scheduled_tasks()
app.configure_history_export(writer=extras.WRITER)


# Durable functions, registered by name.


def double(request):
    return {"value": 2 * request["value"]}


async def double_async(request):
    return {"value": 2 * request["value"]}


def nap(request):
    note("nap", request)
    time.sleep(request)
    return request


def fail(request):
    raise ValueError(f"no {request}")


def resolve(request):
    return socket.getaddrinfo(request, 80)[0][4][0]


def bound(function, **clients):
    def run(request: dict):
        return function(request, **clients)

    return run


def add(request, *, offset):
    return request["value"] + offset


def pipeline(ctx, request):
    doubled = yield ctx.call_activity("double", input=request)
    doubled = yield ctx.call_activity("double-async", input=doubled)
    ctx.set_custom_status({"stage": "added"})
    return (yield ctx.call_activity("add-ten", input=doubled))


def fleet(ctx, request):
    children = [
        ctx.call_sub_orchestrator("pipeline", input={"value": n}, instance_id=f"{ctx.instance_id}-{n}")
        for n in range(request)
    ]
    return (yield task.when_all(children))


def approval(ctx, request):
    decision = ctx.wait_for_external_event("decided")
    deadline = ctx.create_timer(ctx.current_utc_datetime + timedelta(seconds=request["seconds"]))
    winner = yield task.when_any([decision, deadline])
    if winner is decision:
        deadline.cancel()
        return decision.get_result()
    decision.cancel()
    return "timed out"


def careful(ctx, request):
    retry = task.RetryPolicy(first_retry_interval=timedelta(milliseconds=10), max_number_of_attempts=2)
    try:
        yield ctx.call_activity("fail", input=request, retry_policy=retry)
    except task.TaskFailedError as error:
        details = error.details
        return [
            details.error_type,
            details.message,
            details.is_caused_by(ValueError),
            bool(details.stack_trace),
        ]


def failing(ctx, request):
    yield ctx.call_activity("fail", input=request)


def careful_parent(ctx, request):
    try:
        yield ctx.call_sub_orchestrator("failing", input=request)
    except task.TaskFailedError as error:
        inner = error.details.inner_failure
        return [error.details.error_type, inner.error_type, inner.message]


def naps(ctx, request):
    yield task.when_all([ctx.call_activity("nap", input=request["seconds"]) for _ in range(request["count"])])


def lookup(ctx, request):
    return (yield ctx.call_activity("resolve", input=request))


def counter(ctx, request):
    event = yield ctx.wait_for_external_event("add")
    total = request + event
    if total >= 6:
        return total
    ctx.continue_as_new(total, save_events=True)


ACTIVITIES = {
    "double": double,
    "double-async": double_async,
    "nap": nap,
    "fail": fail,
    "resolve": resolve,
    "add-ten": bound(add, offset=10),
}
ORCHESTRATORS = (pipeline, fleet, approval, careful, failing, careful_parent, naps, lookup, counter)

for name, activity in ACTIVITIES.items():
    app.function_name(name)(app.activity_trigger(input_name="request")(activity))
for orchestrator in ORCHESTRATORS:
    app.function_name(orchestrator.__name__)(app.orchestration_trigger(context_name="context")(orchestrator))


# HTTP.


@app.route(route="echo/{id:int}/{*rest}", methods=["PUT"], auth_level=func.AuthLevel.ANONYMOUS)
def echo(req: func.HttpRequest) -> func.HttpResponse:
    headers = {"x-route": json.dumps(dict(req.route_params)), "x-query": json.dumps(dict(req.params))}
    headers["x-sent"] = req.headers.get("x-sent", "")
    return func.HttpResponse(
        req.get_body(), status_code=201, headers=headers, mimetype="application/octet-stream"
    )


@app.route(route="echo/latest/{*rest}", methods=["PUT"], auth_level=func.AuthLevel.ANONYMOUS)
def echo_latest(req: func.HttpRequest) -> str:
    return "latest"


@app.route(route="cookie", auth_level=func.AuthLevel.ANONYMOUS)
async def cookie(req: func.HttpRequest) -> func.HttpResponse:
    response = func.HttpResponse("ok")
    response.headers.add("Set-Cookie", "a=1; Path=/; HttpOnly")
    response.headers.add("Set-Cookie", "b=2")
    return response


@app.route(route="guarded")
def guarded(req: func.HttpRequest) -> str:
    return "in"


@app.route(route="broken", auth_level=func.AuthLevel.ANONYMOUS)
def broken(req: func.HttpRequest) -> str:
    raise RuntimeError("broken on purpose")


@app.route(route="runs/{name}/{id?}", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
@app.durable_client_input(client_name="client")
async def start(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    started = await client.schedule_new_orchestration(
        req.route_params["name"], input=req.get_json(), instance_id=req.route_params.get("id")
    )
    return client.create_check_status_response(req, started)


@app.route(route="sync/{name}", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
@app.durable_client_input(client_name="client")
def start_sync(req: func.HttpRequest, client: df.SyncDurableFunctionsClient) -> str:
    started = client.schedule_new_orchestration(req.route_params["name"], input=req.get_json())
    state = client.wait_for_orchestration_completion(started, timeout=10)
    return json.dumps(state.get_output())


@app.route(route="client", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
@app.durable_client_input(client_name="client")
async def use_client(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """Walks through the durable client; answers with what it saw."""
    seen = {}
    await client.schedule_new_orchestration("approval", input={"seconds": 60}, instance_id="walk")
    started = await client.wait_for_orchestration_start("walk", timeout=10)
    seen["started"] = started.runtime_status.name
    seen["again"] = await code_of(client.schedule_new_orchestration("approval", input={}, instance_id="walk"))
    seen["unknown name"] = await code_of(client.schedule_new_orchestration("nobody"))
    seen["unknown id"] = await code_of(client.raise_orchestration_event("nobody", "decided"))
    await client.suspend_orchestration("walk", reason="lunch")
    seen["suspended"] = (await client.get_orchestration_state("walk")).runtime_status.name
    await client.raise_orchestration_event("walk", "Decided", data={"by": "ml-lead@example.com"})
    await client.resume_orchestration("walk")
    done = await client.wait_for_orchestration_completion("walk", timeout=10)
    seen["output"] = done.get_output()
    seen["input"] = done.get_input()
    seen["finished"] = await code_of(client.raise_orchestration_event("walk", "decided"))
    history = await client.get_orchestration_history("walk")
    seen["history"] = [type(event).__name__ for event in (history[1], history[-1])]
    await client.schedule_new_orchestration("approval", input={"seconds": 60}, instance_id="walk-2")
    await client.terminate_orchestration("walk-2", output="enough")
    terminated = await client.wait_for_orchestration_completion("walk-2", timeout=10)
    seen["terminated"] = [terminated.runtime_status.name, terminated.get_output()]
    query = OrchestrationQuery(instance_id_prefix="walk", runtime_status=[OrchestrationStatus.COMPLETED])
    seen["query"] = [state.instance_id for state in await client.get_all_orchestration_states(query)]
    seen["purged"] = (await client.purge_orchestration("walk")).deleted_instance_count
    seen["gone"] = await client.get_orchestration_state("walk")
    return func.HttpResponse(json.dumps(seen), mimetype="application/json")


async def code_of(call) -> str:
    try:
        await call
    except Exception as error:
        return error.code().name
    return "OK"


# Events and timers.


@app.event_grid_trigger(arg_name="event")
@app.durable_client_input(client_name="client")
async def on_event(event: func.EventGridEvent, client: df.DurableFunctionsClient) -> None:
    if event.get_json().get("fail"):
        raise RuntimeError("event refused")
    note("event", [event.id, event.event_type, event.subject, event.topic, event.get_json()])
    if waiting := event.get_json().get("instance"):
        await client.raise_orchestration_event(waiting, "decided", data=event.id)


@app.event_grid_trigger(arg_name="event")
def on_cloud_event(event: func.CloudEvent) -> None:
    note("cloud event", [event.id, event.type, event.source, event.get_json()])


@app.timer_trigger(arg_name="timer", schedule="%TICKS%")
@app.durable_client_input(client_name="client")
async def tick(timer: func.TimerRequest, client: df.DurableFunctionsClient) -> None:
    logging.info("tick")
    note("tick", timer.past_due)


@app.timer_trigger(arg_name="timer", schedule="0 0 0 1 1 *", run_on_startup=True)
def at_startup(timer: func.TimerRequest) -> None:
    note("startup", timer.past_due)
