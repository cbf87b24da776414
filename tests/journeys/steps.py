"""The steps of the journey: each acts and notes what it saw; the tests judge."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil

from busbar.api import DriftState, Snapshot
from busbar.domain import names
from busbar.domain.circuits import CircuitKey
from busbar.domain.policies import GateName, Stage
from busbar.domain.records import RunRecord, RunStatus
from demo.fleet import fleet_files
from demo.git import Clone
from demo.uploads import upload
from localazure.leftovers import is_alive
from tests.journeys import events, people
from tests.journeys.fleet import Files, Fleet, make_plants
from tests.journeys.stack import STEP_SECONDS, Stack

RELEASE = "Promote to the registry"


def found(stack: Stack, folder: Path) -> Fleet:
    """The repository's scaffold is on main, and the plant's raw file in the raw container."""
    plants = make_plants(folder / "plants")
    clone = Clone.open(folder / "clone", stack.remote)
    clone.switch("main")
    clone.commit(fleet_files([]), "Start the fleet's repository")
    clone.push("main")
    clone.switch("develop", "main")
    upload(plants, stack.environment)
    return Fleet(clone, plants)


@dataclass(frozen=True)
class Trained:
    """The first run, seen when its models were trained and nobody had been asked about them yet."""

    commit: str
    merge: dict[str, Any]
    snapshot: Snapshot
    status: tuple[str, str] | None

    @property
    def run(self) -> str:
        return names.training_run(self.commit)

    def job(self, key: CircuitKey) -> str:
        return self.snapshot.circuits[key].record.job or ""


def train(stack: Stack, fleet: Fleet) -> Trained:
    """The first push to develop, up to the question about its models; the environment is approved last."""
    commit = fleet.commit(fleet.files, "Forecast two circuits")
    fleet.clone.push("import/first", commit)  # a branch that starts nothing
    merge = stack.finished(stack.api.merge(commit))
    fleet.clone.push("develop", commit)
    run_at(stack, commit, RunStatus.WAITING)
    snapshot = stack.snapshot()
    environment = people.question(stack, GateName.REGISTRY_PROMOTION, "environment")
    assert people.links(stack, environment)[0].approve() == 200
    people.question(stack, GateName.REGISTRY_PROMOTION, RELEASE)
    return Trained(commit, merge, snapshot, stack.status(commit))


@dataclass(frozen=True)
class Approved:
    """What the links answered, by what was done with them, and what was seen in between."""

    answers: dict[str, int]
    seen: dict[str, Snapshot]
    asked: dict[str, list[str]]
    run: RunRecord


def approve(stack: Stack, trained: Trained) -> Approved:
    """The release through registry, test and prod, by the links in the mails."""
    answers: dict[str, int] = {}
    seen: dict[str, Snapshot] = {}

    lead, deputy = registry = people.asked(stack, GateName.REGISTRY_PROMOTION, RELEASE)
    answers["look"] = lead.look().status_code
    answers["look again"] = lead.look().status_code
    answers["tampered form"] = lead.approve(csrf="0" * 64)
    answers["no form"] = lead.post({"choice": "approve"})
    answers["broken link"] = people.Link("nobody", "", lead.url[:-1] + "~").look().status_code
    seen["looked at"] = stack.snapshot()
    form = lead.form()
    answers["approve"] = lead.post(form)
    answers["used link"] = lead.post(form)
    answers["the deputy's link, decided"] = deputy.post(form)

    test = people.asked(stack, GateName.TEST_DEPLOYMENT)
    seen["before test"] = stack.snapshot()
    answers["approve test"] = test[0].approve()

    platform, senior, *_ = prod = people.asked(stack, GateName.PROD_DEPLOYMENT)
    form = platform.form()
    answers["first for prod"] = platform.post(form)
    answers["the same person again"] = platform.post(form)
    seen["one vote for prod"] = stack.snapshot()
    answers["second for prod"] = senior.approve()
    run = run_at(stack, trained.commit, RunStatus.COMPLETED)
    asked = {"registry": registry, "test": test, "prod": prod}
    return Approved(
        answers, seen, {gate: [one.person for one in links] for gate, links in asked.items()}, run
    )


@dataclass(frozen=True)
class Scored:
    """Two daily runs over the same day and the one missed before it: what each came to for either day, the forecasts on
    record after it, what the last said of its looks, and the jobs that scored a missed day of many circuits.
    """

    newest: list[Any]
    missed: list[Any]
    rows: list[list[dict[str, Any]]]
    said: str
    jobs: set[str]


def score_twice(stack: Stack, fleet: Fleet, folder: Path) -> Scored:
    """The last two full days of what prod serves, and the same once more."""
    day = fleet.plants[0].cutoff_date
    newest, missed, rows, said = list[Any](), list[Any](), list[list[dict[str, Any]]](), ""
    for copy in ("first", "second"):
        run = stack.api.score(Stage.PROD, day.isoformat(), (day - timedelta(days=1)).isoformat())
        said = stack.finished(run)
        newest.append(stack.finished(run.replace("daily-", "score-")))
        missed.append(stack.finished(run.replace("daily-", "catch-up-")))
        rows.append(_forecasts(stack, folder / copy))
    jobs = {job for job in stack.jobs() if names.catches_up(job)}
    return Scored(newest, missed, rows, said, jobs)


@dataclass(frozen=True)
class Looked:
    """The look at the newest day that was scored: what the run says of it, and what is on record after it."""

    said: str
    state: DriftState


def look(stack: Stack, scored: Scored) -> Looked:
    """The forecasts checked, errors measured and drift judged, by the components themselves."""
    return Looked(scored.said, stack.api.drift(Stage.PROD))


@dataclass(frozen=True)
class Refused:
    """Pushes with mistakes: their statuses and files by mistake; jobs before and after all of them."""

    statuses: dict[str, tuple[str, str]]
    files: dict[str, Files]
    before: set[str]
    after: set[str]


def refuse(stack: Stack, fleet: Fleet, files: dict[str, Files]) -> Refused:
    """One push after the other, each with one mistake; `files` by the mistake's name."""
    before = stack.jobs()
    commits = {name: fleet.push(content, f"Make a mistake: {name}") for name, content in files.items()}
    statuses = {
        name: stack.until(f"the status of {name}", lambda commit=commit: stack.status(commit), 60)
        for name, commit in commits.items()
    }
    return Refused(statuses, files, before, stack.jobs())


