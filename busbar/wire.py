"""How orchestrators speak to activities: typed values inside, plain JSON at every durable boundary."""

from collections.abc import Callable, Generator, Sequence
from datetime import timedelta
from functools import cache
from typing import Any, get_type_hints

from durabletask import task

from busbar.codec import from_wire, to_wire
from busbar.domain.errors import BusbarError

Context = task.OrchestrationContext
type Steps[T] = Generator[task.Task[Any], Any, T]

# Throttling and restarts of a service pass within minutes; what lasts longer is for a person to see.
RETRY = task.RetryPolicy(
    first_retry_interval=timedelta(seconds=2),
    max_number_of_attempts=6,
    backoff_coefficient=3.0,
    max_retry_interval=timedelta(minutes=2),
)


_FAILED = "busbar.failed"
_LONGEST_TIMER = 86_400.0


class StepFailed(Exception):
    """An activity or child gave up after its retries; the text is the cause's."""


@cache
def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    return get_type_hints(function)


def request_type(function: Callable[..., Any]) -> Any:
    """The type of `request`, which every activity and orchestrator takes."""
    return _hints(function)["request"]


def result_type(function: Callable[..., Any]) -> Any:
    """What a function gives back; of an orchestrator's `Steps[T]` the T."""
    returned = _hints(function)["return"]
    return returned.__args__[-1] if getattr(returned, "__origin__", None) is Steps else returned


def call[R](ctx: Context, activity: Callable[..., R], request: object) -> Steps[R]:
    """Run an activity, with retries; raises `StepFailed`."""
    pending = ctx.call_activity(activity.__name__, input=to_wire(request), retry_policy=RETRY)
    result = yield from _result(pending)
    if isinstance(result, dict) and _FAILED in result:
        raise StepFailed(result[_FAILED])
    return from_wire(result_type(activity), result)


def child[Q, R](
    ctx: Context, orchestrator: Callable[[Context, Q], Steps[R]], request: Q, instance_id: str
) -> Steps[R]:
    """Run a child orchestration under a deterministic id; raises `StepFailed`."""
    return (yield from join(orchestrator, start(ctx, orchestrator, request, instance_id)))


def start[Q, R](
    ctx: Context, orchestrator: Callable[[Context, Q], Steps[R]], request: Q, instance_id: str
) -> task.Task[Any]:
    """Start a child without waiting; `join` waits for it."""
    return ctx.call_sub_orchestrator(orchestrator.__name__, input=to_wire(request), instance_id=instance_id)


def join[R](orchestrator: Callable[..., Steps[R]], started: task.Task[Any]) -> Steps[R]:
    """The result of a started child; raises `StepFailed`."""
    return from_wire(result_type(orchestrator), (yield from _result(started)))


def children[Q, R](
    ctx: Context,
    orchestrator: Callable[[Context, Q], Steps[R]],
    requests: Sequence[tuple[str, Q]],
    at_once: int,
) -> Steps[list[R | StepFailed]]:
    """Run children by (instance id, request), at most `at_once` at a time; results in order, failures as values."""
    running: dict[task.Task[Any], int] = {}
    results: dict[int, R | StepFailed] = {}
    waiting = list(enumerate(requests))
    while waiting or running:
        while waiting and len(running) < at_once:
            index, (instance_id, request) = waiting.pop(0)
            running[start(ctx, orchestrator, request, instance_id)] = index
        done: task.Task[Any] = yield task.when_any(list(running))
        results[running.pop(done)] = _outcome(orchestrator, done)
    return [results[index] for index in range(len(requests))]


def failures[Q](requests: Sequence[tuple[str, Q]], results: Sequence[Any]) -> list[tuple[Q, str]]:
    """Of what `children` gave back, the requests that failed, each with the cause's text."""
    return [
        (request, str(result))
        for (_, request), result in zip(requests, results, strict=True)
        if isinstance(result, StepFailed)
    ]


def orchestration(function: Callable[..., Any]) -> Callable[[Any, Any], Any]:
    """What the host registers for an orchestrator: plain JSON in, plain JSON out."""

    def run(ctx: Any, request: Any) -> Any:
        result = yield from function(ctx, from_wire(request_type(function), request))
        return to_wire(result)

    run.__name__ = function.__name__
    return run


def activity(function: Callable[..., Any], bound: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """What the host registers for an activity: plain JSON in, plain JSON out, clients bound."""

    def run(request: Any) -> Any:
        try:
            return to_wire(bound(from_wire(request_type(function), request)))
        except BusbarError as error:
            if not error.permanent:
                raise
            return {_FAILED: f"{type(error).__name__}: {error}"}  # a value: the host would try an error again

    run.__name__ = function.__name__
    return run


def wait(ctx: Context, event: task.Task[Any], seconds: float) -> Steps[bool]:
    """Wait for an event at most so long; says whether it came. The event stays waited for until it comes."""
    timer = ctx.create_timer(timedelta(seconds=seconds))
    winner = yield task.when_any([event, timer])
    if winner is event:
        timer.cancel()
    return winner is event


def sleep(ctx: Context, seconds: float) -> Steps[None]:
    """Wait so long; in parts, since Azure Storage keeps no message for more than a week."""
    while seconds > _LONGEST_TIMER:
        yield ctx.create_timer(timedelta(seconds=_LONGEST_TIMER))
        seconds -= _LONGEST_TIMER
    yield ctx.create_timer(timedelta(seconds=seconds))


def _result(pending: task.Task[Any]) -> Steps[Any]:
    try:
        return (yield pending)
    except task.TaskFailedError as error:
        raise StepFailed(_cause(error)) from error


def _outcome[R](orchestrator: Callable[..., Steps[R]], done: task.Task[Any]) -> R | StepFailed:
    try:
        return from_wire(result_type(orchestrator), done.get_result())
    except task.TaskFailedError as error:
        return StepFailed(_cause(error))


def _cause(error: task.TaskFailedError) -> str:
    """What went wrong, in the words of the first to say it: a child's `StepFailed` has the cause's text already."""
    details, name = error.details, _name(error.details)
    while details.inner_failure is not None and name != StepFailed.__name__:
        details, name = details.inner_failure, _name(details.inner_failure)
    return details.message if name == StepFailed.__name__ else f"{name}: {details.message}"


def _name(details: task.FailureDetails) -> str:
    return details.error_type.rsplit(".", 1)[-1]
