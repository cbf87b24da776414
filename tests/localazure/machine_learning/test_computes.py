from typing import Any

import httpx
import pytest

from tests.localazure.machine_learning.conftest import Cloud, client, finish, wait_until
from tests.localazure.machine_learning.sdk import DATASTORE, chain_job

pytestmark = pytest.mark.timeout(180)


def cluster(name: str, **changes: Any) -> Any:
    from azure.ai.ml.entities import AmlCompute

    asked: dict[str, Any] = {
        "size": "Standard_DS3_v2",
        "min_instances": 0,
        "max_instances": 3,
        "idle_time_before_scale_down": 90,
        "tags": {"plant": "one"},
    }
    return AmlCompute(name=name, **{**asked, **changes})


def test_a_cluster_is_created_read_changed_and_deleted(ml: Any) -> None:
    from azure.core.exceptions import ResourceNotFoundError

    made = ml.compute.begin_create_or_update(cluster("made")).result()
    assert (made.provisioning_state, made.size, made.max_instances) == ("Succeeded", "Standard_DS3_v2", 3)
    assert (made.idle_time_before_scale_down, made.tier, made.tags) == (90, "dedicated", {"plant": "one"})
    assert {"made", "cpu-cluster"} <= {one.name for one in ml.compute.list()}
    made.max_instances = 5
    ml.compute.begin_update(made).result()
    assert ml.compute.get("made").max_instances == 5
    ml.compute.begin_delete("made").result()
    with pytest.raises(ResourceNotFoundError):
        ml.compute.get("made")


def test_the_configurations_computes_are_there(ml: Any) -> None:
    found = ml.compute.get("cpu-cluster")
    assert (found.min_instances, found.max_instances, found.type) == (0, 2, "amlcompute")


@pytest.mark.parametrize("name", ["ab", "1plant", "plant-", "plant-1", "plant_one", "p" * 25])
def test_names_follow_azures_rule(ml: Any, name: str) -> None:
    from azure.core.exceptions import HttpResponseError

    with pytest.raises(HttpResponseError, match="InvalidResourceName"):
        ml.compute.begin_create_or_update(cluster(name)).result()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"size": "Standard_Z80"}, "InvalidPropertyValue"),
        ({"max_instances": 101}, "maxNodeCount"),
        ({"min_instances": 4}, "minNodeCount"),
        ({"max_instances": 80, "min_instances": 76}, "ClusterMinNodesExceedCoreQuota"),
    ],
)
def test_what_no_cluster_can_be_is_refused(ml: Any, changes: dict[str, Any], message: str) -> None:
    from azure.core.exceptions import HttpResponseError

    with pytest.raises(HttpResponseError, match=message):
        ml.compute.begin_create_or_update(cluster("refused", **changes)).result()


def test_a_cluster_without_quota_stays_and_says_why(ml: Any) -> None:
    from azure.core.exceptions import HttpResponseError

    with pytest.raises(HttpResponseError):
        ml.compute.begin_create_or_update(cluster("huge", min_instances=76, max_instances=80)).result()
    found = ml.compute.get("huge")
    assert (found.provisioning_state, found.provisioning_errors) == (
        "Failed",
        "ClusterMinNodesExceedCoreQuota",
    )
    ml.compute.begin_delete("huge").result()


def test_sizes_and_usages_of_the_region(ml: Any) -> None:
    sizes = {one.name: one for one in ml.compute.list_sizes()}
    assert sizes["Standard_DS3_v2"].__dict__["vCPUs"] == 4
    ml.compute.begin_create_or_update(cluster("kept", min_instances=2)).result()
    usages = {one.name["value"]: one.__dict__ for one in ml.compute.list_usage()}
    assert usages["TotalDedicatedCores"]["currentValue"] >= 8
    assert usages["TotalDedicatedCores"]["limit"] == 300
    assert usages["TotalLowPriorityCores"]["currentValue"] == 0
    ml.compute.begin_delete("kept").result()


def test_nodes_come_with_jobs_and_leave_when_idle(published: Any, cloud: Cloud, arm: httpx.Client) -> None:
    published.compute.begin_create_or_update(
        cluster("short", max_instances=1, idle_time_before_scale_down=1)
    ).result()
    assert list(published.compute.list_nodes("short")) == []
    for name in ("nodes-1", "nodes-2"):
        published.jobs.create_or_update(
            chain_job(published, name, f"{DATASTORE}/texts/sleep.txt", compute="short")
        )

    def counts() -> Any:
        shown = arm.get("/computes/short").json()["properties"]["properties"]
        return shown["currentNodeCount"], shown["nodeStateCounts"]["runningNodeCount"]

    wait_until(lambda: counts() == (1, 1), "a job to run")
    # The SDK leaves Azure's own spelling in place, so that its `current_job_name` stays empty.
    running = [one.__dict__["runId"] for one in published.compute.list_nodes("short")]
    assert running[0] in ("nodes-1_first", "nodes-2_first")

    wider = published.compute.get("short")
    wider.max_instances = 2
    published.compute.begin_update(wider).result()
    wait_until(lambda: counts() == (2, 2), "the second job to run, too")
    for name in ("nodes-1", "nodes-2"):
        published.jobs.begin_cancel(name)
        assert finish(published, name).status == "Canceled"
    wait_until(lambda: counts() == (0, 0), "the idle nodes to leave")
    published.compute.begin_delete("short").result()


def test_a_job_that_waits_for_a_deleted_compute_fails(published: Any, cloud: Cloud) -> None:
    published.compute.begin_create_or_update(cluster("none", max_instances=0)).result()
    published.jobs.create_or_update(chain_job(published, "waits", compute="none"))
    wait_until(
        lambda: [data["runStatus"] for _, data in cloud.events_of("waits_first")][-1:] == ["Queued"],
        "the job to queue",
    )
    published.compute.begin_delete("none").result()
    job = finish(published, "waits")
    assert (job.status, "was deleted" in job.properties["error"]) == ("Failed", True)


def test_every_workspace_has_its_own(cloud: Cloud) -> None:
    other = client(cloud, workspace="mlops-test-workspace")
    assert "cpu-cluster" not in [one.name for one in other.compute.list()]
