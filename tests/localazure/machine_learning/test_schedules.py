import re
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.localazure.machine_learning.conftest import WORKSPACE, Cloud, finish, wait_until
from tests.localazure.machine_learning.sdk import DATASTORE, chain_job

pytestmark = pytest.mark.timeout(240)
FAR = "2090-01-01T00:00:00"


def pipeline(ml: Any, compute: str = "cpu-cluster") -> Any:
    """A pipeline of one step, a registered component."""
    from azure.ai.ml import Input
    from azure.ai.ml.entities import PipelineJob, PipelineJobSettings

    text = Input(type="uri_file", path=f"{DATASTORE}/texts/hello.txt")
    return PipelineJob(
        experiment_name="training",
        tags={"kind": "nightly"},
        jobs={"only": ml.components.get("shout", "1.0.0")(text=text)},
        settings=PipelineJobSettings(default_compute=compute),
    )


def nightly(ml: Any, name: str, **changes: Any) -> Any:
    """A schedule of that pipeline; it begins in a time to come, unless told otherwise."""
    from azure.ai.ml.entities import CronTrigger, JobSchedule

    asked: dict[str, Any] = {
        "trigger": CronTrigger(expression="15 3 * * *", start_time=FAR, time_zone="W. Europe Standard Time"),
        "create_job": pipeline(ml),
        "description": "every night",
        "tags": {"plant": "one"},
    }
    return JobSchedule(name=name, **{**asked, **changes})


def remove(ml: Any, name: str) -> None:
    ml.schedules.begin_disable(name).result()
    ml.schedules.begin_delete(name).result()


@pytest.fixture
def admin(cloud: Cloud) -> Any:
    """Calls of the admin API."""
    import ssl

    trusted = ssl.create_default_context(cafile=str(cloud.runtime.ca_bundle))
    base = f"{cloud.runtime.addresses.azure}/admin/machine_learning"
    with httpx.Client(base_url=base, verify=trusted, trust_env=False) as session:
        yield session


def test_a_schedule_is_created_read_disabled_enabled_and_deleted(published: Any) -> None:
    from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

    made = published.schedules.begin_create_or_update(nightly(published, "nightly")).result()
    assert (made.is_enabled, made.provisioning_state, made.tags) == (True, "Succeeded", {"plant": "one"})
    found = published.schedules.get("nightly")
    assert (found.trigger.expression, found.trigger.time_zone) == ("15 3 * * *", "W. Europe Standard Time")
    assert (found.description, found.create_job.experiment_name) == ("every night", "training")
    with pytest.raises(HttpResponseError, match="disable it"):
        published.schedules.begin_delete("nightly").result()
    assert not published.schedules.begin_disable("nightly").result().is_enabled
    assert "nightly" not in [one.name for one in published.schedules.list()]
    assert "nightly" in [one.name for one in published.schedules.list(list_view_type="DisabledOnly")]
    assert published.schedules.begin_enable("nightly").result().is_enabled
    assert "nightly" in [one.name for one in published.schedules.list()]
    remove(published, "nightly")
    with pytest.raises(ResourceNotFoundError):
        published.schedules.get("nightly")


def test_a_recurrence_is_read_back(published: Any) -> None:
    from azure.ai.ml.entities import RecurrencePattern, RecurrenceTrigger

    pattern = RecurrencePattern(hours=[8], minutes=[0, 30], week_days=["monday", "friday"])
    trigger = RecurrenceTrigger(
        frequency="week", interval=2, schedule=pattern, start_time=FAR, end_time="2091-01-01T00:00:00"
    )
    published.schedules.begin_create_or_update(nightly(published, "fortnightly", trigger=trigger)).result()
    found = published.schedules.get("fortnightly").trigger
    assert (found.frequency, found.interval, found.schedule.minutes) == ("week", 2, [0, 30])
    assert [day.lower() for day in found.schedule.week_days] == ["monday", "friday"]
    remove(published, "fortnightly")


def test_a_recurrence_without_a_start_fires_at_once(published: Any, cloud: Cloud) -> None:
    from azure.ai.ml.entities import RecurrenceTrigger

    trigger = RecurrenceTrigger(frequency="day", interval=1)
    published.schedules.begin_create_or_update(nightly(published, "now", trigger=trigger)).result()

    def jobs() -> list[str]:
        return [job.name for job in published.jobs.list() if job.name.startswith("now-")]

    wait_until(jobs, "the schedule to fire")
    job = finish(published, jobs()[0])
    assert re.fullmatch(r"now-\d{8}T\d{12}Z", job.name)
    assert (job.status, job.display_name, job.experiment_name) == ("Completed", job.name, "training")
    assert job.tags == {"plant": "one", "kind": "nightly"}
    assert {data["runTags"]["plant"] for _, data in cloud.events_of(job.name)} == {"one"}
    remove(published, "now")


