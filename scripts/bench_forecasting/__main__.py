"""`python -m scripts.bench_forecasting accuracy|training`: the forecaster's benchmarks. Status 1: a target missed."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import fmean
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[1]
SETUP = ROOT / ".localazure" / "environments" / ".setup"  # its last line is the training environment's path
DATA = ROOT.parent / "shared" / "data"
PUBLISHED_96 = 0.370  # PatchTST/64 on ETTh1, Nie et al., ICLR 2023, table 3
COLD = 3  # cold processes that are measured; the others cost the same

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)
out, progress = Console(width=120, highlight=False), Console(stderr=True, highlight=False)

type Row = dict[str, Any]


@app.command()
def accuracy(
    data: Annotated[Path, typer.Argument(help="Folder with ett/ETTh1.csv and prsa/*.csv.")] = DATA,
) -> None:
    """Errors beside ridge and seasonal-naive on ETTh1 and the PRSA stations: about a quarter of an hour."""
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
    rows = [row for way, count in (counts | {"cold": COLD}).items() for row in _way(way, count)]
    cpu = {row["way"]: row["cpu"] / row["circuits"] for row in rows}
    table = Table(
        "way", "circuits", "CPU s a circuit", "over ours", title="Training, one circuit after the other"
    )
    for row in rows:
        own = cpu[row["way"]]
        table.add_row(row["way"], str(row["circuits"]), f"{own:.2f}", f"{own / cpu['ours']:.1f}")
    out.print(table)
    _judge(
        ("cold process with model.fit, over ours", cpu["cold"] / cpu["ours"], "≥", 10.0),
        ("model.fit in a loop on the same model, over ours", cpu["fit-loop"] / cpu["ours"], "≥", 2.5),
    )


def _way(way: str, count: int) -> Iterator[Row]:
    progress.print(f"{way}: {count} circuits")
    yield from _lines("training.py", way, str(count))


def _lines(program: str, *arguments: str) -> Iterator[Row]:
    """What a program prints in the training environment, object by object."""
    if not SETUP.exists():
        raise typer.BadParameter("the training environment is not built: make setup")
    python = Path(SETUP.read_text().splitlines()[-1]) / "bin" / "python"
    one_core = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # a job's share, as train.py takes it
    command = [str(python), str(FOLDER / program), *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | one_core) as process:
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


def _judge(*targets: tuple[str, float, str, float]) -> None:
    """Print the targets; ends with status 1 where one is missed."""
    table = Table("target", "measured", "limit", "met")
    met = [_HOLDS[sign](measured, limit) for _, measured, sign, limit in targets]
    for (name, measured, sign, limit), holds in zip(targets, met, strict=True):
        table.add_row(name, f"{measured:.3f}", f"{sign} {limit:g}", "✓" if holds else "✗")
    out.print(table)
    raise typer.Exit(int(not all(met)))


if __name__ == "__main__":
    app()
