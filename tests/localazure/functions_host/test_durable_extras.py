"""Durable HTTP calls, scheduled tasks, history export and large payloads."""

import json
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from durabletask.extensions.history_export import (
    ExportDestination,
    ExportFormat,
    ExportFormatKind,
    ExportHistoryClient,
    ExportJobCreationOptions,
    ExportMode,
)
from durabletask.scheduled import ScheduleCreationOptions, ScheduledTaskClient, ScheduleUpdateOptions

LARGE_PAYLOADS = Path(__file__).with_name("large_payloads_app")


def call(host, client, method, path, content=None):
    request = {"method": method, "uri": f"{host.http.base_url}{path}", "content": content}
    started = client.schedule_new_orchestration("calling", input=request)
    return client.wait_for_orchestration_completion(started, timeout=20)


def test_durable_http_calls_poll_until_the_job_is_done(host, client):
    key = uuid.uuid4().hex
    done = call(host, client, "POST", f"/slow/{key}", {"job": "ä"})
    assert done.get_output() == [200, '{"asked": 3}']
    assert [entry[1:] for entry in host.notes("slow") if entry[0] == key] == [
        ["POST", '{"job": "\\u00e4"}'],
        ["GET", ""],
        ["GET", ""],
    ]


def test_durable_http_calls_give_errors_back(host, client):
    assert call(host, client, "GET", "/teapot").get_output() == [418, "short and stout"]


def test_a_coroutine_that_blocks_does_not_hold_up_the_host(host):
    assert host.http.get("/blocking").text == "awake"


def test_scheduled_tasks(host, client):
    schedules = ScheduledTaskClient(client)
    name = f"schedule-{uuid.uuid4().hex[:8]}"
    schedule = schedules.create_schedule(
        ScheduleCreationOptions(
            schedule_id=name,
            orchestration_name="beat",
            interval=timedelta(seconds=1),
            orchestration_input=name,
            start_immediately_if_late=True,
        )
    )

    def beats():
        return len([beat for beat in host.notes("beat") if beat[0] == name])

    host.until(lambda: beats() >= 2)
    schedule.pause()
    assert schedules.get_schedule(name).status.name == "PAUSED"
    schedule.update(ScheduleUpdateOptions(interval=timedelta(seconds=2)))
    schedule.resume()
    assert schedules.get_schedule(name).interval == timedelta(seconds=2)
    schedule.delete()
    assert schedules.get_schedule(name) is None


def test_history_export(host, client):
    start = datetime.now(UTC) - timedelta(seconds=1)
    prefix = f"export-{uuid.uuid4().hex[:8]}"
    for n in range(3):
        client.schedule_new_orchestration("pipeline", input={"value": n}, instance_id=f"{prefix}-{n}")
        client.wait_for_orchestration_completion(f"{prefix}-{n}", timeout=20)
    export = ExportHistoryClient(client, _NoWriter())
    job = export.create_job(
        ExportJobCreationOptions(
            mode=ExportMode.BATCH,
            completed_time_from=start,
            completed_time_to=datetime.now(UTC) + timedelta(seconds=1),
            destination=ExportDestination(container=prefix),
            format=ExportFormat(kind=ExportFormatKind.JSON),
        )
    )
    done = export.wait_for_job(job.job_id, timeout=20)
    assert (done.status.name, done.failed_instances, done.exported_instances >= 3) == ("COMPLETED", 0, True)
    texts = [file.read_text() for file in (host.folder / "exports" / prefix).iterdir()]
    for n in range(3):
        assert any(f"{prefix}-{n}" in text and json.loads(text) for text in texts)


class _NoWriter:
    """The client writes nothing; the host's activities do."""

    def write(self, **_):
        raise AssertionError("only the host writes")


@pytest.mark.parametrize("size", [1_000, 3_000_000])
def test_large_payloads_go_to_the_store_of_the_app(start, size, tmp_path):
    host = start(app=LARGE_PAYLOADS)
    started = host.http.post("/api/echoes", content=b"x" * size).json()
    status = host.http.get(f"/api/echoes/{started['id']}").json()
    assert status == {"output": size, "entity": size, "event": size}
    stored = [file.stat().st_size for file in (tmp_path / "payloads").glob("*")]
    assert bool(stored) == (size > 100_000)
    raw = host.finished(started["statusQueryGetUri"])
    assert len(json.dumps(raw)) < 100_000