def test_a_schedule_is_triggered_by_hand(published: Any, admin: httpx.Client) -> None:
    from azure.core.exceptions import HttpResponseError

    published.schedules.begin_create_or_update(nightly(published, "by-hand")).result()
    result = published.schedules.trigger("by-hand", schedule_time="2026-11-21T15:00:00+00:00")
    assert (result.job_name, result.schedule_action_type) == ("by-hand-20261121T150000Z", "CreateJob")
    again = published.schedules.trigger("by-hand", schedule_time="2026-11-21T16:00:00+01:00")
    assert again.job_name == result.job_name
    other = admin.post(f"/schedules/{WORKSPACE}/by-hand/trigger")
    assert other.status_code == 200
    assert other.json()["submissionId"] != result.job_name
    for name in (result.job_name, other.json()["submissionId"]):
        assert finish(published, name).status == "Completed"
    published.schedules.begin_disable("by-hand").result()
    with pytest.raises(HttpResponseError):
        published.schedules.trigger("by-hand")
    published.schedules.begin_delete("by-hand").result()


def test_an_existing_job_can_be_scheduled(published: Any) -> None:
    job = pipeline(published)
    job.name = "template"
    known = published.jobs.create_or_update(job).id
    published.schedules.begin_create_or_update(nightly(published, "again", create_job=known)).result()
    job = published.schedules.trigger("again").job_name
    assert finish(published, job).status == "Completed"
    remove(published, "again")


def test_a_registered_pipeline_component_is_scheduled(published: Any, arm: httpx.Client) -> None:
    job = chain_job(published, "any")
    published.schedules.begin_create_or_update(nightly(published, "chained", create_job=job)).result()
    fired = published.schedules.trigger("chained").job_name
    assert finish(published, fired).status == "Completed"
    # Not through the SDK: it reads such a schedule back as one that it then finds invalid.
    found = arm.get("/schedules/chained").json()
    arm.put("/schedules/chained", json={"properties": {**found["properties"], "isEnabled": False}})
    published.schedules.begin_delete("chained").result()


def test_what_cannot_fire_is_refused(published: Any) -> None:
    from azure.ai.ml.entities import CronTrigger
    from azure.core.exceptions import HttpResponseError

    for trigger, message in (
        (CronTrigger(expression="99 3 * * *"), "cron expression '99 3"),
        (
            CronTrigger(expression="0 3 * * *", start_time=FAR, end_time="2089-01-01T00:00:00"),
            "not after the start",
        ),
        (CronTrigger(expression="0 3 * * *", end_time="2020-01-01T00:00:00"), "has passed"),
    ):
        with pytest.raises(HttpResponseError, match=message):
            published.schedules.begin_create_or_update(nightly(published, "bad", trigger=trigger)).result()
    with pytest.raises(HttpResponseError, match="Unknown compute target 'nowhere'"):
        published.schedules.begin_create_or_update(
            nightly(published, "bad", create_job=pipeline(published, compute="nowhere"))
        ).result()


def test_an_unknown_component_is_refused(published: Any, arm: httpx.Client) -> None:
    component = f"{arm.base_url.path.rstrip('/')}/components/absent/versions/1"
    definition = {
        "jobType": "Pipeline",
        "componentId": component,
        "settings": {"default_compute": "cpu-cluster"},
    }
    action = {"actionType": "CreateJob", "jobDefinition": definition}
    trigger = {"triggerType": "Cron", "expression": "0 3 * * *"}
    refused = arm.put("/schedules/lost", json={"properties": {"action": action, "trigger": trigger}})
    assert (refused.status_code, "absent:1" in refused.json()["error"]["message"]) == (404, True)


def test_the_clock_can_be_moved_on(published: Any, admin: httpx.Client, tmp_path: Path) -> None:
    from azure.ai.ml.entities import CronTrigger

    trigger = CronTrigger(expression="0 * * * *")
    published.schedules.begin_create_or_update(nightly(published, "hourly", trigger=trigger)).result()
    now = datetime.fromisoformat(admin.post("/clock", json={"advance": 3600}).json()["now"])
    name = f"hourly-{now:%Y%m%dT%H}0000Z"
    wait_until(lambda: name in [job.name for job in published.jobs.list()], "the schedule to fire")
    assert finish(published, name).status == "Completed"
    remove(published, "hourly")
    assert admin.post("/clock", json={"advance": -1}).status_code == 400
