"""Event Grid's control plane: topics, system topics and event subscriptions, as much as a deployment tool asks for."""

from starlette.routing import Route

from localazure.event_grid.arm_routing import Routing
from localazure.event_grid.arm_subscriptions import SubscriptionResources
from localazure.event_grid.arm_topics import TopicResources
from localazure.event_grid.delivery import Dispatcher
from localazure.event_grid.sources import Sources
from localazure.event_grid.subscriptions import Subscriptions
from localazure.identity import Tokens
from localazure.service import Runtime


def routes(
    runtime: Runtime,
    tokens: Tokens,
    sources: Sources,
    subscriptions: Subscriptions,
    dispatcher: Dispatcher,
) -> list[Route]:
    """Everything of the control plane, under the api-versions of `arm_routing`."""
    config, routing = runtime.config, Routing(runtime, tokens)
    topics = TopicResources(config, runtime.addresses.azure, sources, subscriptions)
    ours = SubscriptionResources(config.event_grid.resource_group, topics, sources, subscriptions, dispatcher)
    return [routing.route(*row) for row in (*topics.table, *ours.table)]
