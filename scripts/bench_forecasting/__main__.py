"""`python -m scripts.bench_forecasting accuracy|training|scoring|drift|alarms`. Status 1: a target is missed."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from statistics import fmean, median
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from scripts.bench_engine.environment import prepare

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[1]
SETUP = ROOT / ".localazure" / "environments" / ".setup"  # its last line is the training environment's path
COMPONENTS = ROOT / "ml_components"
MODULES = ("", "training/train_lstm/src", "scoring", "monitoring/detect_drift/src")  # that programs import
DATA = ROOT.parent / "shared" / "data"
PUBLISHED_96 = 0.370  # PatchTST/64 on ETTh1, Nie et al., ICLR 2023, table 3
OTHERS = ROOT / ".localazure" / "bench-drift" / "bin" / "python"  # scipy and Evidently
ENVIRONMENT = {
    "PYTHONPATH": os.pathsep.join(str(COMPONENTS / module) for module in MODULES),
    "OMP_NUM_THREADS": "1",  # a job's share, as train.py takes it
    "OPENBLAS_NUM_THREADS": "1",
}
FOUND = {
    "false, a sensor": ("≤", 0.01),
    "false, a circuit": ("≤", 0.05),
    "+1σ": ("≥", 0.80),
    "stuck": ("≥", 0.95),
    "missing": ("≥", 1.0),
}
COLD = 3  # cold processes that are measured; the others cost the same

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)
out, progress = Console(width=120, highlight=False), Console(stderr=True, highlight=False)

type Row = dict[str, Any]
type Target = tuple[str, float, str, float]  # what, measured, sign, limit


@app.command()
def accuracy(
    data: Annotated[Path, typer.Argument(help="Folder with ett/ETTh1.csv and prsa/*.csv.")] = DATA,
) -> None:
    """Errors beside ridge and seasonal-naive on ETTh1 and the PRSA stations: about five minutes."""
    if not (data / "ett").is_dir():
        raise typer.BadParameter(
            f"there is no ett/ETTh1.csv in {data}: see docs/benchmarks.md for where the public data are"
        )
    rows: list[Row] = []
    for row in _lines("accuracy.py", str(data)):
        rows.append(row)
        progress.print(f"{row['case']}, horizon {row['horizon']}: mse {fmean(row['mse']['ours']):.4f}")
    out.print(_errors(rows))
    day = [pair for row in rows if row["horizon"] == 24 for pair in _series(row)]
    better = sum(ours <= ridge for ours, ridge, _ in day) / len(day)
    worst = max(_share(row) for row in rows if row["horizon"] == 24)
    [papers] = [fmean(row["mse"]["ours"]) for row in rows if row["horizon"] == 96]
    _judge(
        ("series no worse than ridge, horizon 24", better, "≥", 0.75),
        ("worst circuit's mse over seasonal-naive's, horizon 24", worst, "≤", 0.80),
        ("ETTh1, horizon 96: mse", papers, "≤", PUBLISHED_96),
    )


@app.command()
def training(circuits: Annotated[int, typer.Option(min=3, help="Circuits that we train.")] = 100) -> None:
    """CPU seconds a circuit beside `model.fit`, in a loop and in a process each."""
    counts = {"ours": circuits, "fit-loop": max(3, circuits // 10), "plain-fit": max(3, circuits // 10)}
    cpu = _compare(
        "training.py", "circuits", counts | {"cold": COLD}, "Training, one circuit after the other"
    )
    _judge(
        ("cold process with model.fit, over ours", cpu["cold"] / cpu["ours"], "≥", 10.0),
        ("model.fit in a loop on the same model, over ours", cpu["fit-loop"] / cpu["ours"], "≥", 2.5),
    )


@app.command()
def scoring(models: Annotated[int, typer.Option(min=20, help="Models that we score.")] = 200) -> None:
    """CPU seconds a model, loaded and asked for the newest window, beside Keras in a process and in one each; and a
    circuit's day from table to table, many in a process beside one in each.
    """
    counts = {"ours": models, "keras": models // 10, "cold": COLD}
    cpu = _compare("scoring.py", "models", counts, "Scoring, one model after the other")
    days = _compare("days.py", "days", {"ours": 75, "cold": 2 * COLD}, "Scoring, three days of each circuit")
    _judge(
        ("a process of batch_score each, over score_circuits", days["cold"] / days["ours"], "≥", 5.0),
        ("Keras's load and predict in one process, over ours", cpu["keras"] / cpu["ours"], "≥", 20.0),
        ("cold process with Keras, over ours", cpu["cold"] / cpu["ours"], "≥", 100.0),
    )


@app.command()
def drift(
    data: Annotated[Path, typer.Argument(help="Folder with ett/ETTh1.csv and prsa/*.csv.")] = DATA,
    columns: Annotated[int, typer.Option(min=100, help="Columns of 10,000 rows each.")] = 2000,
) -> None:
    """CPU milliseconds a column of the two-sample statistic, beside scipy and Evidently; then `alarms`."""
    if problem := prepare(FOLDER / "requirements.txt", OTHERS):
        raise typer.BadParameter(f"scipy and Evidently could not be installed: {problem}")
    turns = list(_run(OTHERS, "drift.py", str(columns)))
    table = Table("way", "CPU ms a column", "over ours", title=f"Statistics of {columns} columns")
    over = {way: median(turn[way] / turn["ours"] for turn in turns) for way in ("ours", "scipy", "evidently")}
    for way, ratio in over.items():
        table.add_row(way, f"{1000 * median(turn[way] for turn in turns):.2f}", f"{ratio:.1f}")
    out.print(table)
    targets: list[Target] = [
        ("scipy's time over ours", over["scipy"], "≥", 4.0),
        ("Evidently's time over ours", over["evidently"], "≥", 100.0),
        ("largest difference of a statistic from scipy's", max(turn["apart"] for turn in turns), "≤", 1e-12),
    ]
    if (data / "prsa").is_dir():
        targets += _alarms(data)
    else:
        progress.print(f"[yellow]there is no prsa/ in {data}: alarms are not measured (docs/benchmarks.md)")
    _judge(*targets)


@app.command()
def alarms(
    data: Annotated[Path, typer.Argument(help="Folder with ett/ETTh1.csv and prsa/*.csv.")] = DATA,
    chosen_on: Annotated[bool, typer.Option(help="The stations that rules were chosen on.")] = False,
) -> None:
    """False alarms of detect_drift on undisturbed weeks, and what it finds in disturbed ones: some minutes."""
    if not (data / "prsa").is_dir():
        raise typer.BadParameter(f"there is no prsa/ in {data}: see docs/benchmarks.md for the public data")
    _judge(*_alarms(data, *(("--chosen-on",) if chosen_on else ())))


def _alarms(data: Path, *flags: str) -> list[Target]:
    """Prints the table; gives the targets."""
    rows = [row for row in _lines("alarms.py", str(data), *flags) if not row["skipped"]]
    table = Table("station", "stretches", *FOUND, "false on one look alone", title="Alarms")
    for case in [*dict.fromkeys(row["case"] for row in rows), "all"]:
        own = [row for row in rows if case in (row["case"], "all")]
        sensor, circuit = _false(own, "look")
        table.add_row(
            case, str(len(own)), *map("{:.2%}".format, _shares(own)), f"{sensor:.2%}, {circuit:.2%}"
        )
    out.print(table)
    pairs = zip(FOUND.items(), _shares(rows), strict=True)
    return [(what, share, sign, limit) for (what, (sign, limit)), share in pairs]


def _shares(rows: list[Row]) -> tuple[float, ...]:
    """False alarms of sensors and of circuits; found of those shifted, stuck, thinned out."""
    found = (fmean(hit for row in rows for hit in row[how]) for how in ("shifted", "stuck", "missing"))
    return (*_false(rows, "verdict"), *found)


def _false(rows: list[Row], by: str) -> tuple[float, float]:
    """Shares of the sensors that alarm undisturbed, and of the stretches in which any does."""
    sensors = sum(len(row[by]) for row in rows) / sum(row["sensors"] for row in rows)
    return sensors, fmean(bool(row[by]) for row in rows)


def _compare(program: str, what: str, counts: Mapping[str, int], title: str) -> dict[str, float]:
    """CPU seconds of one, by way; prints the table."""
    rows = [row for way, count in counts.items() for row in _way(program, way, count, what)]
    cpu = {row["way"]: row["cpu"] / row[what] for row in rows}
    table = Table("way", what, f"CPU s a {what[:-1]}", "over ours", title=title)
    for row in rows:
        own = cpu[row["way"]]
        table.add_row(row["way"], str(row[what]), f"{own:.4f}", f"{own / cpu['ours']:.1f}")
    out.print(table)
    return cpu


def _way(program: str, way: str, count: int, what: str) -> Iterator[Row]:
    progress.print(f"{way}: {count} {what}")
    yield from _lines(program, way, str(count))


def _lines(program: str, *arguments: str) -> Iterator[Row]:
    """What a program prints in the training environment, object by object."""
    if not SETUP.exists():
        raise typer.BadParameter("the training environment is not built: make setup")
    yield from _run(Path(SETUP.read_text().splitlines()[-1]) / "bin" / "python", program, *arguments)


def _run(python: Path, program: str, *arguments: str) -> Iterator[Row]:
    """What a program prints, object by object."""
    command = [str(python), str(FOLDER / program), *arguments]
    environment = os.environ | ENVIRONMENT
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        yield from map(json.loads, process.stdout or ())
    if process.returncode:
        raise typer.Exit(2)


def _series(row: Row) -> list[tuple[float, float, float]]:
    """(ours, ridge, seasonal-naive) of each sensor."""
    errors = row["mse"]
    return list(zip(errors["ours"], errors["ridge"], errors["seasonal-naive"], strict=True))


def _share(row: Row) -> float:
    return fmean(row["mse"]["ours"]) / fmean(row["mse"]["seasonal-naive"])


def _errors(rows: list[Row]) -> Table:
    models = list(rows[0]["mse"])
    table = Table(
        "circuit", "horizon", *models, "MAE", "/ ridge", "/ naive", "in 90 %", title="Standardised mse"
    )
    for row in rows:
        means = {name: fmean(values) for name, values in row["mse"].items()}
        cells = [f"{means[name]:.3f}" for name in models]
        ratio = f"{means['ours'] / means['ridge']:.3f}"
        table.add_row(
            row["case"],
            str(row["horizon"]),
            *cells,
            f"{fmean(row['mae']['ours']):.3f}",
            ratio,
            f"{_share(row):.2f}",
            f"{row['coverage']:.0%}",
        )
    return table


_HOLDS: dict[str, Callable[[float, float], bool]] = {"≤": float.__le__, "≥": float.__ge__}


def _judge(*targets: Target) -> None:
    """Print the targets; ends with status 1 where one is missed."""
    table = Table("target", "measured", "limit", "met")
    met = [_HOLDS[sign](measured, limit) for _, measured, sign, limit in targets]
    for (name, measured, sign, limit), holds in zip(targets, met, strict=True):
        table.add_row(name, f"{measured:.3g}", f"{sign} {limit:g}", "✓" if holds else "✗")
    out.print(table)
    raise typer.Exit(int(not all(met)))


if __name__ == "__main__":
    app()
