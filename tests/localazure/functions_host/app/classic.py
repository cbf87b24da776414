"""Orchestrations in the v1 style, with one argument."""

from datetime import timedelta

import azure.durable_functions as df

bp = df.Blueprint()


@bp.orchestration_trigger(context_name="context")
def classic_chain(context: df.DurableOrchestrationContext):
    value = context.get_input()
    for _ in range(3):
        value = yield context.call_activity("double", value)
    return value


@bp.orchestration_trigger(context_name="context")
def classic_fan(context: df.DurableOrchestrationContext):
    tasks = [context.call_activity("double", {"value": n}) for n in range(context.get_input())]
    doubled = yield context.task_all(tasks)
    return sum(each["value"] for each in doubled)


@bp.orchestration_trigger(context_name="context")
def classic_parent(context: df.DurableOrchestrationContext):
    child = f"{context.instance_id}:child"
    return (yield context.call_sub_orchestrator("classic_chain", context.get_input(), child))


@bp.orchestration_trigger(context_name="context")
def classic_retry(context: df.DurableOrchestrationContext):
    retry = df.RetryOptions(first_retry_interval_in_milliseconds=10, max_number_of_attempts=3)
    return (yield context.call_activity_with_retry("flaky", retry, context.get_input()))


@bp.orchestration_trigger(context_name="context")
def classic_race(context: df.DurableOrchestrationContext):
    context.set_custom_status("waiting")
    event = context.wait_for_external_event("go")
    deadline = context.create_timer(context.current_utc_datetime + timedelta(seconds=context.get_input()))
    winner = yield context.task_any([event, deadline])
    if winner is event:
        deadline.cancel()
        return event.result
    return "too late"


@bp.orchestration_trigger(context_name="context")
def classic_loop(context: df.DurableOrchestrationContext):
    value = context.get_input()
    if value < 4:
        context.continue_as_new(value + 1)
        return None
    return [value, str(context.new_guid()) == str(context.new_guid())]


@bp.orchestration_trigger(context_name="context")
def calling(context: df.DurableOrchestrationContext):
    request = context.get_input()
    response = yield context.call_http(request["method"], request["uri"], request.get("content"))
    return [response.status_code, response.content]
