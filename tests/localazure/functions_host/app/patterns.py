"""Orchestrations in the native style, one for each thing they can do."""

import asyncio
from datetime import timedelta

import azure.durable_functions as df
from durabletask import task
from notes import note, noted

bp = df.Blueprint()
SOON = timedelta(milliseconds=10)


@bp.activity_trigger(input_name="request")
def flaky(request: dict) -> str:
    """Fails `failures` times for a key, then works."""
    note("flaky", request["key"])
    if (attempts := noted("flaky").count(request["key"])) <= request["failures"]:
        raise ConnectionError(f"attempt {attempts}")
    return f"attempt {attempts}"


@bp.activity_trigger(input_name="request")
def repeat(request: dict) -> str:
    return request["text"] * request["times"]


@bp.activity_trigger(input_name="request")
def length(request: str) -> int:
    return len(request)


@bp.activity_trigger(input_name="request")
def unserialisable(request: object):
    return object()


@bp.orchestration_trigger(context_name="context")
def retried(ctx, request):
    policy = task.RetryPolicy(first_retry_interval=SOON, max_number_of_attempts=3, backoff_coefficient=2)
    return (yield ctx.call_activity("flaky", input=request, retry_policy=policy))


@bp.orchestration_trigger(context_name="context")
def own_loop(ctx, turns):
    """Runs an event loop of its own at every turn."""
    for _ in range(turns):
        asyncio.run(asyncio.sleep(0))
        yield ctx.call_activity("length", input="x")
    return turns


@bp.orchestration_trigger(context_name="context")
def flaky_child(ctx, request):
    return (yield ctx.call_activity("flaky", input=request))


@bp.orchestration_trigger(context_name="context")
def retried_child(ctx, request):
    policy = task.RetryPolicy(first_retry_interval=SOON, max_number_of_attempts=3)
    return (yield ctx.call_sub_orchestrator("flaky_child", input=request, retry_policy=policy))


@bp.orchestration_trigger(context_name="context")
def rewindable(ctx, request):
    """Succeeds once its flaky activity does; what came before is not run again."""
    first = yield ctx.call_activity("double", input={"value": request["value"]})
    second = yield ctx.call_sub_orchestrator("flaky_child", input=request)
    return [first["value"], second]


@bp.orchestration_trigger(context_name="context")
def any_of(ctx, request):
    """The first of several events, with those that came too early kept."""
    names = [ctx.wait_for_external_event(name) for name in request]
    winner = yield task.when_any(names)
    others = [waiting for waiting in names if waiting is not winner]
    return [winner.get_result(), *(yield task.when_all(others))]


@bp.orchestration_trigger(context_name="context")
def pinger(ctx, request):
    """Sends an event to another orchestration."""
    ctx.send_event(request, "decided", data="from a friend")
    return "sent"


@bp.orchestration_trigger(context_name="context")
def sleeper(ctx, request):
    yield ctx.create_timer(timedelta(seconds=request))
    return "awake"


@bp.orchestration_trigger(context_name="context")
def generations(ctx, request):
    ctx.set_custom_status({"generation": request["generation"]})
    if request["generation"] < request["until"]:
        yield ctx.create_timer(SOON)
        ctx.continue_as_new(request | {"generation": request["generation"] + 1})
        return None
    return request["generation"]


@bp.orchestration_trigger(context_name="context")
def versions(ctx, request):
    """The orchestration's version, and those of children with one of their own and without."""
    if request == "child":
        return ctx.version
    own = yield ctx.call_sub_orchestrator("versions", input="child", version="0.9")
    inherited = yield ctx.call_sub_orchestrator("versions", input="child")
    return [ctx.version, own, inherited]


@bp.orchestration_trigger(context_name="context")
def large(ctx, request):
    text = yield ctx.call_activity("repeat", input=request)
    size = yield ctx.call_activity("length", input=text)
    return {"size": size, "text": text}


@bp.orchestration_trigger(context_name="context")
def mirror(ctx, request):
    event = yield ctx.wait_for_external_event("spiegel ☃")
    ctx.set_custom_status(event)
    return (yield ctx.call_activity("repeat", input={"text": request + event, "times": 2}))


@bp.orchestration_trigger(context_name="context")
def hopeless(ctx, request):
    return (yield ctx.call_activity("unserialisable", input=request))


@bp.orchestration_trigger(context_name="context")
def family(ctx, request):
    """A parent whose children wait for ever."""
    children = [
        ctx.call_sub_orchestrator("approval", input={"seconds": 600}, instance_id=f"{ctx.instance_id}-{n}")
        for n in range(request)
    ]
    return (yield task.when_all(children))


@bp.orchestration_trigger(context_name="context")
def echoed(ctx, request):
    return request
