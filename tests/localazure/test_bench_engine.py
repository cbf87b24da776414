"""The harness of `make bench-engine`: our engine runs its workload, and what was measured is judged and shown."""

import dataclasses
import io

import pytest
from rich.console import Console
from rich.table import Table

from scripts.bench_engine import contenders as c
from scripts.bench_engine import tables, workload
from scripts.bench_engine.host_process import running_host
from scripts.bench_engine.measurements import OwnFigures, Results
from scripts.bench_engine.reporting import Run, print_run
from scripts.bench_engine.targets import Target, ratio, targets

OWN = OwnFigures(first_activity=1.1, idle_cpu=0.2, chunks=(2.0, 2.0, 3.2), rss=70)


def results_of(*outcomes: tuple[c.Contender, int, Run | c.Failure]) -> Results:
    results = Results()
    for contender, circuits, outcome in outcomes:
        results.add(contender.name, circuits, outcome)
    return results


def run_of(circuits: int, seconds: float) -> Run:
    return Run(circuits, seconds, rss=60)


@pytest.mark.parametrize("options", [(), ("--shape", "window"), ("--in-memory",)])
def test_our_engine_runs_the_workload_in_a_process_of_its_own(options: tuple[str, ...]) -> None:
    outcome = c.run_once(dataclasses.replace(c.OURS, options=options), circuits=2, limit=60)

    assert isinstance(outcome, Run), outcome
    assert outcome.circuits == 2
    assert outcome.seconds > 0
    assert outcome.rss > 10


def test_the_host_runs_many_orchestrations_of_one_activity() -> None:
    with running_host() as host:
        assert host.singles(3) == sum(value + 1 for value in range(3))


def test_a_wrong_sum_is_no_run() -> None:
    with pytest.raises(SystemExit, match="the sum over 3 circuits is 7, not"):
        print_run(3, 0.1, 7, 50)


def test_a_line_of_figures_is_found_among_others(capsys: pytest.CaptureFixture[str]) -> None:
    print_run(3, 0.5, workload.expected(3), 50)

    assert c.parse(f"starting\n{capsys.readouterr().out}") == Run(3, 0.5, 50)
    assert c.parse("starting\n") is None


def test_a_program_that_fails_is_reported_with_its_last_words() -> None:
    outcome = c.run_once(dataclasses.replace(c.OURS, module="no_such_engine"), circuits=1, limit=60)

    assert isinstance(outcome, c.Failure)
    assert "no_such_engine" in outcome.reason
    assert outcome.longer_than is None


def test_a_program_that_takes_too_long_is_ended_and_reported() -> None:
    outcome = c.run_once(c.OURS, circuits=1, limit=0.05)

    assert outcome == c.Failure("> 0 s", 0.05)


@pytest.mark.parametrize(
    ("outcomes", "more"),
    [
        ([], True),
        ([run_of(10, 1.0)], True),
        ([run_of(10, 31.0)], False),
        ([run_of(10, 6.0)] * 3, True),
        ([run_of(10, 6.0)] * 4, False),
        ([run_of(10, 4.0)] * 11, True),
        ([c.Failure("> 120 s", 120)], False),
    ],
)
def test_what_is_slow_or_broken_is_not_repeated(outcomes: list[Run | c.Failure], more: bool) -> None:
    results = results_of(*((c.DBOS, 10, outcome) for outcome in outcomes))

    assert results.wants_more(c.DBOS.name, 10) is more


def test_the_ratio_is_the_median_over_the_turns() -> None:
    ours = [(c.OURS, 50, run_of(50, seconds)) for seconds in (1.0, 3.0, 9.0)]
    theirs = [(c.LUIGI, 50, run_of(50, seconds)) for seconds in (2.0, 4.0, 10.0)]

    assert ratio(results_of(*ours, *theirs), c.LUIGI.name, 50) == 0.75
    assert ratio(results_of(*ours, *theirs[:1]), c.LUIGI.name, 50) == 0.5


@pytest.mark.parametrize(
    ("failure", "expected"), [(c.Failure("> 120 s", 120), 3 / 120), (c.Failure("it broke"), None)], ids=str
)
def test_the_ratio_to_an_engine_that_was_stopped_is_the_most_it_can_be(
    failure: c.Failure, expected: float | None
) -> None:
    ours = [(c.OURS, 50, run_of(50, seconds)) for seconds in (1.0, 3.0, 9.0)]

    assert ratio(results_of(*ours, (c.LUIGI, 50, failure)), c.LUIGI.name, 50) == expected


@pytest.mark.parametrize(
    ("measured", "met"), [(0.5, True), (1.0, True), (1.01, False), (None, False)], ids=str
)
def test_a_target_is_met_at_its_limit_and_not_without_a_figure(measured: float | None, met: bool) -> None:
    assert Target("it", measured, 1.0).met is met


def shown(table: Table) -> str:
    console = Console(width=150, file=io.StringIO(), record=True)
    console.print(table)
    return console.export_text()


def test_the_tables_show_every_engine_and_every_target() -> None:
    results = results_of(
        (c.OURS, 50, run_of(50, 1.0)),
        (c.OURS, 200, run_of(200, 6.0)),
        (c.LUIGI, 50, run_of(50, 2.0)),
        (c.DBOS, 50, c.Failure("> 120 s", 120)),
        (c.PREFECT, 50, c.Failure("it broke")),
    )
    goals = list(targets(results, OWN, 200))

    engines = shown(tables.engines(c.CONTENDERS, results, [50, 200]))
    verdicts = shown(tables.goals(goals))

    rows = {line.split("|")[1].strip(): line for line in engines.splitlines() if line.count("|") > 2}
    assert {contender.name for contender in c.CONTENDERS} <= set(rows)
    assert "1.00" in rows[c.OURS.name]
    assert "0.50" in rows[c.LUIGI.name]
    assert "> 120" in rows[c.DBOS.name]
    assert "failed" in rows[c.PREFECT.name]
    met = {goal.what: goal.met for goal in goals}
    assert met[f"time over that of {c.LUIGI.name}, N=50"]
    assert not met["N=200 over N=50"]
    assert not met["last over first of 3 chunks of orchestrations"]
    assert verdicts.count("✓") == sum(met.values())
    assert verdicts.count("✗") == len(goals) - sum(met.values())
