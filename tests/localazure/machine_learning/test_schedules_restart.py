"""Schedules and computes outlive a server; what came due meanwhile is caught up once."""

from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from localazure.documents import Documents
from localazure.service import Runtime
from tests.localazure.machine_learning.conftest import Cloud, free_port, wait_until, workspace_client
from tests.localazure.machine_learning.test_monitors_events import MONITOR

pytestmark = pytest.mark.timeout(120)
HOUR = 3600.0


@pytest.fixture
def own(cloud: Cloud, tmp_path: Path) -> Runtime:
    """A runtime with a state and a port of its own, on the session's Azurite."""
    addresses = replace(cloud.runtime.addresses, azure=f"https://localhost:{free_port()}")
    (tmp_path / "tls").symlink_to(cloud.runtime.state / "tls")
    return replace(cloud.runtime, state=tmp_path, addresses=addresses)


def jobs(arm: httpx.Client) -> list[str]:
    return [job["name"] for job in arm.get("/jobs").json()["value"]]


def time_passes(own: Runtime, seconds: float) -> None:
    """While no server runs."""
    with closing(Documents(own.state / "machine_learning.sqlite")) as documents:
        kept: dict[str, Any] = documents.get("clocks", "schedules") or {"ahead": 0.0}
        documents.put("clocks", "schedules", {"ahead": kept["ahead"] + seconds})


def test_schedules_and_computes_outlive_a_server(own: Runtime) -> None:
    hourly = {**MONITOR, "trigger": {"triggerType": "Cron", "expression": "30 * * * *"}}
    settings = {"minNodeCount": 1, "maxNodeCount": 2}
    properties = {"vmSize": "Standard_DS2_v2", "scaleSettings": settings}
    compute = {"location": "eastus", "properties": {"computeType": "AmlCompute", "properties": properties}}
    with Cloud(own).serving(), workspace_client(own) as arm:
        assert arm.put("/schedules/hourly", json={"properties": hourly}).status_code == 201
        assert arm.put("/computes/lasting", json=compute).status_code == 201
        assert jobs(arm) == []

    time_passes(own, 5 * HOUR)
    for _ in range(2):
        with Cloud(own).serving(), workspace_client(own) as arm:
            wait_until(lambda: len(jobs(arm)) == 1, "the missed time to be caught up")
            shown = arm.get("/computes/lasting").json()["properties"]["properties"]
            assert shown["currentNodeCount"] == 1

    with Cloud(own).serving(), workspace_client(own) as arm:
        assert len(jobs(arm)) == 1
        admin = f"{own.addresses.azure}/admin/machine_learning/clock"
        assert arm.post(admin, json={"advance": HOUR}).status_code == 200
        wait_until(lambda: len(jobs(arm)) == 2, "the next time")
