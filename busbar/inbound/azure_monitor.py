"""Azure Monitor's alerts, in its common schema (https://learn.microsoft.com/azure/azure-monitor/alerts)."""

from collections.abc import Mapping
from typing import Any

from busbar.domain.circuits import CircuitKey
from busbar.domain.errors import BadRequest
from busbar.domain.events import DriftAlert
from busbar.inbound import fields

SCHEMA = "azureMonitorCommonAlertSchema"
FIRED = "fired"


def read_alert(document: Mapping[str, Any]) -> DriftAlert | None:
    """An alert that fired, about the circuit of its rule's custom property `circuit`; `None` for one that resolved.

    Raises `BadRequest` naming the field.
    """
    if document.get("schemaId") != SCHEMA:
        raise BadRequest("schemaId", f"is not {SCHEMA}: turn the common alert schema on in the action group")
    data = fields.section(document, "data")
    essentials = fields.section(data, "essentials")
    condition = fields.text(essentials, "monitorCondition", "data.essentials.monitorCondition")
    if condition.lower() != FIRED:
        return None
    rule = fields.text(essentials, "alertRule", "data.essentials.alertRule")
    fired = fields.text(essentials, "firedDateTime", "data.essentials.firedDateTime")
    properties = fields.section(data, "customProperties")
    circuit = fields.text(properties, "circuit", "data.customProperties.circuit")
    return DriftAlert(CircuitKey.parse(circuit), f"Azure Monitor: {rule} fired at {fired}")
