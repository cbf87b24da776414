"""Alerts of other monitors: each is a reason to look at its circuit, and decides nothing by itself."""

from typing import Any, Protocol

from busbar.domain import names
from busbar.domain.events import DriftAlert
from busbar.domain.policies import Stage
from busbar.domain.steps import MonitoringRun
from busbar.inbound.azure_monitor import read_alert
from busbar.inbound.fields import json_object
from busbar.web.days import yesterday
from busbar.web.reply import Reply


class Starting(Protocol):
    """The part of the durable client that starts; a known id starts nothing."""

    def start(self, orchestrator: str, instance_id: str, request: Any) -> bool: ...


def azure_monitor(body: bytes, orchestrations: Starting) -> Reply:
    """POST /api/alerts: Azure Monitor's common alert schema, with the rule's custom property `circuit`."""
    alert = read_alert(json_object(body))
    if alert is None:
        return Reply.json(200, {"sentence": "the alert is resolved: there is nothing to look at"})
    return Reply.json(202, {"sentence": look(alert, orchestrations)})


def look(alert: DriftAlert, orchestrations: Starting) -> str:
    """Look at the circuit's last whole day in prod with Busbar's own detector, once a day."""
    day = yesterday()
    id = names.alerted_look(Stage.PROD, day, alert.key)
    run = MonitoringRun(id, Stage.PROD, day, (alert.key,), cause=alert.sentence)
    started = orchestrations.start("monitor_stage", id, run)
    return f"{'started' if started else 'already started'} {id}"
