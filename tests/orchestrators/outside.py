"""What goes on outside a host, whether it is up or not: people vote, Azure ends jobs and brings deployments up."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from busbar import audited
from busbar.domain.approval import Choice, Dossier, Vote, instant, voters
from busbar.domain.events import JobChanged, JobStatus
from busbar.domain.policies import Stage
from busbar.domain.routing import Wake, route_job
from busbar.durable import VOTED
from localazure.task_hub.clock import ManualClock
from tests.activities.bench import Bench
from tests.domain.drifts import finding, report
from tests.fakes import NOON, FakeMachineLearning

START = datetime.fromisoformat(NOON)

METRICS = {
    "metrics": {"mae": 1.0, "rmse": 2.0, "accuracy": 0.9},
    "standardised": {"mse": 0.3},
    "baselines": {"seasonal_naive": {"mse": 0.5}},
    "skill": {"seasonal_naive": 0.4},
}
MERGED = {
    "merged_at": NOON,
    "files": {"found": 1, "read": 1},
    "rows_read": 1,
    "merged": {"inserted": 1, "updated": 0, "unchanged": 0, "duplicates": 0},
    "quarantined": {"total": 0, "reasons": {}},
    "problems": [],
    "drift": [],
    "sensors": {},
    "delta_version": {"before": 0, "after": 1},
    "seconds": 1.0,
    "latest": {"PLANT1/CIRC1": "2025-12-09T11:00:00+00:00"},
}


JUDGED = [report(finding("data drift"))]


ITEM = {
    "compared": 24,
    "differently_read": 0,
    "one_sided": 0,
    "max_difference": 0.0,
    "latency_ms": {"p95": 1.0},
}
COMPARED = {"models": [ITEM | {"plant_id": "PLANT1", "circuit_id": f"CIRC{number}", "model_version": "1",
                               "failed_rows": 0} for number in (1, 2)]}  # fmt: skip


CAUGHT_UP = [
    {"plant_id": "PLANT1", "circuit_id": "CIRC1", "score_date": day, "problem": None, "rows": 24}
    for day in ("2025-12-08", "2025-12-07")
]


def scored(*, windows: int = 24, failed_rows: int = 0) -> Mapping[str, object]:
    """What a scoring job says of itself: by default all is well."""
    return {
        "rows": 24,
        "failed_rows": failed_rows,
        "windows": {"available": 24, "scored": 24},
        "latency_ms": {"p95": 1.0},
        "error": {"mse": 0.3, "seasonal_naive_mse": 0.5, "windows": windows},
    }


Summaries = Callable[[str], Mapping[str, object]]
"""What a scoring job of a name says of itself."""


def all_well(job: str) -> Mapping[str, object]:
    return scored()


@dataclass
class SlowMachineLearning(FakeMachineLearning):
    """Deployments take their time to stand."""

    def create_deployment(
        self,
        stage: Stage,
        endpoint: str,
        deployment: str,
        component: str,
        compute: str,
        tags: Mapping[str, str],
    ) -> None:
        known = self.deployments.get((stage, endpoint, deployment))
        super().create_deployment(stage, endpoint, deployment, component, compute, tags)
        if known is None:
            made = self.deployments[stage, endpoint, deployment]
            self.deployments[stage, endpoint, deployment] = replace(made, ready=False)


@dataclass
class Outside:
    """People approve what they are asked, unless nobody `votes`; jobs end well, unless none `ends`."""

    bench: Bench
    clock: ManualClock
    votes: bool = True
    ends: bool = True
    summary: Summaries = all_well

    def happens(self) -> list[Wake]:
        """Everything that waits for somebody else is done; the events that tell of it."""
        self._bring_deployments_up()
        decided = self._vote() if self.votes else []
        return [*decided, *(self._end_jobs() if self.ends else [])]

    @property
    def now(self) -> datetime:
        return datetime.fromtimestamp(self.clock.now(), UTC)

    def _bring_deployments_up(self) -> None:
        deployments = self.bench.ml.deployments
        deployments |= {key: replace(state, ready=True) for key, state in deployments.items()}

    def _vote(self) -> list[Wake]:
        open_ = [one for one in self.bench.approvals.open() if one.verdict is None]
        askable = [one for one in open_ if self.now < instant(one.request.expires_at)]
        return [Wake(one.request.id, VOTED) for one in askable if self._decide(one)]

    def _decide(self, dossier: Dossier) -> bool:
        """All who are asked approve, one after the other, until it is decided."""
        request, at = dossier.request, self.now.isoformat()
        for person in voters(request, at):
            vote = Vote(request.id, person.object_id, person.login, Choice.APPROVE, "", (), at)
            after = self.bench.approvals.cast(vote)
            audited.voted(request, vote, self.bench.audit)
            if after.verdict:
                return True
        return False

    def _end_jobs(self) -> list[Wake]:
        running = [key for key, job in self.bench.ml.jobs.items() if not job.state.status.finished]
        return [wake for place, name in running if (wake := self._end(place, name))]

    def _end(self, place: str, name: str) -> Wake | None:
        ml = self.bench.ml
        written: dict[str, object] = {"metrics.json": METRICS, "summary.json": self.summary(name)}
        written |= {"report.json": MERGED, "reports.json": JUDGED}
        written |= {"summaries.json": CAUGHT_UP}
        written |= {"before.json": COMPARED, "after.json": COMPARED}
        for file, content in written.items():
            ml.write_file(Stage(place), f"jobs/{name}/{file}", json.dumps(content).encode())
        ml.write_file(Stage(place), f"jobs/{name}/evidence.html", b"<html>")
        ml.ended(place, name)
        tags = ml.jobs[place, name].state.tags
        route = route_job(JobChanged(name, JobStatus.COMPLETED, tags.get("orchestration_id")))
        return route if isinstance(route, Wake) else None
