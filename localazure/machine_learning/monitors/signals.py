"""One signal of a model monitor: its data, its features, and what is measured of them."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from localazure.machine_learning.assets.references import is_asset, parse_asset
from localazure.machine_learning.assets.store import read_asset
from localazure.machine_learning.context import Context
from localazure.machine_learning.monitors.metrics import is_numerical, measure
from localazure.machine_learning.routing import Json, Scope
from localazure.machine_learning.storage import Location, UnknownLocation
from localazure.web import Refusal

COMPUTED = ("DataDrift", "PredictionDrift", "DataQuality")

Columns = Mapping[str, Sequence[str]]


class NotComputed(Exception):
    """Why a signal has no metrics here."""


@dataclass(frozen=True)
class Measured:
    """`value` is None where the metric is not computed here, `threshold` where the monitor sets none."""

    feature: str
    metric: str
    value: float | None
    threshold: float | None

    @property
    def is_violation(self) -> bool:
        return self.value is not None and self.threshold is not None and self.value > self.threshold


def evaluate(context: Context, scope: Scope, signal: Json) -> list[Measured]:
    """Every metric with a threshold, of every feature. Raises `NotComputed`."""
    if signal.get("signalType") not in COMPUTED:
        raise NotComputed(f"signals of type {signal.get('signalType')} are not computed here")
    reference = _columns(context, scope, signal.get("referenceData") or {})
    production = _columns(context, scope, signal.get("productionData") or {})
    features = [name for name in _features(signal, reference) if name in production]
    return [
        found for name in features for found in _measured(signal, name, reference[name], production[name])
    ]


def _measured(
    signal: Json, feature: str, reference: Sequence[str], production: Sequence[str]
) -> Iterator[Measured]:
    kind = _kind(signal, feature, reference)
    for asked in signal.get("metricThresholds") or ():
        if str(asked.get("dataType", kind)).lower() != kind:
            continue
        metric, threshold = str(asked.get("metric")), (asked.get("threshold") or {}).get("value")
        yield Measured(feature, metric, measure(metric, reference, production), threshold)


def _kind(signal: Json, feature: str, sample: Sequence[str]) -> str:
    overrides = signal.get("featureDataTypeOverride") or {}
    return str(overrides.get(feature) or ("numerical" if is_numerical(sample) else "categorical")).lower()


def _features(signal: Json, columns: Columns) -> list[str]:
    """Those of the subset asked for; the most important ones would need attributions: all are taken."""
    wanted = (signal.get("features") or {}).get("features")
    return [name for name in columns if wanted is None or name in wanted]


def _columns(context: Context, scope: Scope, data: Json) -> Columns:
    uri = str(data.get("uri") or "")
    try:
        texts = list(_files(context, _place(context, scope, uri)))
    except (Refusal, UnknownLocation) as error:
        raise NotComputed(f"{uri!r} cannot be read: {error}") from None
    if not texts:
        raise NotComputed(f"{uri!r} holds no CSV files, the one format that is read here")
    columns: dict[str, list[str]] = {}
    for text in texts:
        for row in csv.DictReader(io.StringIO(text)):
            for name, value in row.items():
                columns.setdefault(str(name), []).append(str(value or "").strip())
    return columns


def _files(context: Context, place: Location) -> Iterator[str]:
    for name in context.storage.names(place):
        if name.lower().endswith(".csv"):
            content = context.storage.read(Location(place.container, name)) or b""
            yield content.decode("utf-8-sig", errors="replace")


def _place(context: Context, scope: Scope, uri: str) -> Location:
    if is_asset(uri):
        found = parse_asset(uri, scope, context.scopes)
        uri = read_asset(context, found.scope, "data", found.name, found.version)["properties"]["dataUri"]
        scope = found.scope
    return context.locate(uri, scope.name)
