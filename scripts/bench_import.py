"""How long `import function_app` takes, against a bare durable app, cold processes taken in turns."""

import os
import statistics
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

RUNS = 7
LIMIT = 1.5
BARE = "bare durable app"
APP = "function_app"
IMPORTS = {BARE: "import azure.functions, azure.durable_functions", APP: "import function_app"}
MEASURE = "import time; start = time.perf_counter(); {statement}; print(time.perf_counter() - start)"


def import_seconds(statement: str) -> float:
    """Wall seconds of `statement` in a fresh interpreter in the repository's root, with bytecode as deployed."""
    root = Path(__file__).resolve().parent.parent
    command = [sys.executable, "-c", MEASURE.format(statement=statement)]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(command, cwd=root, env=environment, check=True, capture_output=True, text=True)
    return float(done.stdout.split()[-1])


def main() -> int:
    for statement in IMPORTS.values():
        import_seconds(statement)  # fills the file cache, so that the first one measured is no exception
    seconds: dict[str, list[float]] = {name: [] for name in IMPORTS}
    for _ in range(RUNS):
        for name, statement in IMPORTS.items():
            seconds[name].append(import_seconds(statement))
    bare = statistics.median(seconds[BARE])
    table = Table("import", "median s", "best s", "ratio", title=f"Cold import, {RUNS} runs each")
    for name, measured in seconds.items():
        median = statistics.median(measured)
        table.add_row(name, f"{median:.2f}", f"{min(measured):.2f}", f"{median / bare:.2f}")
    Console().print(table)
    ratio = statistics.median(seconds[APP]) / bare
    Console().print(f"ratio {ratio:.2f} (limit {LIMIT})")
    return int(ratio > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