@dataclass(frozen=True)
class Resumed:
    """A push without its webhook, trained by way of the timer and through the death of everything."""

    commit: str
    delivery: dict[str, Any]
    survivors: list[psutil.Process]
    jobs: set[str]
    jobs_before: set[str]
    snapshot: Snapshot


def resume(stack: Stack, fleet: Fleet) -> Resumed:
    """One circuit's cutoff date moves; nobody is told; the timer finds it; all is killed while it trains."""
    before = stack.jobs()
    stack.pages.post("/admin/git/webhooks", json={"enabled": False}).raise_for_status()
    commit = fleet.push(fleet.moved, "End a circuit's training data a day earlier")
    delivery = stack.until("the push to be noticed", lambda: events.delivery_of(stack, commit))
    stack.pages.post("/admin/git/webhooks", json={"enabled": True}).raise_for_status()
    stack.functions.post("/admin/functions/find_lost_pushes", json={}).raise_for_status()
    stack.until("the training to run", lambda: any("train.py" in command for command in stack.commands()))
    survivors = [process for process in stack.kill() if is_alive(process)]
    stack.up()
    run_at(stack, commit, RunStatus.WAITING)
    people.asked(stack, GateName.REGISTRY_PROMOTION, RELEASE)
    stack.settled()
    return Resumed(commit, delivery, survivors, stack.jobs(), before, stack.snapshot())


def run_at(stack: Stack, commit: str, status: RunStatus, seconds: float = STEP_SECONDS) -> RunRecord:
    """Wait until the commit's run stands at `status`; a run that ended otherwise fails at once."""
    run_id = names.training_run(commit)

    def there() -> RunRecord | None:
        run = stack.snapshot().run(run_id)
        if run is None:
            return None
        assert run.status == status or not run.status.ended, f"{run.status}: {run.sentence}"
        return run if run.status == status else None

    return stack.until(f"{run_id} to be {status}", there, seconds)


def _forecasts(stack: Stack, folder: Path) -> list[dict[str, Any]]:
    from deltalake import DeltaTable, QueryBuilder

    table = DeltaTable(stack.download("predictions", "forecasts", folder))
    read = QueryBuilder().register("forecasts", table).execute("select * from forecasts").read_all()
    return list(read.to_struct_array().to_pylist())
