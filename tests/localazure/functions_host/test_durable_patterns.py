"""What orchestrations can do, in the native and in the v1 style."""

import time
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from durabletask.client import OrchestrationStatus


def run(client, name, value=None, **options):
    """Start an orchestration with the SDK's client and wait for its end."""
    started = client.schedule_new_orchestration(name, input=value, **options)
    return client.wait_for_orchestration_completion(started, timeout=20)


@pytest.mark.parametrize(
    ("name", "value", "output"),
    [
        ("retried", {"key": "native", "failures": 2}, "attempt 3"),
        ("retried_child", {"key": "child", "failures": 1}, "attempt 2"),
        ("classic_retry", {"key": "classic", "failures": 2}, "attempt 3"),
        ("classic_chain", {"value": 5}, {"value": 40}),
        ("classic_parent", {"value": 1}, {"value": 8}),
        ("classic_fan", 5, 20),
        ("classic_race", 0.02, "too late"),
        ("classic_loop", 0, [4, False]),
        ("sleeper", 0.02, "awake"),
        ("own_loop", 6, 6),
        ("generations", {"generation": 1, "until": 5}, 5),
    ],
)
def test_patterns(client, name, value, output):
    state = run(client, name, value)
    assert (state.runtime_status.name, state.get_output()) == ("COMPLETED", output)


def test_retries_that_are_used_up_fail(client):
    state = run(client, "retried", {"key": "never", "failures": 99})
    assert state.runtime_status == OrchestrationStatus.FAILED
    assert "attempt 3" in state.failure_details.message


def test_early_and_late_events_are_each_delivered_once(client):
    instance_id = client.schedule_new_orchestration("any_of", input=["a", "b", "c"])
    for name in ("b", "B", "c"):  # "B" is too many
        client.raise_orchestration_event(instance_id, name, data=f"{name} early")
    client.raise_orchestration_event(instance_id, "A", data="a late")
    state = client.wait_for_orchestration_completion(instance_id, timeout=20)
    assert sorted(state.get_output()) == ["a late", "b early", "c early"]


def test_an_event_in_time_wins_against_its_deadline(client):
    instance_id = client.schedule_new_orchestration("classic_race", input=60)
    client.raise_orchestration_event(instance_id, "go", data={"by": "me"})
    state = client.wait_for_orchestration_completion(instance_id, timeout=20)
    assert (state.get_output(), state.get_custom_status()) == ({"by": "me"}, "waiting")


def test_orchestrations_send_events_to_each_other(client):
    waiting = client.schedule_new_orchestration("approval", input={"seconds": 60})
    assert run(client, "pinger", waiting).get_output() == "sent"
    state = client.wait_for_orchestration_completion(waiting, timeout=20)
    assert state.get_output() == "from a friend"


def test_the_custom_status_of_the_last_generation_stays(client):
    state = run(client, "generations", {"generation": 3, "until": 4})
    assert state.get_custom_status() == {"generation": 4}


def test_unicode_in_names_ids_payloads_and_statuses(host, client):
    instance_id = f"größe 🦆 {uuid.uuid4().hex}"
    client.schedule_new_orchestration("mirror", input="ä☃", instance_id=instance_id)
    client.raise_orchestration_event(instance_id, "spiegel ☃", data="𝔘𝔫𝔦")
    state = client.wait_for_orchestration_completion(instance_id, timeout=20)
    assert (state.get_output(), state.get_custom_status()) == ("ä☃𝔘𝔫𝔦ä☃𝔘𝔫𝔦", "𝔘𝔫𝔦")
    links = host.http.get(f"/links/{instance_id}").json()
    assert host.http.get(links["statusQueryGetUri"]).json()["output"] == "ä☃𝔘𝔫𝔦ä☃𝔘𝔫𝔦"


def test_versions(client):
    assert run(client, "versions").get_output() == [None, "0.9", None]
    assert run(client, "versions", version="1.2").get_output() == ["1.2", "0.9", None]


def test_payloads_of_megabytes(client):
    state = run(client, "large", {"text": "0123456789", "times": 500_000})
    assert state.get_output()["size"] == 5_000_000
    assert len(state.get_output()["text"]) == 5_000_000


def test_what_cannot_be_serialised_fails_the_orchestration_with_a_sentence(client):
    state = run(client, "hopeless", 1)
    assert state.runtime_status == OrchestrationStatus.FAILED
    assert "object" in state.failure_details.message


def test_a_scheduled_start_waits(client):
    due = datetime.now(UTC) + timedelta(seconds=0.5)
    before = time.time()
    state = run(client, "sleeper", 0, start_at=due)
    assert (state.get_output(), time.time() - before >= 0.5) == ("awake", True)
