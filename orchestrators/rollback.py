"""Rollback: every circuit of a scope back to what served it before, in chunks; a drill comes forward again."""

from datetime import UTC, datetime
from itertools import batched

from activities.rollback import (
    close_rollback,
    note_releases,
    plan_rollback,
    put_back,
    put_forward,
    remove_withdrawn,
    stand_up,
)
from busbar.domain.policies import Backoff
from busbar.domain.rollback import Move, Return
from busbar.domain.steps import CircuitMove, CircuitMoved, MoveBatch, RollbackReport, RollbackRun
from busbar.wire import Context, StepFailed, Steps, call, child, children, sleep

CHUNK = 25  # circuits per child: keeps every history short
AT_ONCE = 10
POLLS = 60
POLL = Backoff(1, 15)  # a deployment that has to be created again takes minutes at most


def rollback(ctx: Context, request: RollbackRun) -> Steps[str]:
    """Bring a scope back; circuits that cannot go stay as they are and say why."""
    plan = yield from call(ctx, plan_rollback, request)
    report = RollbackReport(request, len(plan.returns), plan.stays)
    ctx.set_custom_status(report.sentence)
    moved = yield from _move_all(ctx, request, plan.returns, forward=False)
    seconds = _since(ctx, datetime.fromisoformat(request.asked_at))
    forward, forward_seconds = (), 0.0
    if request.drill:
        begun, arrived = _now(ctx), {one.key for one in moved if one.done}
        there = tuple(step for step in plan.returns if step.key in arrived)
        forward = yield from _move_all(ctx, request, there, forward=True)
        forward_seconds = _since(ctx, begun)
    ended = RollbackReport(
        request, len(plan.returns), plan.stays, True, moved, seconds, forward, forward_seconds
    )
    yield from call(ctx, close_rollback, ended)
    if not request.drill:
        yield from call(ctx, note_releases, ended)
    return ended.sentence


def move_circuits(ctx: Context, request: MoveBatch) -> Steps[list[CircuitMoved]]:
    """Move a chunk of circuits, a child each; one that fails stops no other."""
    way = "forward" if request.forward else "back"
    moves = [
        (
            f"{request.run.id}-{way}-{step.key.plant_id}-{step.key.circuit_id}",
            CircuitMove(request.run, step, request.forward),
        )
        for step in request.steps
    ]
    results = yield from children(ctx, move_circuit, moves, request.at_once)
    return [
        CircuitMoved(move.step.key, False, str(result), 0.0) if isinstance(result, StepFailed) else result
        for (_, move), result in zip(moves, results, strict=True)
    ]


def move_circuit(ctx: Context, request: CircuitMove) -> Steps[CircuitMoved]:
    """One circuit: what is to serve stands, then it serves; nothing is taken away before that."""
    begun, step = _now(ctx), request.step
    if request.forward:
        yield from call(ctx, put_forward, request)
    elif step.move is Move.WITHDRAW:
        yield from call(ctx, put_back, request)
        yield from call(ctx, remove_withdrawn, request)
    else:
        yield from _standing(ctx, request)
        yield from call(ctx, put_back, request)
    return CircuitMoved(step.key, True, step.sentence, _since(ctx, begun))


def _standing(ctx: Context, request: CircuitMove) -> Steps[None]:
    """Wait until the deployment that served before stands; one that is gone is created again."""
    for look in range(POLLS):
        state = yield from call(ctx, stand_up, request)
        if state.ready:
            return
        yield from sleep(ctx, POLL.delay(look))
    step = request.step
    raise StepFailed(f"{step.key}: {step.serves} did not stand up again, {step.leaves} goes on serving")


def _move_all(
    ctx: Context, run: RollbackRun, steps: tuple[Return, ...], *, forward: bool
) -> Steps[tuple[CircuitMoved, ...]]:
    moved: list[CircuitMoved] = []
    way = "forward" if forward else "back"
    for number, chunk in enumerate(batched(steps, CHUNK)):
        batch = MoveBatch(run, chunk, AT_ONCE, forward)
        moved += yield from child(ctx, move_circuits, batch, f"{run.id}-{way}-{number}")
    return tuple(moved)


def _now(ctx: Context) -> datetime:
    return ctx.current_utc_datetime.replace(tzinfo=UTC)


def _since(ctx: Context, begun: datetime) -> float:
    return (_now(ctx) - begun).total_seconds()
