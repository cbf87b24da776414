"""The journey: raw files in, a push, training, approvals, registry, test, prod, forecasts, and a second push."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console

from busbar.api import ApiError, Snapshot
from busbar.codec import from_wire
from busbar.domain import names
from busbar.domain.circuits import CircuitKey
from busbar.domain.policies import Stage
from busbar.domain.records import RunStatus
from busbar.domain.steps import Merged, ScoringOutcome
from busbar.domain.training import Verdict
from demo.approvers import Approvers
from demo.fleet import REPLACED, digest, fleet_files, one_day_earlier
from demo.git import Clone
from demo.plan import Plant
from demo.progress import Progress, step
from demo.report import print_report
from demo.server import Server
from demo.uploads import upload

LOOK_SECONDS = 1.0
MERGE_SECONDS = 15 * 60.0
RUN_SECONDS = 45 * 60.0
SCORING_SECONDS = 15 * 60.0
PEOPLE_SECONDS = 72 * 3600.0  # with real people the approvals' own expiry ends the wait
FLEET, CHANGE = "Fleet:", "Changes:"


class JourneyError(Exception):
    """Something that was waited for failed or did not come; the message says what, and where to look."""


@dataclass
class Journey:
    """One demonstration on a running local Azure. With `unattended` the approvers are played."""

    console: Console
    server: Server
    plants: Sequence[Plant]
    unattended: bool
    circuits: tuple[CircuitKey, ...] = field(init=False)
    progress: Progress = field(init=False)

    def __post_init__(self) -> None:
        self.circuits = tuple(
            CircuitKey(plant.plant_id, group.circuit_id) for plant in self.plants for group in plant.circuits
        )
        where = f"mailbox {self.server.pages}/mailbox   board {self.server.functions}/"
        self.progress = Progress(self.console, self.circuits, where)
        self._approvers = Approvers(self.server.azure, self.server.environment["SSL_CERT_FILE"])

    def run(self) -> None:
        """Everything, once; what an earlier journey on the same state has done is found done. Raises `JourneyError`."""
        clone = self._push_scaffold()
        with step(self.console, "Raw files into the blob container `raw`"):
            upload(self.plants, self.server.environment)
        first = self._commit_fleet(clone)
        self._merge(clone, first)
        clone.push("develop", first)
        self._follow(first, f"push {first[:8]} to develop")
        self._score()
        self._change_one(clone, first)
        print_report(self.console, self.server.api.snapshot(), self.circuits)

    # ---- git -------------------------------------------------------------------------------------------------

    def _push_scaffold(self) -> Clone:
        """`main` holds the components and a fleet without circuits, so that a first push to develop is all new."""
        remote = Path(self.server.environment["LOCALAZURE_GIT_PLANTS_FLEET"])
        with step(self.console, "The fleet's repository: main"):
            clone = Clone.open(self.server.state / "fleet", remote)
            clone.switch("main")
            clone.commit(fleet_files([]), "Start the fleet's repository", replace=REPLACED)
            clone.push("main")
        return clone

    def _commit_fleet(self, clone: Clone) -> str:
        """The commit with these plants on develop: the one an earlier journey made, or a new one."""
        files = fleet_files(self.plants)
        trailer = f"{FLEET} {digest(files)}"
        clone.switch("develop", "main")
        newest = clone.find("develop", FLEET)
        known = clone.find("develop", trailer)
        if known and known == newest:
            return known
        plants = ", ".join(plant.plant_id for plant in self.plants)
        return clone.commit(
            files, f"Forecast {len(self.circuits)} circuits of {plants}\n\n{trailer}", replace=REPLACED
        )

    def _merge(self, clone: Clone, commit: str) -> None:
        """Merge the raw files as the commit says, before the push that trains on them."""
        clone.push(f"import/{commit[:12]}", commit)  # a branch that starts nothing
        with step(self.console, "ETL: raw files merged into the Delta table of readings"):
            said = self._finish(self.server.api.merge(commit), "the merge", MERGE_SECONDS)
        merged = from_wire(Merged, said)
        if not merged.done:
            raise JourneyError(
                f"the merge of raw files: {merged.sentence}; see the logs in {self.server.logs}"
            )
        self.progress.say(merged.sentence)

    # ---- waiting ---------------------------------------------------------------------------------------------

    def _follow(self, commit: str, heading: str) -> None:
        """Watch a training run to its end: trained, approved, promoted, deployed to test and prod."""
        run_id = names.training_run(commit)
        self.progress.heading, self.progress.run_id = heading, run_id

        def ended(snapshot: Snapshot) -> bool:
            run = snapshot.run(run_id)
            return run is not None and run.status.ended

        done = ended(self.server.api.snapshot())
        self.progress.say(f"{heading} was handled by an earlier run" if done else heading)
        with self.progress:
            snapshot = self._until(ended, heading, RUN_SECONDS)
        run = snapshot.run(run_id)
        if run is None or run.status is not RunStatus.COMPLETED:
            said = f"{run.status}: {run.sentence}" if run else "is not on record"
            raise JourneyError(
                f"run {run_id} {said}; see {self.server.functions}/ and the logs in {self.server.logs}"
            )
        self.progress.say(f"[green]✔[/] {run.sentence}")

    def _score(self) -> None:
        """Forecast from the end of the last full day of data, through prod's batch endpoints."""
        day = max(plant.cutoff_date for plant in self.plants)
        with step(self.console, f"Scoring prod for {day}"):
            said = self._finish(
                self.server.api.score(Stage.PROD, day.isoformat()), "the scoring", SCORING_SECONDS
            )
        current = {plant.plant_id for plant in self.plants if plant.cutoff_date == day}
        outcomes = from_wire(tuple[ScoringOutcome, ...], said)
        for outcome in (outcome for outcome in outcomes if not outcome.done and outcome.key in self.circuits):
            if outcome.key.plant_id in current:
                raise JourneyError(
                    f"{outcome.key} was not forecast: {outcome.sentence}; see {self.server.logs}"
                )
            self.progress.say(f"{outcome.key} has no readings up to {day}: not forecast")
        self.progress.say(f"[green]✔[/] {sum(outcome.done for outcome in outcomes)} circuits forecast")

    def _change_one(self, clone: Clone, first: str) -> None:
        """A second push moves one circuit's cutoff date: exactly that circuit trains again."""
        before = self.server.api.snapshot()
        trailer = f"{CHANGE} {first}"
        known = clone.find("develop", trailer)
        key = self._changed(clone, known) if known else self._first_trained(before)
        if key is None:
            self.progress.say("no circuit was trained: nothing to change")
            return
        if known is None:
            plants = one_day_earlier(self.plants, key.plant_id, key.circuit_id)
            message = f"End {key}'s training data a day earlier\n\n{trailer}\nCircuit: {key}"
            known = clone.commit(fleet_files(plants), message, replace=REPLACED)
        clone.push("develop", known)
        self._follow(known, f"push {known[:8]} to develop: {key} changed")
        self._check_retrained(names.training_run(known), key)

    def _changed(self, clone: Clone, commit: str) -> CircuitKey:
        return CircuitKey.parse(clone.git("log", "-1", "--format=%(trailers:key=Circuit,valueonly)", commit))

    def _first_trained(self, snapshot: Snapshot) -> CircuitKey | None:
        return next(
            (
                key
                for key in self.circuits
                if key in snapshot.circuits and snapshot.circuits[key].record.verdict is Verdict.TRAINED
            ),
            None,
        )

    def _check_retrained(self, run_id: str, changed: CircuitKey) -> None:
        states = self.server.api.snapshot().circuits
        retrained = [key for key in self.circuits if key in states and states[key].record.run == run_id]
        if retrained != [changed]:
            trained = ", ".join(map(str, retrained)) or "none"
            raise JourneyError(f"the push changed {changed}; trained: {trained}")
        others = len(self.circuits) - 1
        self.progress.say(
            f"[green]✔[/] exactly {changed} trained again; the other {others} kept their models"
        )

    def _finish(self, instance_id: str, what: str, seconds: float) -> Any:
        """Wait for an orchestration and give what it returned; raises `JourneyError` with its error."""
        instance = self.server.api.instance(instance_id)
        deadline = time.monotonic() + seconds
        while not instance.finished:
            if time.monotonic() > deadline:
                raise JourneyError(
                    f"{what} ({instance_id}) is not done after {seconds:.0f} s: see {self.server.logs}"
                )
            time.sleep(LOOK_SECONDS)
            instance = self._patiently(lambda: self.server.api.instance(instance_id))
        if instance.status != "Completed":
            raise JourneyError(
                f"{what} ({instance_id}) {instance.status}: {instance.output}; see the logs in {self.server.logs}"
            )
        return instance.output

    def _until(self, done: Callable[[Snapshot], bool], what: str, seconds: float) -> Snapshot:
        """Look each second, play the approvers if nobody else does, until `done`."""
        deadline = time.monotonic() + (seconds if self.unattended else PEOPLE_SECONDS)
        while time.monotonic() < deadline:
            snapshot = self._patiently(self.server.api.snapshot)
            self.progress.show(snapshot)
            if done(snapshot):
                return snapshot
            if self.unattended and snapshot.pending:
                for sentence in self._approvers.answer_mail():
                    self.progress.say(sentence)
            time.sleep(LOOK_SECONDS)
        trouble = f" ({self._approvers.trouble})" if self._approvers.trouble else ""
        raise JourneyError(
            f"{what}: not done after {seconds:.0f} s{trouble}; see the logs in {self.server.logs}"
        )

    def _patiently[T](self, ask: Callable[[], T], tries: int = 30) -> T:
        """Ask; a host that is just being restarted is asked again for a while."""
        for attempt in range(tries):
            self.server.check()
            try:
                return ask()
            except ApiError:
                if attempt == tries - 1:
                    raise
                time.sleep(LOOK_SECONDS)
        raise AssertionError("tries is positive")
