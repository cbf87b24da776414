"""Azure ML's model monitors: one a circuit that prod serves."""

from datetime import date

from activities.sources import read_yaml
from busbar.clients.machine_learning import MachineLearning
from busbar.clients.records import Records
from busbar.domain.errors import NotFound
from busbar.domain.monitors import monitor
from busbar.domain.policies import AlertPolicy
from busbar.domain.steps import CircuitDeployment
from busbar.settings import Settings


def ensure_monitor(
    request: CircuitDeployment, *, ml: MachineLearning, records: Records, settings: Settings
) -> None:
    """Have the circuit's monitor compare what the model was trained on with what is read and forecast since."""
    pin, stage = request.pin, request.stage
    record = records.deployment(stage, pin.key)
    if record is None:
        raise NotFound(f"{pin.key}: nothing serves {stage} any more")
    config = read_yaml({pin.circuit_config: ml.read_file(stage, pin.circuit_config)}, pin.circuit_config)
    found = monitor(
        pin.key,
        tuple(map(str, config["sensors"])),
        request.policies.stage(stage).alerts or AlertPolicy(),
        readings=settings.sensor_table,
        forecasts=settings.forecast_table,
        cutoff=date.fromisoformat(record.cutoff_date),
        since=date.fromisoformat(record.since[:10]),
    )
    ml.ensure_monitor(stage, found)
