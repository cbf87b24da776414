"""The results as tables that read well on a terminal and in Markdown alike."""

from collections.abc import Iterable, Sequence

from rich import box
from rich.table import Table

from scripts.bench_engine.contenders import OURS, Contender
from scripts.bench_engine.measurements import Results
from scripts.bench_engine.targets import RATIO_AT, Target, ratio
from scripts.bench_engine.workload import STEPS


def engines(contenders: Iterable[Contender], results: Results, sizes: Sequence[int]) -> Table:
    """A row an engine: seconds a size, steps a second at the largest, memory, our time over its time."""
    table = Table("engine", box=box.MARKDOWN)
    for size in sizes:
        table.add_column(f"N={size} s", justify="right")
    for heading in (f"steps/s, N={sizes[-1]}", "RSS MB", f"ours / it, N={RATIO_AT}"):
        table.add_column(heading, justify="right")
    table.add_column("outlives its process")
    for contender in contenders:
        figures = [_seconds(results, contender.name, size) for size in sizes]
        last = results.seconds(contender.name, sizes[-1])
        table.add_row(
            contender.name,
            *figures,
            f"{STEPS * sizes[-1] / last:.0f}" if last else "–",
            _number(results.rss(contender.name), 0),
            "" if contender == OURS else _number(ratio(results, contender.name, RATIO_AT), 2),
            contender.keeps,
        )
    return table


def goals(targets: Iterable[Target]) -> Table:
    """A row a target: what was measured, the limit, and whether it is met."""
    table = Table("target", box=box.MARKDOWN)
    for heading in ("measured", "limit", "met"):
        table.add_column(heading, justify="right")
    for target in targets:
        limit = f"≤ {target.limit:g}{target.unit}"
        table.add_row(
            target.what, _number(target.measured, 2) + target.unit, limit, "✓" if target.met else "✗"
        )
    return table


def _seconds(results: Results, name: str, size: int) -> str:
    if failure := results.failures.get((name, size)):
        return f"> {failure.longer_than:.0f}" if failure.longer_than else "failed"
    return _number(results.seconds(name, size), 2)


def _number(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"
