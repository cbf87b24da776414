"""The ARM ids of what the configuration stands up."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from localazure.config import Config

MACHINE_LEARNING = "Microsoft.MachineLearningServices"


def resource_id(config: "Config", group: str, kind: str, name: str) -> str:
    """`kind` with its provider: `Microsoft.EventGrid/topics`."""
    return f"/subscriptions/{config.subscription_id}/resourceGroups/{group}/providers/{kind}/{name}"


def email_id(config: "Config") -> str:
    mail = config.email
    return resource_id(
        config, mail.resource_group, "Microsoft.Communication/CommunicationServices", mail.name
    )


def short_names(config: "Config") -> dict[str, str]:
    """The ARM id of everything that has one, by its own name; a resource comes before a group of its name."""
    events = config.event_grid
    subscription = f"/subscriptions/{config.subscription_id}"
    owners = (*config.workspaces, *config.registries)
    groups = {*(one.resource_group for one in owners), events.resource_group, config.email.resource_group}
    found = {"subscription": subscription}
    found |= {group: f"{subscription}/resourceGroups/{group}" for group in groups}
    found[config.email.name] = email_id(config)
    for topic in events.topics:
        found[topic.name] = resource_id(
            config, events.resource_group, "Microsoft.EventGrid/topics", topic.name
        )
    for kind, items in (("workspaces", config.workspaces), ("registries", config.registries)):
        found |= {
            one.name: resource_id(config, one.resource_group, f"{MACHINE_LEARNING}/{kind}", one.name)
            for one in items
        }
    return found
