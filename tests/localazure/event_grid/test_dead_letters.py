"""What cannot be delivered: dropped, or written to a blob container of a real Azurite as Azure lays it out."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from azure.storage.blob import ContainerClient

from localazure.azurite import create_containers, start_azurite
from localazure.config import Ports
from localazure.service import STORAGE_KEY
from localazure.tls import ensure_certificates
from tests.localazure.event_grid.conftest import (
    admin,
    an_event,
    config,
    emulators,
    everything,
    metrics,
    publisher,
)

REPOSITORY = Path(__file__).parents[3]
NO_AZURITE = pytest.mark.skipif(
    not (REPOSITORY / "node_modules" / ".bin" / "azurite").exists(), reason="Azurite is not installed: npm ci"
)
SOON = 0.001  # five minutes become 0.3 s


@pytest.fixture(scope="module")
def azurite(made_once, tmp_path_factory):
    ports = Ports(azure=1, pages=1, functions=1, blob=0, queue=0, table=0)
    azurite = start_azurite(tmp_path_factory.mktemp("azurite"), ports, ensure_certificates(made_once))
    yield azurite
    azurite.stop()


@pytest.fixture
def with_storage(make_runtime, serve, azurite):
    def start(*, create=True, **fields):
        settings = everything(dead_letter_container="letters", max_delivery_attempts=2, **fields)
        runtime = make_runtime(config([settings], time_scale=SOON))
        runtime = replace(runtime, addresses=replace(runtime.addresses, storage_ip=azurite.storage_ip))
        if create:
            create_containers(azurite.storage_ip, runtime.ca_bundle, ["letters"])
        return serve(runtime, emulators(runtime))

    return start


def blobs(azure, azurite):
    """The dead letters by blob name; they are removed."""
    with ContainerClient(
        azurite.storage_ip, "letters", credential=STORAGE_KEY, connection_verify=str(azure.runtime.ca_bundle)
    ) as container:
        found = {
            name: json.loads(container.download_blob(name).readall()) for name in container.list_blob_names()
        }
        for name in found:
            container.delete_blob(name)
    return found


@NO_AZURITE
def test_dead_letters_are_written_as_azure_writes_them(with_storage, receiver, azurite, wait):
    receiver.statuses = [500, 503]
    azure = with_storage()
    publisher(azure).send(an_event(id="doomed"))
    wait(lambda: metrics(azure)["dead_lettered"] == 1)
    [(name, letters)] = blobs(azure, azurite).items()
    assert re.fullmatch(r"ALL/20\d\d/[1-9]\d?/[1-9]\d?/(0|[1-9]\d?)/[0-9a-f-]{36}\.json", name)
    [letter] = letters
    assert (letter["id"], letter["metadataVersion"]) == ("doomed", "1")
    assert letter["deadLetterReason"] == "MaxDeliveryAttemptsExceeded"
    assert letter["deliveryAttempts"] == 2
    assert letter["lastDeliveryOutcome"] == "Busy"
    assert letter["publishTime"] <= letter["lastDeliveryAttemptTime"]
    [listed] = admin(azure)["dead_letters"]
    assert (listed["outcome"], listed["blob"]) == ("dead-lettered", f"letters/{name}")
    expected = {"matched": 1, "delivered": 0, "failed": 2, "dropped": 0, "dead_lettered": 1}
    assert metrics(azure) == expected


@NO_AZURITE
def test_dead_letters_of_a_cloud_event_have_lower_case_names(with_storage, receiver, azurite, wait):
    receiver.statuses = [400]
    azure = with_storage(delivery_schema="CloudEventSchemaV1_0")
    publisher(azure).send(an_event())
    wait(lambda: metrics(azure)["dead_lettered"] == 1)
    [[letter]] = blobs(azure, azurite).values()
    assert (letter["specversion"], letter["deliveryattempts"]) == ("1.0", 1)
    assert letter["deadletterreason"] == "UndeliverableDueToHttpBadRequest"
    assert letter["lastdeliveryoutcome"] == "BadRequest"


@NO_AZURITE
def test_without_its_container_a_dead_letter_is_dropped(make_runtime, serve, azurite, receiver, wait):
    settings = everything(dead_letter_container="nowhere")
    runtime = make_runtime(config([settings], time_scale=SOON))
    runtime = replace(runtime, addresses=replace(runtime.addresses, storage_ip=azurite.storage_ip))
    azure = serve(runtime, emulators(runtime))
    receiver.statuses = [400]
    publisher(azure).send(an_event())
    wait(lambda: metrics(azure)["dropped"] == 1)
    assert metrics(azure)["dead_lettered"] == 0


def test_a_dead_letter_outlives_the_server_and_an_unreachable_storage_account(
    make_runtime, serving_again, receiver, wait
):
    runtime = make_runtime(config([everything(dead_letter_container="letters")], time_scale=SOON))
    unreachable = replace(runtime.addresses, storage_ip="https://127.0.0.1:1/devstoreaccount1")
    runtime = replace(runtime, addresses=unreachable)
    receiver.statuses = [400]
    with serving_again(runtime, (first := emulators(runtime))):
        first[1].emit("busbar", {"eventType": "t", "id": "doomed"})
        wait(lambda: first[1]._outbox.undeliverable() != [])
    second = emulators(runtime)
    [waits] = second[1]._outbox.undeliverable()
    assert (waits["reason"], waits["event"]["id"]) == ("UndeliverableDueToHttpBadRequest", "doomed")
    with serving_again(runtime, second):
        wait(lambda: second[1]._outbox.undeliverable()[0]["due"] > waits["due"])  # tried, and put off
    assert second[1]._outbox.counters["dropped"] == 0


@pytest.mark.parametrize(
    ("statuses", "reason"),
    [([400], "UndeliverableDueToHttpBadRequest"), ([403], "UndeliverableDueToHttpForbidden"),
     ([413], "UndeliverableDueToHttpRequestEntityTooLarge"), ([500, 500, 500], "MaxDeliveryAttemptsExceeded")],
)  # fmt: skip
def test_without_dead_lettering_an_event_is_dropped_and_can_be_redelivered(
    start, receiver, wait, statuses, reason
):
    azure = start()
    receiver.statuses = list(statuses)
    publisher(azure).send(an_event(id="doomed"))
    wait(lambda: metrics(azure)["dropped"] == 1)
    [letter] = admin(azure)["dead_letters"]
    assert (letter["event"]["id"], letter["reason"], letter["outcome"]) == ("doomed", reason, "dropped")
    assert letter["attempts"] == len(statuses) == len(receiver.received)
    azure.http.post(f"/admin/event_grid/dead_letters/{letter['key']}/redeliver").raise_for_status()
    assert receiver.wait_for(len(statuses) + 1)[-1].json[0]["id"] == "doomed"
    wait(lambda: metrics(azure)["delivered"] == 1)
    assert admin(azure)["dead_letters"] == []


def test_an_event_expires_when_its_next_attempt_comes(start, receiver, wait):
    azure = start([everything(event_time_to_live_in_minutes=1, max_delivery_attempts=30)], time_scale=0.02)
    receiver.statuses = [500] * 30
    publisher(azure).send(an_event())
    wait(lambda: metrics(azure)["dropped"] == 1)
    [letter] = admin(azure)["dead_letters"]
    assert letter["reason"] == "TimeToLiveExceeded"
    assert letter["attempts"] == len(receiver.received) <= 3  # after 0, 10 and 40 s of its minute


def test_a_function_that_says_unauthorized_is_asked_again_in_five_minutes(start, receiver, wait):
    azure = start(time_scale=1)
    receiver.statuses = [401]
    publisher(azure).send(an_event())
    wait(lambda: metrics(azure)["failed"] == 1)
    [one] = admin(azure)["waiting"]
    assert 300 <= one["due"] - one["last_attempt"] <= 330
