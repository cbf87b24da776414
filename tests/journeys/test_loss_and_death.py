"""A push that nobody announced, and the death of everything while it trains."""

from collections import Counter

from busbar.domain import names
from busbar.domain.policies import Stage
from tests.journeys import people
from tests.journeys.fleet import FIRST, SECOND
from tests.journeys.stack import Stack
from tests.journeys.steps import Resumed, Trained


def test_a_lost_push_is_found(resumed: Resumed) -> None:
    assert (resumed.delivery["status"], resumed.delivery["attempts"]) == ("dropped", 0)
    run = resumed.snapshot.run(names.training_run(resumed.commit))
    assert run is not None
    assert run.requester == "reconciler"


def test_exactly_the_changed_circuit_trains_again(stack: Stack, trained: Trained, resumed: Resumed) -> None:
    (job,) = resumed.jobs - resumed.jobs_before
    assert job.startswith("train-PLANT1-CIRC2-")
    assert job.endswith("-a1")
    assert stack.workspace(Stage.DEV).jobs.get(job).status == "Completed"
    runs = {key: one.record.run for key, one in resumed.snapshot.circuits.items()}
    assert runs == {FIRST: trained.run, SECOND: names.training_run(resumed.commit)}
    assert resumed.snapshot.circuits[SECOND].record.cutoff_date == "2025-12-08"


def test_after_a_kill_each_model_is_registered_once(stack: Stack, trained: Trained, resumed: Resumed) -> None:
    assert resumed.survivors == []
    assert list(stack.models(FIRST)) == ["1"]
    second = stack.models(SECOND)
    assert sorted(second) == ["1", "2"]
    assert second["1"]["job"] == trained.job(SECOND)
    assert second["2"]["job"] == resumed.snapshot.circuits[SECOND].record.job


def test_after_a_kill_no_mail_is_sent_twice(stack: Stack, resumed: Resumed) -> None:
    sent = Counter((mail["to"][0], mail["subject"]) for mail in people.mails(stack))
    assert [one for one, times in sent.items() if times > 1] == []
