from typing import Any

import httpx
import pytest

from localazure.machine_learning.storage import Location, Storage
from tests.localazure.machine_learning.conftest import WORKSPACE, Cloud, finish
from tests.localazure.machine_learning.sdk import DATASTORE
from tests.localazure.machine_learning.test_schedules import FAR, admin, remove

pytestmark = pytest.mark.timeout(240)
__all__ = ["admin"]
CONTAINER = f"azureml-{WORKSPACE}"
BREACHED = "azureml_modelmonitor_threshold_breached"


@pytest.fixture(scope="module")
def sensors(published: Any, storage: Storage) -> Any:
    """Data assets of CSV files: `reference`, `same`, `drifted`; and `table`, which is none."""
    from azure.ai.ml.entities import Data

    rows = {
        "reference": [(value, "ok") for value in range(40)],
        "same": [(value, "ok") for value in range(40)],
        "drifted": [(value + 35, "") for value in range(40)],
    }
    for name, values in rows.items():
        text = "temperature,state\n" + "".join(f"{number},{state}\n" for number, state in values)
        storage.write(Location(CONTAINER, f"monitored/{name}/part.csv"), text.encode())
    storage.write(Location(CONTAINER, "monitored/table/part.parquet"), b"PAR1")
    for name in (*rows, "table"):
        path = f"{DATASTORE}/monitored/{name}/"
        published.data.create_or_update(Data(name=f"m-{name}", version="1", type="uri_folder", path=path))
    return published


def monitor(name: str, production: str, **changes: Any) -> Any:
    """Data drift and data quality of the sensors' data."""
    from azure.ai.ml import Input
    from azure.ai.ml.entities import (
        AlertNotification,
        CronTrigger,
        DataDriftMetricThreshold,
        DataDriftSignal,
        DataQualityMetricsCategorical,
        DataQualityMetricsNumerical,
        DataQualityMetricThreshold,
        DataQualitySignal,
        MonitorDefinition,
        MonitorSchedule,
        NumericalDriftMetrics,
        ProductionData,
        ReferenceData,
        ServerlessSparkCompute,
    )

    def data(asset: str) -> Any:
        return Input(type="uri_folder", path=f"azureml:m-{asset}:1")

    both: dict[str, Any] = {
        "production_data": ProductionData(input_data=data(production), data_context="model_inputs"),
        "reference_data": ReferenceData(input_data=data("reference"), data_context="training"),
    }
    drift = NumericalDriftMetrics(jensen_shannon_distance=0.2)
    quality = {
        "numerical": DataQualityMetricsNumerical(null_value_rate=0.1),
        "categorical": DataQualityMetricsCategorical(null_value_rate=0.1),
    }
    definition = MonitorDefinition(
        compute=ServerlessSparkCompute(instance_type="standard_e4s_v3", runtime_version="3.4"),
        monitoring_signals={
            f"{name}_data_drift": DataDriftSignal(
                metric_thresholds=DataDriftMetricThreshold(numerical=drift), **both
            ),
            f"{name}_data_quality": DataQualitySignal(
                metric_thresholds=DataQualityMetricThreshold(**quality), **both
            ),
        },
        alert_notification=AlertNotification(emails=["ml-lead@example.com"]),
    )
    asked: dict[str, Any] = {
        "trigger": CronTrigger(expression="15 3 * * *", start_time=FAR),
        "create_monitor": definition,
        "tags": {"circuit": "circ1"},
    }
    return MonitorSchedule(name=name, **{**asked, **changes})


def log_of(storage: Storage, job: str) -> str:
    content = storage.read(Location(CONTAINER, f"ExperimentRun/dcid.{job}/user_logs/std_log.txt"))
    return (content or b"").decode()


def test_a_monitor_is_created_and_read_back(sensors: Any) -> None:
    sensors.schedules.begin_create_or_update(monitor("watch", "same")).result()
    found = sensors.schedules.get("watch")
    assert (found.type, found.is_enabled, found.tags["circuit"]) == ("monitor", True, "circ1")
    signal = found.create_monitor.monitoring_signals["watch_data_drift"]
    assert signal.metric_thresholds.numerical.jensen_shannon_distance == 0.2
    assert found.create_monitor.alert_notification.emails == ["ml-lead@example.com"]
    remove(sensors, "watch")


