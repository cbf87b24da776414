"""Entities in all styles, and orchestrations that use them."""

from datetime import timedelta

import azure.durable_functions as df
from durabletask import task
from durabletask.entities import DurableEntity, EntityInstanceId
from notes import note

bp = df.Blueprint()


@bp.entity_trigger(context_name="context", entity_name="Account")
class BankAccount(DurableEntity):
    """In the class style, under a name of its own."""

    def deposit(self, amount: int) -> int:
        self.set_state(self.get_state(int, 0) + amount)
        return self.balance()

    def withdraw(self, amount: int) -> int:
        if amount > self.balance():
            raise ValueError(f"only {self.balance()} there")
        return self.deposit(-amount)

    def balance(self, _=None) -> int:
        return self.get_state(int, 0)

    def forward(self, request: dict) -> None:
        self.signal_entity(EntityInstanceId("Account", request["to"]), "deposit", request["amount"])

    def order(self, instance_id: str) -> str:
        return self.schedule_new_orchestration("pipeline", input={"value": 1}, instance_id=instance_id)


@bp.entity_trigger(context_name="context")
def journal(ctx, entry):
    """In the native function style: keeps entries in the order in which they came."""
    entries = ctx.get_state(list, [])
    match ctx.operation:
        case "add":
            ctx.set_state([*entries, entry])
        case "who":
            return [ctx.entity_id.entity, ctx.entity_id.key, ctx.operation]
        case "clear":
            ctx.set_state(None)
        case unknown:
            raise NotImplementedError(unknown)
    return len(entries)


@bp.entity_trigger(context_name="context")
def tally(context: df.DurableEntityContext) -> None:
    """In the v1 style."""
    total = context.get_state(lambda: 0)
    if context.operation_name == "add":
        total += context.get_input()
        context.set_state(total)
    elif context.operation_name == "forget":
        context.destruct_on_exit()
    context.set_result(total)


def account(key: str) -> EntityInstanceId:
    return EntityInstanceId("Account", key)


@bp.orchestration_trigger(context_name="context")
def transfer(ctx, request):
    """Moves money under a lock on both accounts."""
    source, target = account(request["from"]), account(request["to"])
    with (yield ctx.lock_entities([source, target])):
        before = yield ctx.call_entity(source, "balance")
        if request.get("fail"):
            raise RuntimeError("in the critical section")
        yield ctx.call_activity("record", input=["enter", ctx.instance_id])
        yield ctx.call_entity(source, "withdraw", request["amount"])
        yield ctx.call_entity(target, "deposit", request["amount"])
        yield ctx.call_activity("record", input=["leave", ctx.instance_id])
    return [before, (yield ctx.call_entity(target, "balance"))]


@bp.activity_trigger(input_name="request")
def record(request: list) -> None:
    note("critical", request)


@bp.orchestration_trigger(context_name="context")
def overdraw(ctx, request):
    try:
        yield ctx.call_entity(account(request), "withdraw", 10**6)
    except Exception as error:
        return [type(error).__name__, str(error)]


@bp.orchestration_trigger(context_name="context")
def signalling(ctx, request):
    ctx.signal_entity(account(request), "deposit", 5)
    later = ctx.current_utc_datetime + timedelta(milliseconds=300)
    ctx.signal_entity(account(request), "deposit", 70, signal_time=later)
    return (yield ctx.call_entity(account(request), "balance"))


@bp.orchestration_trigger(context_name="context")
def calling_nobody(ctx, request):
    return (yield ctx.call_entity(EntityInstanceId("nobody", "1"), "add", 1))


@bp.orchestration_trigger(context_name="context")
def hoarding(ctx, request):
    """Locks an account until an event comes."""
    with (yield ctx.lock_entities([account(request)])):
        ctx.set_custom_status("locked")
        yield task.when_any([ctx.wait_for_external_event("enough"), ctx.create_timer(timedelta(minutes=5))])


@bp.orchestration_trigger(context_name="context")
def tallying(context: df.DurableOrchestrationContext):
    """In the v1 style."""
    tally_id = df.EntityId("tally", context.get_input())
    yield context.call_entity(tally_id, "add", 3)
    context.signal_entity(tally_id, "add", 4)
    return (yield context.call_entity(tally_id, "add", 5))
