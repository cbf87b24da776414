"""Events, through the real SDK to a topic."""

from dataclasses import replace
from uuid import uuid4

import pytest

from busbar.clients.event_grid import Events
from busbar.domain.errors import NotFound, Rejected, TemporarilyUnavailable
from tests.azure import LocalAzure


def test_an_event_is_accepted_and_may_be_repeated(local_azure: LocalAzure):
    events, id = Events(local_azure.settings), str(uuid4())
    for _ in range(2):
        events.publish("Busbar.RepositoryPushed", "plants/fleet", {"after": "a" * 40}, id=id)


def test_an_unknown_topic_is_named_as_missing(local_azure: LocalAzure):
    endpoint = local_azure.settings.event_grid_endpoint.replace("busbar", "nobody")
    with pytest.raises(NotFound, match=r"publish Busbar\.RepositoryPushed"):
        Events(replace(local_azure.settings, event_grid_endpoint=endpoint)).publish(
            "Busbar.RepositoryPushed", "s", {}, id="1"
        )


def test_an_event_over_a_megabyte_is_refused_for_good(local_azure: LocalAzure):
    with pytest.raises(Rejected):
        Events(local_azure.settings).publish("Busbar.RepositoryPushed", "s", {"x": "y" * 1_100_000}, id="1")


def test_a_silent_service_is_tried_again_later(local_azure: LocalAzure):
    settings = replace(
        local_azure.settings, event_grid_endpoint="https://localhost:1/topics/busbar/api/events"
    )
    with pytest.raises(TemporarilyUnavailable):
        Events(settings).publish("Busbar.RepositoryPushed", "s", {}, id="1")
