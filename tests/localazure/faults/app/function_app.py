"""A workload for a host that is killed: every kind of durable work, each activity with an effect of its own.

An activity's effect is a line in a file, safe on the disk before the activity returns.
"""

import json
import os
import random
import time
from datetime import timedelta

import azure.durable_functions as df
import azure.functions as func
from durabletask import entities, task

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)
EFFECTS = os.open(os.environ["EFFECTS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
SOON = timedelta(milliseconds=100)
RETRY = task.RetryPolicy(first_retry_interval=timedelta(milliseconds=10), max_number_of_attempts=100)


def effect(request):
    time.sleep(random.uniform(0, 0.01))
    os.write(EFFECTS, f"{request['id']}\n".encode())
    os.fsync(EFFECTS)
    time.sleep(random.uniform(0, 0.01))


@app.activity_trigger(input_name="request")
def work(request: dict):
    effect(request)
    return request["value"]


@app.activity_trigger(input_name="request")
def flaky(request: dict):
    effect(request)
    if random.random() < 0.4:
        raise ConnectionError("no luck this time")
    return request["value"]


def do(ctx, step, value, *, activity="work", **options):
    return ctx.call_activity(activity, input={"id": f"{ctx.instance_id}/{step}", "value": value}, **options)


def leg(ctx, value):
    yield ctx.create_timer(timedelta(milliseconds=20))
    return (yield do(ctx, "leg", value))


def journey(ctx, events):
    """Activities, retries, children, timers and `events` distinct events, one of them at least by one."""
    total = yield do(ctx, "first", 1)
    total += yield do(ctx, "flaky", 10, activity="flaky", retry_policy=RETRY)
    children = [
        ctx.call_sub_orchestrator("leg", input=100, instance_id=f"{ctx.instance_id}-{n}") for n in "ab"
    ]
    total += sum((yield task.when_all(children)))
    seen = []
    while len(set(seen)) < events:
        event = ctx.wait_for_external_event("go")
        yield from polling(ctx, event)
        seen.append(event.get_result())
        total += yield do(ctx, f"event-{len(seen)}", 0)
    return {"total": total, "seen": seen}


def polling(ctx, event):
    """Wait for `event`, waking up now and then."""
    while not event.is_complete:
        timer = ctx.create_timer(ctx.current_utc_datetime + SOON)
        yield task.when_any([event, timer])
        if not timer.is_complete:
            timer.cancel()


def ledger(ctx, seen):
    """Collects events over many executions, three a time, until it is told the end."""
    for _ in range(3):
        event = yield ctx.wait_for_external_event("go")
        if event == "end":
            return {"total": 0, "seen": seen}
        seen = [*seen, (yield do(ctx, len(seen), event))]
    ctx.continue_as_new(seen, save_events=True)


def account(ctx: entities.EntityContext, change):
    """A balance, and how often it was changed by whom. A change may be passed on to another account."""
    state = ctx.get_state(dict, {"balance": 0, "by": {}})
    if ctx.operation == "change":
        count = state["by"].get(change["by"], 0)
        state["by"][change["by"]] = count + 1
        state["balance"] += change["amount"]
        ctx.set_state(state)
        if also := change.get("also"):
            passed_on = {"by": change["by"], "amount": change["amount"]}
            ctx.signal_entity(entities.EntityInstanceId("account", also), "change", passed_on)
    return state["balance"]


def transfer(ctx, request):
    """Moves an amount between two locked accounts, which nobody else may touch meanwhile."""
    source, target = (entities.EntityInstanceId("account", request[end]) for end in ("source", "target"))
    change = {"by": ctx.instance_id}
    with (yield ctx.lock_entities([source, target])):
        before = yield ctx.call_entity(source, "balance")
        yield ctx.call_entity(source, "change", change | {"amount": -request["amount"]})
        yield do(ctx, "between", 0)
        yield ctx.call_entity(target, "change", change | {"amount": request["amount"]})
        after = yield ctx.call_entity(source, "balance")
    return {"total": after - before, "seen": []}


def notices(ctx, request):
    """Signals: now, later, and passed on by the entity."""
    account = entities.EntityInstanceId("account", request["account"])
    change = {"amount": 1, "also": request["also"]}
    ctx.signal_entity(account, "change", change | {"by": f"{ctx.instance_id}/now"})
    later = ctx.current_utc_datetime + SOON
    ctx.signal_entity(account, "change", change | {"by": f"{ctx.instance_id}/later"}, signal_time=later)
    yield do(ctx, "after", 0)
    return {"total": 0, "seen": []}


for orchestrator in (leg, journey, ledger, transfer, notices):
    app.function_name(orchestrator.__name__)(app.orchestration_trigger(context_name="context")(orchestrator))
app.function_name("account")(app.entity_trigger(context_name="context")(account))


# What the outside does, through the SDK's client.


@app.route(route="runs/{name}/{id}", methods=["POST"])
@app.durable_client_input(client_name="client")
async def start(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    name, chosen = req.route_params["name"], req.route_params["id"]
    started = await client.schedule_new_orchestration(name, input=req.get_json(), instance_id=chosen)
    return client.create_check_status_response(req, started)


@app.route(route="events/{id}", methods=["POST"])
@app.durable_client_input(client_name="client")
async def go(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    await client.raise_orchestration_event(req.route_params["id"], "go", data=req.get_json())
    return func.HttpResponse(status_code=202)


@app.route(route="accounts/{key}", methods=["POST"])
@app.durable_client_input(client_name="client")
async def change(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    await client.signal_entity(
        entities.EntityInstanceId("account", req.route_params["key"]), "change", req.get_json()
    )
    return func.HttpResponse(status_code=202)


@app.route(route="accounts/{key}", methods=["GET"])
@app.durable_client_input(client_name="client")
async def state(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    found = await client.get_entity(entities.EntityInstanceId("account", req.route_params["key"]))
    value = json.loads(found.get_state()) | {"backlog": found.backlog_queue_size, "locked": found._locked_by}
    return func.HttpResponse(json.dumps(value), mimetype="application/json")
