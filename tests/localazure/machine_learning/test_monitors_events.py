"""A breach, from the admin API through Event Grid's documented filter to a subscriber."""

import ssl
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from localazure import secrets
from localazure.config import Config
from localazure.event_grid_config import AdvancedFilter, EventGrid, Subscription
from localazure.server import services
from localazure.tls import ensure_certificates
from tests.localazure.machine_learning.conftest import GROUP, WORKSPACE, Cloud, free_port, workspace_client

pytestmark = pytest.mark.timeout(120)
SIGNAL = "circ1_data_drift"
MONITOR: dict[str, Any] = {
    "trigger": {"triggerType": "Cron", "expression": "15 3 * * *", "startTime": "2090-01-01T00:00:00"},
    "tags": {"circuit": "circ1"},
    "action": {
        "actionType": "CreateMonitor",
        "monitorDefinition": {
            "computeConfiguration": {"computeType": "ServerlessSpark", "instanceType": "standard_e4s_v3"},
            "signals": {SIGNAL: {"signalType": "DataDrift", "metricThresholds": []}},
        },
    },
}


def subscription(name: str, function: str, contains: str) -> Subscription:
    """As the documentation on model monitoring sets one up."""
    return Subscription(
        name=name,
        source=WORKSPACE,
        function=function,
        event_types=("Microsoft.MachineLearningServices.RunStatusChanged",),
        advanced_filters=(
            AdvancedFilter(
                operator_type="StringContains",
                key="data.RunTags.azureml_modelmonitor_threshold_breached",
                values=(contains,),
            ),
        ),
    )


@pytest.fixture
def azure(
    cloud: Cloud, tmp_path: Path, receiver: Any, serving_again: Callable[..., Any]
) -> Iterator[tuple[Any, httpx.Client]]:
    """A whole azure server, with subscriptions to breaches; and plain HTTP to its workspace."""
    workspaces = tuple(one for one in cloud.runtime.config.workspaces if one.name == WORKSPACE)
    any_monitor = "has failed due to one or more features violating metric thresholds"
    event_grid = EventGrid(
        subscriptions=(
            subscription("breaches", "receive_event", any_monitor),
            subscription("others", "receive_other", "another_signal"),
        )
    )
    runtime = replace(
        cloud.runtime,
        config=Config(workspaces=workspaces, event_grid=event_grid, ports=cloud.runtime.config.ports),
        state=tmp_path,
        addresses=replace(
            cloud.runtime.addresses, azure=f"https://localhost:{free_port()}", functions=receiver.url
        ),
        ca_bundle=ensure_certificates(tmp_path).bundle,
        secrets=secrets.load_or_create(tmp_path),
    )
    # Azurite's certificate is of the session's authority.
    bundle = tmp_path / "both.pem"
    bundle.write_bytes(runtime.ca_bundle.read_bytes() + cloud.runtime.ca_bundle.read_bytes())
    runtime = replace(runtime, ca_bundle=bundle)
    with serving_again(runtime, services(runtime)), workspace_client(runtime) as session:
        yield runtime, session


def test_a_breach_reaches_the_subscriber_that_asked_for_it(
    azure: tuple[Any, httpx.Client], receiver: Any
) -> None:
    runtime, arm = azure
    assert arm.put("/schedules/circ1", json={"properties": MONITOR}).status_code == 201
    trusted = ssl.create_default_context(cafile=str(runtime.ca_bundle))
    admin = f"{runtime.addresses.azure}/admin/machine_learning/monitors/{WORKSPACE}/circ1/breach"
    job = httpx.post(admin, json={"features": ["temperature"]}, verify=trusted).json()["job"]

    received = receiver.wait_for(1, 30)[0]
    assert received.path.endswith("functionName=receive_event")
    event = received.json[0]
    assert event["eventType"] == "Microsoft.MachineLearningServices.RunStatusChanged"
    assert event["topic"].endswith(
        f"/resourceGroups/{GROUP}/providers/Microsoft.MachineLearningServices/workspaces/{WORKSPACE}"
    )
    data = event["data"]
    assert (data["runId"], data["runStatus"], data["runTags"]["circuit"]) == (job, "Completed", "circ1")
    text = data["runTags"]["azureml_modelmonitor_threshold_breached"]
    assert f"'{SIGNAL}' has failed due to one or more features violating metric thresholds" in text
    assert [one.path for one in receiver.received if "receive_other" in one.path] == []
