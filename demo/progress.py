"""What a person sees while they wait: every circuit through the stages, and who is asked for what."""

import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from busbar.api import CircuitState, PendingApproval, Snapshot
from busbar.domain.circuits import CircuitKey
from busbar.domain.policies import Stage
from busbar.domain.training import Verdict

EMPTY = Snapshot({}, (), ())
DONE, BUSY, WAITING, FAILED = "[green]✔[/]", "[yellow]●[/]", "[dim]·[/]", "[red]✘[/]"
_VERDICTS = {
    Verdict.TRAINING: f"{BUSY} training",
    Verdict.TRAINED: f"{DONE} trained",
    Verdict.GATED_OUT: f"{FAILED} gated out",
    Verdict.QUARANTINED: f"{FAILED} quarantined",
    Verdict.SUPERSEDED: f"{WAITING} superseded",
    Verdict.CANCELLED: f"{FAILED} cancelled",
}


@dataclass
class Progress:
    """A live table on a terminal; on anything else a line whenever something has changed."""

    console: Console
    circuits: Sequence[CircuitKey]
    addresses: str
    run_id: str | None = None
    heading: str = ""
    _began: float = field(default_factory=time.monotonic)
    _snapshot: Snapshot = EMPTY
    _live: Live | None = None
    _told: list[str] = field(default_factory=list[str])

    def __enter__(self) -> Self:
        if self.console.is_terminal:
            self._live = Live(self.render(), console=self.console, refresh_per_second=4, transient=True)
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, _: object, __: TracebackType | None) -> None:
        if self._live:
            self._live.stop()
            self._live = None

    def say(self, text: str) -> None:
        """A line that stays."""
        self.console.print(f"[dim]{self.elapsed:>5.0f} s[/]  {text}", highlight=False)

    def show(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        if self._live:
            self._live.update(self.render())
        else:
            for line in self._lines():
                if line and line not in self._told:
                    self.say(line)
            self._told = self._lines()

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self._began

    def render(self) -> RenderableType:
        """The table, the run's sentence, what is asked."""
        table = Table(
            title=f"{self.heading}  [dim]{self.elapsed:.0f} s[/]", title_justify="left", expand=False
        )
        for name in (
            "circuit",
            "training",
            "skill",
            "registry",
            *(stage.value for stage in Stage),
            "forecast",
        ):
            table.add_column(name)
        for key in self.circuits:
            table.add_row(str(key), *_cells(self._snapshot.circuits.get(key)))
        return Group(
            table, Text(self._sentence()), *map(_asked, self._snapshot.pending), Text(self.addresses, "dim")
        )

    def _sentence(self) -> str:
        run = self._snapshot.run(self.run_id) if self.run_id else None
        return f"{run.status}: {run.sentence}" if run else ""

    def _lines(self) -> list[str]:
        """The fleet in numbers, the run's sentence, and what is asked: each is told again when it has changed."""
        states = [state for key in self.circuits if (state := self._snapshot.circuits.get(key))]
        counts = {verdict: sum(state.record.verdict is verdict for state in states) for verdict in Verdict}
        parts = [f"{count} {verdict}" for verdict, count in counts.items() if count]
        served = [f"{stage} {sum(stage in state.deployments for state in states)}" for stage in Stage]
        numbers = f"{', '.join(parts)}; serving in {', '.join(served)}" if states else ""
        run = self._snapshot.run(self.run_id) if self.run_id else None
        sentence = self._sentence() if run and not run.status.ended else ""
        return [numbers, sentence, *(_asked(ask).plain for ask in self._snapshot.pending)]


def _cells(state: CircuitState | None) -> list[str]:
    if state is None:
        return [WAITING] * (4 + len(Stage))
    record = state.record
    skill = f"{record.metrics.skill_seasonal_naive:+.0%}" if record.metrics else WAITING
    serving = [f"{DONE} v{state.deployments[stage].model_version}" if stage in state.deployments else WAITING
               for stage in Stage]  # fmt: skip
    scoring = state.scorings.get(Stage.PROD)
    return [
        _VERDICTS[record.verdict],
        skill,
        f"{DONE} v{record.registry_version}" if record.registry_version else WAITING,
        *serving,
        f"{DONE} {scoring.rows} rows" if scoring and scoring.rows else WAITING,
    ]


def _asked(pending: PendingApproval) -> Text:
    voted = f"{len(pending.votes)} of {pending.quorum} votes"
    return Text(
        f"? {pending.gate}: {pending.subject} ({voted}; asked: {', '.join(pending.approvers)})", "yellow"
    )


@contextmanager
def step(console: Console, text: str) -> Generator[None]:
    """Say what is being done, and how long it took."""
    began = time.monotonic()
    with console.status(text):
        yield
    console.print(f"[green]✔[/] {text} [dim]({time.monotonic() - began:.1f} s)[/]", highlight=False)
