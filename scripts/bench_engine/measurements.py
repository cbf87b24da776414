"""What is measured: runs of W taken in turns, and what only our engine is asked for."""

import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from scripts.bench_engine.contenders import Contender, Failure, run_once
from scripts.bench_engine.host_process import running_host
from scripts.bench_engine.reporting import Run

LIMIT = 120.0  # seconds for one run with its process' start; what takes longer is reported so
SLOW = 30.0  # seconds; what took longer is not repeated
QUICK = (
    5.0  # seconds; what took longer is given FEW turns: the others' ratios need more to be told from noise
)
FEW = 4

type Say = Callable[[str], None]


@dataclass
class Results:
    """Every run, by engine and number of circuits."""

    runs: dict[tuple[str, int], list[Run]] = field(default_factory=lambda: defaultdict(list))
    failures: dict[tuple[str, int], Failure] = field(default_factory=dict)

    def add(self, name: str, circuits: int, outcome: Run | Failure) -> None:
        if isinstance(outcome, Failure):
            self.failures[name, circuits] = outcome
        else:
            self.runs[name, circuits].append(outcome)

    def wants_more(self, name: str, circuits: int) -> bool:
        """Whether another run is worth its time."""
        runs = self.runs.get((name, circuits), ())
        limit = SLOW if len(runs) < FEW else QUICK
        return (name, circuits) not in self.failures and all(run.seconds < limit for run in runs)

    def seconds(self, name: str, circuits: int) -> float | None:
        """The median; None without a run."""
        runs = self.runs.get((name, circuits))
        return statistics.median(run.seconds for run in runs) if runs else None

    def stopped(self, name: str, circuits: int) -> float | None:
        """The seconds after which a run of it was stopped, if one was."""
        failure = self.failures.get((name, circuits))
        return failure.longer_than if failure else None

    def rss(self, name: str) -> float | None:
        """The most MB of any of its runs."""
        return max(
            (run.rss for (of, _), runs in self.runs.items() for run in runs if of == name), default=None
        )


def take_turns(contenders: Iterable[Contender], repetitions: Mapping[int, int], say: Say) -> Results:
    """Run W with every engine in turn, again and again: the machine's moods meet all alike."""
    results = Results()
    for turn in range(max(repetitions.values())):
        for circuits in (size for size, times in repetitions.items() if turn < times):
            for contender in contenders:
                if results.wants_more(contender.name, circuits):
                    outcome = run_once(contender, circuits, LIMIT)
                    results.add(contender.name, circuits, outcome)
                    said = outcome.reason if isinstance(outcome, Failure) else f"{outcome.seconds:.2f} s"
                    say(f"turn {turn + 1}, N={circuits}, {contender.name}: {said}")
    return results


@dataclass(frozen=True)
class OwnFigures:
    """Of our engine alone: seconds to the first activity, idle CPU in %, seconds of each chunk of singles."""

    first_activity: float
    idle_cpu: float
    chunks: tuple[float, ...]
    rss: float  # MB after the chunks

    @property
    def growth(self) -> float:
        """The last chunks' time over the first ones', medians of up to three."""
        few = max(1, min(3, len(self.chunks) // 2))
        return statistics.median(self.chunks[-few:]) / statistics.median(self.chunks[:few])


def own_figures(starts: int, chunks: int, size: int, idle_seconds: float, say: Say) -> OwnFigures:
    firsts = [_first_activity() for _ in range(starts)]
    say(f"first activity {min(firsts):.2f} to {max(firsts):.2f} s after the start of the process")
    seconds: list[float] = []
    with running_host() as host:
        host.workload(10)
        for number in range(chunks):
            seconds.append(host.timed_singles(size))
            say(
                f"{size * (number + 1)} orchestrations of one activity: the last {size} in {seconds[-1]:.2f} s"
            )
        rss = host.rss
        idle = host.idle_cpu(idle_seconds)
    return OwnFigures(statistics.median(firsts), idle, tuple(seconds), rss)


def _first_activity() -> float:
    with running_host() as host:
        host.singles(1)
        return host.age
