"""Notes: runs, commit statuses, release sets; and mails that ask for nothing."""

from dataclasses import replace

import pytest

from activities.notifications import notify_long_running, notify_release_ended, notify_run_ended
from activities.records import note_commit, note_run, offer_release
from activities.releases import compose_release, open_release
from busbar.domain.circuits import CircuitKey
from busbar.domain.policies import Policies, Stage
from busbar.domain.records import Offer, RunRecord, RunStatus
from busbar.domain.release_record import Held, Leg, Origin, Place, ReleaseStatus
from busbar.domain.steps import (
    CircuitOutcome,
    CommitNote,
    JobRef,
    Journey,
    LongRunning,
    Release,
    ReleaseRequest,
    RunNote,
    StageDeployment,
    TrainingRun,
)
from busbar.domain.training import Verdict
from tests.activities.bench import ASSETS, CIRC1, CIRC2, CIRC3, COMMIT, RUN, Bench, pin
from tests.fakes import NOON, StatusSet

FAILED = CircuitOutcome(CIRC3, Verdict.QUARANTINED, "out of memory")


def outcome(key: CircuitKey, version: str = "1") -> CircuitOutcome:
    return CircuitOutcome(key, Verdict.TRAINED, "passed", pin(key, version))


def composed(bench: Bench, *outcomes: CircuitOutcome, run: TrainingRun = RUN) -> Release:
    return bench.run(compose_release, ReleaseRequest(run, ASSETS, outcomes))


def test_a_release_holds_the_pins_of_what_was_trained(bench: Bench):
    release = composed(bench, outcome(CIRC2), FAILED, outcome(CIRC1))
    stored = bench.records.release(release.id)
    assert stored
    assert [item.key for item in stored.pins] == [CIRC2, CIRC1]
    assert release == Release(stored.id, COMMIT, RUN.requester, (CIRC1, CIRC2), bench.policies())


def test_a_releases_id_is_its_content(bench: Bench):
    same = {
        composed(bench, outcome(CIRC1), outcome(CIRC2)).id,
        composed(bench, outcome(CIRC2), FAILED, outcome(CIRC1)).id,
    }
    others = {
        composed(bench, outcome(CIRC1)).id,
        composed(bench, outcome(CIRC1, "2"), outcome(CIRC2)).id,
        composed(bench, outcome(CIRC1), outcome(CIRC2), run=replace(RUN, requester="somebody")).id,
    }
    assert (len(same), len(others), same & others) == (1, 3, set())
    assert len(bench.records.releases()) == 4


def test_a_release_is_offered_to_its_stage(bench: Bench):
    release = bench.release(pin(), policies=Policies())
    bench.run(offer_release, StageDeployment(Stage.TEST, release))
    assert bench.records.latest_offer(Stage.TEST) == Offer(release.id)
    assert bench.records.latest_offer(Stage.PROD) is None


def test_a_run_has_one_line_that_says_where_it_stands(bench: Bench):
    for status, sentence in ((RunStatus.RUNNING, "reading"), (RunStatus.COMPLETED, "done")):
        bench.run(note_run, RunNote(RUN, status, sentence, "r-1"))
    line = RunRecord(RUN.id, COMMIT, "develop", "data-scientist", RunStatus.COMPLETED, "done", NOON, "r-1")
    assert bench.records.runs() == [line]


def test_a_commits_status_leads_to_its_run(bench: Bench):
    bench.run(note_commit, CommitNote(COMMIT, "failure", "wrong", RUN.id))
    url = f"https://busbar.example.com/runs/{RUN.id}"
    assert bench.repository.statuses == [StatusSet(COMMIT, "failure", "wrong", "busbar/training", url)]


@pytest.mark.parametrize(
    ("owner", "key", "told"),
    [
        ("data-scientist", CIRC1, ["data-scientist"]),
        ("data-scientist", CircuitKey("PLANT2", "CIRC2"), ["senior-engineer"]),
        (None, CIRC1, ["ml-lead", "ml-lead-deputy"]),
        ("data-scientist", CircuitKey("PLANT9", "CIRC9"), ["ml-lead", "ml-lead-deputy"]),
    ],
    ids=["the default owner", "a circuit's own", "nobody: who may promote", "removed meanwhile"],
)
def test_a_long_running_job_is_told_to_the_owner(
    bench: Bench, owner: str | None, key: CircuitKey, told: list[str]
):
    run = RUN if owner else bench.edit("config/circuits.yaml", "  owner: data-scientist", "  # nobody's")
    bench.run(notify_long_running, LongRunning(JobRef(Stage.DEV, "job-a1"), run.commit, key, 4.0))
    assert [mail.to for mail in bench.mail.sent.values()] == [f"{login}@example.com" for login in told]
    assert all(
        str(key) in mail.subject + mail.text and "job-a1" in mail.text for mail in bench.mail.sent.values()
    )


def test_another_job_is_another_mail(bench: Bench):
    for job in ("job-a1", "job-a2", "job-a1"):
        bench.run(notify_long_running, LongRunning(JobRef(Stage.DEV, job), COMMIT, CIRC1, 4.0))
    assert len(bench.mail.sent) == 2


def test_the_requester_hears_once_how_the_run_ended(bench: Bench):
    note = RunNote(RUN, RunStatus.FAILED, "the run broke off")
    bench.run(note_run, note)
    for _ in range(2):
        bench.run(notify_run_ended, note)
    [mail] = bench.mail.sent.values()
    assert mail.to == f"{RUN.requester}@example.com"
    assert "the run broke off" in mail.text


def test_a_run_that_had_nothing_to_train_and_an_unknown_requester_are_no_mail(bench: Bench):
    idle = RunNote(RUN, RunStatus.COMPLETED, "0 of 6 circuits to train")
    stranger = RunNote(replace(RUN, requester="operator"), RunStatus.FAILED, "broke off")
    for note in (idle, stranger):
        bench.run(note_run, note)
        bench.run(notify_run_ended, note)
    assert not bench.mail.sent


def test_whoever_composed_a_release_set_hears_once_how_it_ended_and_what_stayed_behind(bench: Bench):
    release = bench.release(pin(CIRC1), pin(CIRC2))
    bench.run(open_release, Journey(release, Origin.HAND))
    held = Held(CIRC2, "max_mae failed: 6 (limit ≤ 5)")
    bench.releases.update(
        release.id, lambda record: record.after(Leg(Place.TEST, "1 of 2", NOON, (CIRC1,), (held,)))
    )
    for sentence in ("1 of 2 circuits deployed", "1 of 2 circuits deployed", "all of it deployed"):
        bench.releases.update(
            release.id,
            lambda record, said=sentence: replace(record, status=ReleaseStatus.RELEASED, sentence=said),
        )
        bench.run(notify_release_ended, release)
    first, second = bench.mail.sent.values()
    assert first.to == f"{release.requester}@example.com"
    assert f"release set {release.id} released: 1 of 2 circuits deployed" in first.subject
    assert "PLANT1/CIRC2, test: max_mae failed: 6 (limit ≤ 5)" in first.text
    assert f"https://busbar.example.com/releases/{release.id}" in first.html
    assert "all of it deployed" in second.text
