"""Model monitors: one schedule a circuit."""

from typing import Any

from busbar.clients.machine_learning.workspaces import Workspaces, datastore_uri, found
from busbar.clients.session import translated
from busbar.domain.monitors import Monitor, Rows, Signal, SignalKind
from busbar.domain.policies import Stage

DIGEST = "content_digest"


class Monitors(Workspaces):
    def ensure_monitor(self, stage: Stage, monitor: Monitor) -> bool:
        """Have a model monitor, created or changed to what is asked; says whether anything was done."""
        doing = f"read monitor {monitor.name}"
        known: Any = found(doing, lambda: self._client(stage).schedules.get(monitor.name))
        if known is not None and (known.tags or {}).get(DIGEST) == monitor.digest:
            return False
        for signal in monitor.signals:
            for rows in (signal.reference, signal.production):
                self.write_file(stage, f"{rows.folder}/MLTable", rows.mltable)
        with translated(f"create monitor {monitor.name}"):
            self._client(stage).schedules.begin_create_or_update(_schedule(monitor))
        return True


def _schedule(monitor: Monitor) -> Any:
    from azure.ai.ml.entities import (
        MonitorDefinition,
        MonitorSchedule,
        RecurrencePattern,
        RecurrenceTrigger,
        ServerlessSparkCompute,
    )

    definition = MonitorDefinition(
        compute=ServerlessSparkCompute(instance_type="standard_e4s_v3", runtime_version="3.4"),
        monitoring_signals={signal.name: _signal(signal) for signal in monitor.signals},
    )
    daily = RecurrenceTrigger(frequency="day", interval=1, schedule=RecurrencePattern(hours=4, minutes=0))
    tags = {**monitor.tags, DIGEST: monitor.digest}
    return MonitorSchedule(name=monitor.name, trigger=daily, create_monitor=definition, tags=tags)


def _signal(signal: Signal) -> Any:
    from azure.ai.ml.constants import MonitorDatasetContext
    from azure.ai.ml.entities import (
        DataDriftMetricThreshold,
        DataDriftSignal,
        NumericalDriftMetrics,
        PredictionDriftMetricThreshold,
        PredictionDriftSignal,
        ProductionData,
        ReferenceData,
    )

    limit = NumericalDriftMetrics(jensen_shannon_distance=signal.limit)
    predicted = signal.kind is SignalKind.PREDICTION
    context = MonitorDatasetContext.MODEL_OUTPUTS if predicted else MonitorDatasetContext.MODEL_INPUTS
    production = ProductionData(input_data=_input(signal.production), data_context=context)
    if predicted:
        return PredictionDriftSignal(
            production_data=production,
            reference_data=ReferenceData(input_data=_input(signal.reference), data_context=context),
            metric_thresholds=PredictionDriftMetricThreshold(numerical=limit),
        )
    return DataDriftSignal(
        production_data=production,
        reference_data=ReferenceData(
            input_data=_input(signal.reference), data_context=MonitorDatasetContext.TRAINING
        ),
        features=[signal.feature],
        metric_thresholds=DataDriftMetricThreshold(numerical=limit),
    )


def _input(rows: Rows) -> Any:
    from azure.ai.ml import Input

    return Input(type="mltable", path=datastore_uri(f"{rows.folder}/"))
