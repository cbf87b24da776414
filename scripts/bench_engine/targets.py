"""What our engine shall reach, and whether it did."""

import statistics
from collections.abc import Iterator
from dataclasses import dataclass

from scripts.bench_engine import contenders as c
from scripts.bench_engine.measurements import OwnFigures, Results

RATIO_AT = 50  # circuits
RATIOS = ((c.DURABLETASK, 0.40), (c.DBOS, 0.15), (c.PREFECT, 0.10), (c.LUIGI, 0.8), (c.IN_MEMORY, 1.3))


@dataclass(frozen=True)
class Target:
    """`measured` is None when there is no figure; a target without one is not met."""

    what: str
    measured: float | None
    limit: float
    unit: str = ""

    @property
    def met(self) -> bool:
        return self.measured is not None and self.measured <= self.limit


def targets(results: Results, own: OwnFigures, largest: int) -> Iterator[Target]:
    for contender, limit in RATIOS:
        what = f"time over that of {contender.name}, N={RATIO_AT}"
        yield Target(what, ratio(results, contender.name, RATIO_AT), limit)
    if largest > RATIO_AT:
        small, large = (results.seconds(c.OURS.name, size) for size in (RATIO_AT, largest))
        yield Target(f"N={largest} over N={RATIO_AT}", large / small if large and small else None, 5)
    yield Target("first activity after the start of the process", own.first_activity, 1.3, " s")
    yield Target("resident memory after W", results.rss(c.OURS.name), 80, " MB")
    yield Target("CPU while idle", own.idle_cpu, 1, " %")
    yield Target(f"last over first of {len(own.chunks)} chunks of orchestrations", own.growth, 1.5)


def ratio(results: Results, other: str, circuits: int) -> float | None:
    """Our time over the other's, the median over the turns; for one that was stopped, the most it can be."""
    ours, theirs = results.seconds(c.OURS.name, circuits), results.stopped(other, circuits)
    if ours and theirs:
        return ours / theirs
    pairs = zip(results.runs[c.OURS.name, circuits], results.runs[other, circuits], strict=False)
    return (
        statistics.median(ratios) if (ratios := [mine.seconds / its.seconds for mine, its in pairs]) else None
    )
