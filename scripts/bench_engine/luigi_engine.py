"""Luigi, its local scheduler and one worker: a task per step, its target a file; the event is a file someone writes."""

import tempfile
from pathlib import Path

import luigi

from scripts.bench_engine import workload
from scripts.bench_engine.reporting import report


class Step(luigi.Task):
    """One step of a circuit, after the one before it; its target holds the value so far."""

    folder = luigi.Parameter()
    circuit = luigi.IntParameter()
    number = luigi.IntParameter()

    def requires(self):
        return Step(self.folder, self.circuit, self.number - 1) if self.number > 1 else []

    def output(self):
        return luigi.LocalTarget(f"{self.folder}/{self.circuit}-{self.number}")

    def run(self):
        value = read(self.input()) if self.number > 1 else self.circuit
        if self.number == workload.EVENT:
            value += read(self._event())
        else:
            value = workload.step(value, self.number)
        if self.number == workload.SUBMIT:  # the job ends at once, and says so
            write(self._event(), workload.EVENT)
        write(self.output(), value)

    def _event(self) -> luigi.LocalTarget:
        return luigi.LocalTarget(f"{self.folder}/{self.circuit}-{workload.EVENT_NAME}")


class Fleet(luigi.WrapperTask):
    folder = luigi.Parameter()
    circuits = luigi.IntParameter()

    def requires(self):
        return [Step(self.folder, circuit, workload.STEPS) for circuit in range(self.circuits)]


def read(target: luigi.LocalTarget) -> int:
    return int(Path(target.path).read_text())


def write(target: luigi.LocalTarget, value: int) -> None:
    with target.open("w") as file:
        file.write(str(value))


def run(circuits: int) -> int:
    with tempfile.TemporaryDirectory() as folder:
        fleet = Fleet(folder, circuits)
        if not luigi.build([fleet], local_scheduler=True, workers=1, log_level="ERROR"):
            raise RuntimeError("Luigi did not finish the fleet")
        return sum(read(target) for target in fleet.input())


if __name__ == "__main__":
    report(run)
