"""Whatever comes twice trains once."""

from busbar.domain.policies import Stage
from tests.journeys import events, people
from tests.journeys.fleet import KEYS, Fleet
from tests.journeys.stack import Stack
from tests.journeys.steps import Approved, Trained


def test_repeats_train_nothing(stack: Stack, fleet: Fleet, trained: Trained, approved: Approved) -> None:
    """Every webhook redelivered, the push published and delivered twice more, job events and the push repeated."""
    before = stack.jobs(), stack.instances(), len(people.mails(stack))

    deliveries = events.deliveries(stack)
    for delivery in deliveries:
        events.redeliver(stack, delivery)
    push = events.push_of(stack, trained.commit)
    for _ in range(2):
        events.publish(stack, push)
        events.deliver(stack, [events.push_event(push)])
    for job in map(trained.job, KEYS):
        events.deliver(stack, events.job_events(job, stack.workspace(Stage.DEV).jobs.get(job).tags))
    fleet.clone.git("push", "--quiet", "origin", ":refs/heads/develop")
    fleet.clone.git("push", "--quiet", "origin", f"{trained.commit}:refs/heads/develop")
    stack.until("the pushes to be noticed", lambda: len(events.deliveries(stack)) == len(deliveries) + 2)
    stack.settled()

    assert (stack.jobs(), stack.instances(), len(people.mails(stack))) == before
