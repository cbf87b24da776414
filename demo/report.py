"""The table at the end: circuits, verdicts, metrics against seasonal-naive, deployments, forecasts."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

from rich.console import Console
from rich.table import Table

from busbar.api import CircuitState, Snapshot
from busbar.domain.circuits import CircuitKey
from busbar.domain.gates import Metrics
from busbar.domain.policies import Stage
from busbar.domain.training import Verdict


@dataclass(frozen=True)
class Quality:
    """Standardised errors averaged over every circuit that was measured, gated-out ones included."""

    circuits: int
    mse: float
    seasonal_naive_mse: float

    @property
    def ratio(self) -> float:
        return self.mse / self.seasonal_naive_mse

    @classmethod
    def of(cls, measured: Sequence[Metrics]) -> "Quality | None":
        """None when nothing was measured."""
        usable = [m for m in measured if isfinite(m.standardised_mse) and m.seasonal_naive_mse > 0]
        if not usable:
            return None
        count = len(usable)
        return cls(
            count,
            sum(one.standardised_mse for one in usable) / count,
            sum(one.seasonal_naive_mse for one in usable) / count,
        )


def print_report(console: Console, snapshot: Snapshot, circuits: Sequence[CircuitKey]) -> None:
    """The fleet as it stands, and what the models are worth."""
    table = Table(title="The fleet", title_justify="left")
    for name in ("circuit", "verdict"):
        table.add_column(name, no_wrap=True)
    for name in (
        "model",
        "MAE",
        "MSE",
        "naive MSE",
        "ratio",
        *(stage.value for stage in Stage),
        "forecast rows",
    ):
        table.add_column(name, justify="right", no_wrap=True)
    states = [(key, snapshot.circuits.get(key)) for key in circuits]
    for key, state in states:
        table.add_row(str(key), *(_row(state) if state else ["[red]not planned[/]"]))
    console.print(table)
    for key, state in states:
        if state and state.record.verdict is not Verdict.TRAINED:
            console.print(f"  {key}: {state.record.verdict}: {state.record.reason}", highlight=False)
    _print_totals(console, [state for _, state in states if state], len(circuits))


def _row(state: CircuitState) -> list[str]:
    record, metrics = state.record, state.record.metrics
    colour = "green" if record.verdict is Verdict.TRAINED else "red"
    scoring = state.scorings.get(Stage.PROD)
    return [
        f"[{colour}]{record.verdict}[/]",
        f"v{record.model_version}" if record.model_version else "–",
        *(_measured(metrics) if metrics else ["–"] * 4),
        *(
            f"v{state.deployments[stage].model_version}" if stage in state.deployments else "–"
            for stage in Stage
        ),
        str(scoring.rows) if scoring else "–",
    ]


def _measured(metrics: Metrics) -> list[str]:
    ratio = (
        metrics.standardised_mse / metrics.seasonal_naive_mse if metrics.seasonal_naive_mse else float("nan")
    )
    return [
        f"{metrics.mae:.4g}",
        f"{metrics.standardised_mse:.3f}",
        f"{metrics.seasonal_naive_mse:.3f}",
        f"{ratio:.2f}",
    ]


def _print_totals(console: Console, states: Sequence[CircuitState], planned: int) -> None:
    quality = Quality.of([state.record.metrics for state in states if state.record.metrics])
    if quality:
        console.print(
            f"Held-out MSE (standardised) over all {quality.circuits} trained circuits: [bold]{quality.mse:.3f}[/], "
            f"seasonal-naive {quality.seasonal_naive_mse:.3f}, ratio [bold]{quality.ratio:.2f}[/]",
            highlight=False,
        )
    for stage in Stage:
        served = sum(stage in state.deployments for state in states)
        console.print(f"Serving in {stage}: {served} of {planned} circuits", highlight=False)
    rows = sum(scoring.rows for state in states if (scoring := state.scorings.get(Stage.PROD)))
    console.print(f"Forecast rows written by the last scoring: {rows}", highlight=False)
