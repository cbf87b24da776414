"""Orchestrators that are not deterministic, each in its own way, beside some that are."""

import itertools
import os
import random
import time
import uuid
from datetime import UTC, datetime, timedelta

import azure.durable_functions as df
import azure.functions as func
from durabletask import task
from durabletask.entities import EntityInstanceId

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)

COUNTER = itertools.count()
SEEN = {}
ATTEMPTS = {}


# Activities.


def echo(request):
    return request


def remember(request):
    """Changes a dict that an orchestrator looks at."""
    SEEN["last"] = request


def set_variable(request):
    os.environ["REGION"] = request


def third_time_lucky(request):
    ATTEMPTS[request] = ATTEMPTS.get(request, 0) + 1
    if ATTEMPTS[request] < 3:
        raise ValueError("not yet")
    return ATTEMPTS[request]


# Sinners.


def clock_in_a_payload(ctx, request):
    return (yield ctx.call_activity("echo", input=str(datetime.now(UTC))))


def clock_in_a_timer(ctx, request):
    yield ctx.create_timer(datetime.now(UTC) + timedelta(milliseconds=1))


def clock_in_the_result(ctx, request):
    yield ctx.call_activity("echo")
    return time.time()


def clock_in_the_custom_status(ctx, request):
    ctx.set_custom_status(time.perf_counter_ns())
    yield ctx.call_activity("echo")


def random_payload(ctx, request):
    return (yield ctx.call_activity("echo", input=random.random()))


def random_child_id(ctx, request):
    return (yield ctx.call_sub_orchestrator("honest", input=1, instance_id=uuid.uuid4().hex))


def random_event(ctx, request):
    ctx.send_event("nobody", "number", data=random.random())
    yield ctx.call_activity("echo")


def random_signal(ctx, request):
    ctx.signal_entity(EntityInstanceId("counter", "sin"), "add", random.random())
    yield ctx.call_activity("echo")


def random_call(ctx, request):
    return (yield ctx.call_entity(EntityInstanceId("sums", "sin"), "add", random.random()))


def random_error(ctx, request):
    yield ctx.call_activity("echo")
    raise ValueError(f"bad luck {random.random()}")


def random_next_input(ctx, request):
    yield ctx.call_activity("echo")
    ctx.continue_as_new(random.random())


def global_counter(ctx, request):
    return (yield ctx.call_activity("echo", input=next(COUNTER)))


def shared_dict(ctx, request):
    yield ctx.call_activity("echo", input=SEEN.get("last"))
    yield ctx.call_activity("remember", input="changed")


def environment(ctx, request):
    yield ctx.call_activity("echo", input=os.environ.get("REGION"))
    yield ctx.call_activity("set_variable", input="westeurope")


def other_activity(ctx, request):
    yield ctx.call_activity("remember" if "other" in SEEN else "echo")
    SEEN["other"] = True
    yield ctx.call_activity("echo")


def order_of_strings(ctx, request):
    """The same throughout a process, another in the next one."""
    yield ctx.call_activity("echo", input=list({f"circuit {n}" for n in range(50)}))
    yield ctx.wait_for_external_event("go")


# The others.


def honest(ctx, request):
    ctx.set_custom_status(f"since {ctx.current_utc_datetime.isoformat()}")
    first = yield ctx.call_activity("echo", input=[ctx.new_uuid(), str(ctx.current_utc_datetime)])
    second = yield ctx.call_activity("echo", input=ctx.new_uuid())
    return len({first[0], second})


def retries(ctx, request):
    retry = task.RetryPolicy(first_retry_interval=timedelta(milliseconds=5), max_number_of_attempts=4)
    lucky = yield ctx.call_activity("third_time_lucky", input=ctx.instance_id, retry_policy=retry)
    child = yield ctx.call_sub_orchestrator("lucky_child", input=ctx.instance_id, retry_policy=retry)
    return [lucky, child]


def lucky_child(ctx, request):
    return (yield ctx.call_activity("third_time_lucky", input=f"{request}-child"))


def fan_out(ctx, request):
    numbers = yield task.when_all([ctx.call_activity("echo", input=n) for n in range(request)])
    children = [ctx.call_sub_orchestrator("honest", input=n) for n in numbers]
    return sum((yield task.when_all(children)))


def cancelled_timer(ctx, request):
    event = ctx.wait_for_external_event("go")
    deadline = ctx.create_timer(ctx.current_utc_datetime + timedelta(hours=1))
    ticks = ctx.create_timer(ctx.current_utc_datetime + timedelta(milliseconds=1))
    winner = yield task.when_any([event, deadline, ticks])
    deadline.cancel()
    event.cancel()
    yield ctx.call_activity("echo")
    ctx.send_event("nobody", "done", data=1)
    yield ctx.call_activity("echo")
    return winner is ticks


def entities(ctx, request):
    """Signals, calls and a lock, with turns behind each of them."""
    sums = EntityInstanceId("sums", ctx.instance_id)
    ctx.signal_entity(sums, "add", 1)
    with (yield ctx.lock_entities([sums])):
        yield ctx.call_entity(sums, "add", 2)
        total = yield ctx.call_entity(sums, "add", 4)
    yield ctx.call_activity("echo")
    ctx.signal_entity(sums, "add", 8)
    yield ctx.call_activity("echo")
    return [total, (yield ctx.call_entity(sums, "add", 0))]


def rounds(ctx, request):
    yield ctx.call_activity("echo", input=request)
    if request == 3:
        return request
    ctx.continue_as_new(request + 1, save_events=True)


def caught(ctx, request):
    try:
        yield ctx.call_activity("nobody")
    except task.TaskFailedError as error:
        return error.details.error_type


def failing(ctx, request):
    yield ctx.call_activity("echo")
    raise ValueError(f"no {object()}")


def v1_style(context):
    first = yield context.call_activity("echo", str(context.new_guid()))
    yield context.create_timer(context.current_utc_datetime + timedelta(milliseconds=1))
    both = yield context.task_all([context.call_activity("echo", n) for n in (1, 2)])
    context.set_custom_status("done")
    return [len(first), *both]


ACTIVITIES = (echo, remember, set_variable, third_time_lucky)
ORCHESTRATORS = (
    clock_in_a_payload,
    clock_in_a_timer,
    clock_in_the_result,
    clock_in_the_custom_status,
    random_payload,
    random_child_id,
    random_event,
    random_signal,
    random_call,
    random_error,
    random_next_input,
    global_counter,
    shared_dict,
    environment,
    other_activity,
    order_of_strings,
    honest,
    retries,
    lucky_child,
    fan_out,
    cancelled_timer,
    entities,
    rounds,
    caught,
    failing,
    v1_style,
)


def wrapped(activity):
    def run(request):
        return activity(request)

    return run


for activity in ACTIVITIES:
    app.function_name(activity.__name__)(app.activity_trigger(input_name="request")(wrapped(activity)))
for orchestrator in ORCHESTRATORS:
    app.function_name(orchestrator.__name__)(app.orchestration_trigger(context_name="context")(orchestrator))


@app.entity_trigger(context_name="context")
def sums(ctx, number):
    ctx.set_state(ctx.get_state(int, 0) + number)
    return ctx.get_state(int)


@app.route(route="runs/{name}/{id?}", methods=["POST"])
@app.durable_client_input(client_name="client")
async def start(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    started = await client.schedule_new_orchestration(
        req.route_params["name"], input=req.get_json(), instance_id=req.route_params.get("id")
    )
    return client.create_check_status_response(req, started)
