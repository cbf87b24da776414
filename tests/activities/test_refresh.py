"""New cutoff dates: one commit for all circuits that are due, and none the second time."""

import pytest

from activities.refresh import refresh_cutoffs
from busbar.domain.circuits import CircuitKey
from busbar.domain.errors import Conflict
from busbar.domain.merges import MergeRecord
from busbar.domain.policies import Stage
from busbar.domain.steps import Refreshed, RefreshRun
from busbar.fleet.repository import fleet_at
from tests.activities.bench import CIRC1, CIRC2, COMMIT, FILES, Bench, serving
from tests.fakes import FakeRepository

CIRCUITS = "config/circuits.yaml"
DAILY = RefreshRun(Stage.DEV, "2026-01-20T02:00:00+00:00")


@pytest.fixture(autouse=True)
def noon(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("activities.refresh.now", lambda: "2026-02-01T12:00:00+00:00")


def merged(
    bench: Bench, latest: dict[CircuitKey, str], at: str = "2026-01-20T00:00:00+00:00", error: str = ""
) -> None:
    told = {str(key): newest for key, newest in latest.items()}
    bench.records.save_merge(MergeRecord(f"merge-{at}", "run", COMMIT, at, error, latest=told))


def cutoffs(bench: Bench, commit: str | None) -> dict[str, str]:
    assert commit
    return {str(one.key): one.cutoff_date.isoformat() for one in fleet_at(bench.repository, commit).circuits}


def test_readings_much_newer_than_the_cutoff_date_move_it_in_one_commit(bench: Bench):
    merged(bench, {CIRC1: "2026-01-19T23:00:00+00:00", CIRC2: "2026-01-09T12:00:00+00:00"})
    done = bench.run(refresh_cutoffs, RefreshRun())
    assert done.circuits == (CIRC1,)
    assert done.sentence == "Move the cutoff date of PLANT1/CIRC1: readings are more than 30 days newer"
    assert bench.repository.branches["develop"] == done.commit
    after = cutoffs(bench, done.commit)
    assert (after["PLANT1/CIRC1"], after["PLANT1/CIRC2"]) == ("2026-01-19", "2025-12-09")
    before, now = (FILES[CIRCUITS].decode(), bench.repository.file(CIRCUITS, "develop").decode())
    assert now == before.replace("2025-12-09", "2026-01-19", 1)


def test_circuits_that_were_asked_for_and_have_moved_are_told_as_moved(bench: Bench):
    """A host that dies after its commit: what was approved is done, and counts as done."""
    merged(bench, {CIRC1: "2026-01-19T23:00:00+00:00"})
    asked = RefreshRun(circuits=(CIRC1, CIRC2), cause="it drifts")
    first = bench.run(refresh_cutoffs, asked)
    again = bench.run(refresh_cutoffs, asked)
    assert (again.commit, again.circuits) == (first.commit, (CIRC1,))
    assert again.sentence == "PLANT1/CIRC1: at the newest cutoff date already"


def test_a_second_time_nothing_is_due(bench: Bench):
    merged(bench, {CIRC1: "2026-01-19T23:00:00+00:00"})
    first = bench.run(refresh_cutoffs, RefreshRun())
    again = bench.run(refresh_cutoffs, RefreshRun())
    assert again == Refreshed("no circuit has readings new enough for another cutoff date")
    assert bench.repository.branches["develop"] == first.commit
    assert [entry.sentence for entry in bench.audit.entries()] == [first.sentence]


def test_a_schedule_moves_all_circuits_of_dev(bench: Bench):
    merged(bench, {CIRC1: "2025-12-11T23:00:00+00:00", CIRC2: "2025-12-12T23:00:00+00:00"})
    done = bench.run(refresh_cutoffs, DAILY)
    assert done.circuits == (CIRC1, CIRC2)
    assert done.sentence == (
        "Move the cutoff dates of 2 circuits (PLANT1/CIRC1, PLANT1/CIRC2): the schedule of dev is due"
    )
    after = cutoffs(bench, done.commit)
    assert (after["PLANT1/CIRC1"], after["PLANT1/CIRC2"]) == ("2025-12-11", "2025-12-12")


def test_a_schedule_of_prod_moves_what_prod_serves(bench: Bench):
    line = '  # prod: {every: week, on: sunday, at: "03:00"}               # the circuits that prod serves'
    bench.repository.branches["develop"] = bench.edit(
        "config/pipeline.yaml", line, line.replace("# ", "", 1)
    ).commit
    merged(bench, {CIRC1: "2026-01-19T23:00:00+00:00", CIRC2: "2026-01-19T23:00:00+00:00"})
    bench.records.save_deployment(serving(CIRC2, Stage.PROD))
    assert bench.run(refresh_cutoffs, RefreshRun(Stage.PROD, "x")).circuits == (CIRC2,)


def test_a_stage_without_a_schedule_moves_nothing(bench: Bench):
    merged(bench, {CIRC1: "2026-01-19T23:00:00+00:00"})
    assert bench.run(refresh_cutoffs, RefreshRun(Stage.TEST, "x")).commit is None


def test_a_sensors_clock_that_runs_ahead_does_not_take_the_cutoff_date_along(bench: Bench):
    merged(bench, {CIRC1: "2031-01-01T00:00:00+00:00"})
    done = bench.run(refresh_cutoffs, RefreshRun())
    assert cutoffs(bench, done.commit)["PLANT1/CIRC1"] == "2026-01-31"


def test_the_last_merge_that_went_well_counts(bench: Bench):
    merged(bench, {CIRC1: "2026-01-19T23:00:00+00:00"})
    merged(bench, {}, at="2026-01-21T00:00:00+00:00", error="no space left")
    assert bench.run(refresh_cutoffs, RefreshRun()).circuits == (CIRC1,)


def test_without_a_merge_nothing_is_due(bench: Bench):
    assert bench.run(refresh_cutoffs, DAILY).commit is None


def test_somebody_else_changing_the_file_at_once_is_a_conflict(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    merged(bench, {CIRC1: "2026-01-19T23:00:00+00:00"})
    real = FakeRepository.commit_file

    def overtaken(self: FakeRepository, path: str, branch: str, *args: str, **named: bytes) -> str:
        real(self, path, branch, FILES[path] + b"# theirs\n", "theirs")
        return real(self, path, branch, *args, **named)  # type: ignore[arg-type] - as the caller gave them

    with monkeypatch.context() as patch:
        patch.setattr(FakeRepository, "commit_file", overtaken)
        with pytest.raises(Conflict):
            bench.run(refresh_cutoffs, RefreshRun())
    done = bench.run(refresh_cutoffs, RefreshRun())
    assert done.commit
    assert bench.repository.file(CIRCUITS, done.commit).endswith(b"# theirs\n")


def test_a_fleet_without_a_branch_that_trains_has_nothing_to_move(bench: Bench):
    merged(bench, {CIRC1: "2026-01-19T23:00:00+00:00"})
    del bench.repository.branches["develop"]
    assert bench.run(refresh_cutoffs, RefreshRun()).commit is None
    bench.repository.branches.clear()
    assert (
        bench.run(refresh_cutoffs, RefreshRun()).sentence == "no branch trains yet, so no cutoff date moves"
    )