def test_a_run_measures_and_keeps_quiet_where_nothing_drifts(
    sensors: Any, cloud: Cloud, storage: Storage, arm: httpx.Client
) -> None:
    sensors.schedules.begin_create_or_update(monitor("calm", "same")).result()
    triggered = sensors.schedules.trigger("calm")
    assert triggered.schedule_action_type == "CreateMonitor"
    job = finish(sensors, triggered.job_name)
    assert (job.status, job.experiment_name, job.tags["circuit"]) == ("Completed", "calm", "circ1")
    assert BREACHED not in job.tags
    statuses = [data["runStatus"] for kind, data in cloud.events_of(job.name) if kind == "RunStatusChanged"]
    assert statuses == ["NotStarted", "Running", "Completed"]
    log = log_of(storage, job.name)
    assert "calm_data_drift: temperature: jensenShannonDistance = 0 (threshold 0.2)" in log
    assert "ml-lead@example.com" in log
    remove(sensors, "calm")


def test_a_run_that_measures_drift_breaches(sensors: Any, cloud: Cloud) -> None:
    sensors.schedules.begin_create_or_update(monitor("drifts", "drifted")).result()
    job = finish(sensors, sensors.schedules.trigger("drifts").job_name)
    assert job.status == "Completed"
    text = job.tags[BREACHED]
    assert "drifts_data_drift" in text
    assert "drifts_data_quality" in text
    assert "has failed due to one or more features violating metric thresholds" in text
    assert '"group": "temperature"' in text
    assert cloud.events_of(job.name)[-1][1]["runTags"][BREACHED] == text
    remove(sensors, "drifts")


def test_what_is_not_computed_is_said_in_the_log(sensors: Any, storage: Storage) -> None:
    sensors.schedules.begin_create_or_update(monitor("blind", "table")).result()
    job = finish(sensors, sensors.schedules.trigger("blind").job_name)
    assert (job.status, BREACHED in job.tags) == ("Completed", False)
    assert "no metrics: " in log_of(storage, job.name)
    assert "holds no CSV files" in log_of(storage, job.name)
    remove(sensors, "blind")


def test_a_breach_on_command(sensors: Any, cloud: Cloud, admin: httpx.Client) -> None:
    sensors.schedules.begin_create_or_update(monitor("commanded", "same")).result()
    path = f"/monitors/{WORKSPACE}/commanded/breach"
    answer = admin.post(path, json={"signal": "commanded_data_quality", "features": ["state"]})
    job = finish(sensors, answer.json()["job"])
    assert (job.status, job.tags["circuit"]) == ("Completed", "circ1")
    changes = [data for kind, data in cloud.events_of(job.name) if kind == "RunStatusChanged"]
    assert changes[-1]["runStatus"] == "Completed"
    text = changes[-1]["runTags"][BREACHED]
    assert (
        "'commanded_data_quality' has failed due to one or more features violating metric thresholds" in text
    )
    assert '"group": "state"' in text
    assert BREACHED not in changes[0]["runTags"]

    failed = finish(sensors, admin.post(path, json={"status": "Failed"}).json()["job"])
    assert (failed.status, "commanded_data_drift" in failed.tags[BREACHED]) == ("Failed", True)
    for body, status in (({"signal": "absent"}, 404), ({"status": "Running"}, 400)):
        assert admin.post(path, json=body).status_code == status
    assert admin.post(f"/monitors/{WORKSPACE}/absent/breach").status_code == 404
    remove(sensors, "commanded")


@pytest.mark.parametrize(
    ("definition", "message"),
    [
        ({"computeConfiguration": {"computeType": "ServerlessSpark"}}, "signals"),
        ({"signals": {"one": {"signalType": "DataDrift"}}}, "computeConfiguration"),
        (
            {"computeConfiguration": {"computeType": "x"}, "signals": {"one": {"signalType": "Mood"}}},
            "'Mood'",
        ),
    ],
)
def test_what_is_no_monitor_is_refused(arm: httpx.Client, definition: dict[str, Any], message: str) -> None:
    action = {"actionType": "CreateMonitor", "monitorDefinition": definition}
    trigger = {"triggerType": "Cron", "expression": "0 3 * * *"}
    refused = arm.put("/schedules/wrong", json={"properties": {"action": action, "trigger": trigger}})
    assert (refused.status_code, message in refused.json()["error"]["message"]) == (400, True)
