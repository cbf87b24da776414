"""Scores files in mini-batches with one model. Runs in the deployment's own environment, so it needs Python alone.

`python batch_driver.py --input PATH --output PATH …`. The script has `init()` and `run(mini_batch)`, which is given
paths and returns a table or a list; without a script an MLflow model reads tables and gives rows of (row, prediction,
file). Environment: AZUREML_MODEL_DIR. Ends with 1 when more files failed than `--error-threshold` ignores.
"""

import argparse
import csv
import importlib.util
import os
import signal
import sys
import traceback
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

Run = Callable[[list[str]], Any]


@dataclass
class Tally:
    """What became of the files; `ignored` failures are no error, all of them when it is negative."""

    ignored: int
    succeeded: int = 0
    failed: int = 0

    def count(self, files: int, results: int) -> None:
        done = min(files, results)
        self.succeeded += done
        self.failed += files - done

    @property
    def too_many(self) -> bool:
        return 0 <= self.ignored < self.failed


def main() -> None:
    asked = _arguments()
    sys.path.pop(0)  # this file's folder: it is none of the deployment's
    os.environ["AZUREML_BI_OUTPUT_PATH"] = str(asked.output)
    asked.output.mkdir(parents=True, exist_ok=True)
    run = _from_script(Path(asked.script)) if asked.script else _from_mlflow(_model_folder())
    files = _files(asked.input)
    tally = Tally(asked.error_threshold)
    with (asked.output / asked.file_name).open("a", newline="") as target:
        for start in range(0, len(files), asked.mini_batch_size):
            batch = files[start : start + asked.mini_batch_size]
            results = _attempt(run, batch, asked.retries, asked.timeout)
            tally.count(len(batch), 0 if results is None else len(results))
            if results is not None and asked.append_row:
                _append(results, target)
            if tally.too_many:
                break
    if not asked.append_row:
        (asked.output / asked.file_name).unlink()
    _say(f"{len(files)} files: {tally.succeeded} succeeded, {tally.failed} failed")
    if tally.too_many:
        sys.exit(f"The error threshold {tally.ignored} is exceeded: {tally.failed} files failed.")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--script", default="")
    parser.add_argument("--input", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--file-name", default="predictions.csv")
    parser.add_argument("--append-row", action="store_true")
    parser.add_argument("--mini-batch-size", type=int, default=10)
    parser.add_argument("--error-threshold", type=int, default=-1)
    parser.add_argument("--retries", type=int, default=3)
    parser.add_argument("--timeout", type=float, default=30.0, help="seconds of one mini-batch")
    return parser.parse_args()


def _files(place: Path) -> list[str]:
    if place.is_file():
        return [str(place)]
    return [str(path) for path in sorted(place.rglob("*")) if path.is_file()]


def _attempt(run: Run, batch: list[str], retries: int, seconds: float) -> Any:
    """What `run` gives, None when it failed at every attempt."""
    for attempt in range(1 + retries):
        _say(f"Mini-batch of {len(batch)} files, attempt {attempt + 1}")
        try:
            with _limited(seconds):
                return run(batch)
        except Exception:  # noqa: BLE001 - whatever the deployment's own code raises fails its mini-batch
            traceback.print_exc()
    return None


@contextmanager
def _limited(seconds: float) -> Generator[None]:
    """Raises `TimeoutError` in the block once the time is up."""

    def stop(_signal: int, _frame: object) -> None:
        raise TimeoutError(f"The mini-batch took longer than {seconds:g} seconds.")

    signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _append(results: Any, target: IO[str]) -> None:
    """A table's rows without header; of a list, texts as lines and sequences as rows."""
    if hasattr(results, "to_csv"):
        results.to_csv(target, header=False, index=False)
        return
    writer = csv.writer(target)
    for result in results:
        plain = result.tolist() if hasattr(result, "tolist") else result
        if isinstance(plain, (list, tuple)):
            writer.writerow(plain)
        else:
            target.write(f"{plain}\n")


def _from_script(path: Path) -> Run:
    sys.path.insert(0, str(path.resolve().parent))
    sys.argv = [str(path)]
    specification = importlib.util.spec_from_file_location("entry_script", path)
    if specification is None or specification.loader is None:
        raise ImportError(f"{path} is no Python file.")
    module = importlib.util.module_from_spec(specification)
    sys.modules["entry_script"] = module
    specification.loader.exec_module(module)
    if callable(getattr(module, "init", None)):
        module.init()
    return module.run


def _from_mlflow(folder: Path) -> Run:
    model = importlib.import_module("mlflow.pyfunc").load_model(str(folder))
    pandas = importlib.import_module("pandas")
    readers = {".csv": pandas.read_csv, ".parquet": pandas.read_parquet}

    def run(batch: Sequence[str]) -> Any:
        tables: list[Any] = []
        for path in map(Path, batch):
            if path.suffix.lower() not in readers:
                raise ValueError(
                    f"{path.name}: MLflow models read {', '.join(readers)}; others need a script."
                )
            predictions = pandas.DataFrame(model.predict(readers[path.suffix.lower()](path)))
            predictions.insert(0, "row", range(len(predictions)))
            tables.append(predictions.assign(file=path.name))
        return pandas.concat(tables)

    return run


def _model_folder() -> Path:
    return next(path.parent for path in sorted(Path(os.environ["AZUREML_MODEL_DIR"]).rglob("MLmodel")))


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
