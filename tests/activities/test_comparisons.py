"""What a release changes in its circuits' configuration, for those who decide on it."""

from dataclasses import replace

import pytest

from activities.approvals import ask_approvers
from activities.questions import release_question
from busbar.domain.changes import ConfigChange
from busbar.domain.policies import GateName, Stage
from busbar.domain.release import ReleaseSet
from busbar.domain.steps import Release, ReleaseQuestion
from tests.activities.bench import CIRC1, CIRC2, COMMIT, ENVIRONMENT, NEXT, RUN, Bench, pin, serving

CIRCUITS = "config/circuits.yaml"


def shown(
    bench: Bench, release: Release, gate: GateName = GateName.PROD_DEPLOYMENT
) -> tuple[ConfigChange, ...]:
    """What the page of the release's question will say."""
    question = bench.run(release_question, ReleaseQuestion(release, gate))
    bench.run(ask_approvers, question)
    found = bench.approvals.changes(question.id)
    assert found is not None
    return found


def moved_on(bench: Bench) -> Release:
    """A release of a commit that moved the first cutoff date."""
    last_day = "cutoff_date: 2025-12-09                                      # the last day"
    run = bench.edit(CIRCUITS, last_day, "cutoff_date: 2026-02-01  # the last day")
    stored = ReleaseSet(run.id, run.commit, run.requester, (pin(CIRC1), pin(CIRC2)), ENVIRONMENT)
    bench.records.save_release(stored)
    return Release(stored.id, run.commit, run.requester, (CIRC1, CIRC2), bench.policies())


def served(bench: Bench, stage: Stage = Stage.PROD, release_id: str | None = None) -> None:
    """What serves came with a release of the first commit."""
    before = release_id or bench.release(pin(CIRC1, "7"), pin(CIRC2, "7")).id
    for key in (CIRC1, CIRC2):
        bench.records.save_deployment(replace(serving(key, stage, "7"), release_id=before))


def test_what_changed_since_what_serves_is_said_by_circuit(bench: Bench):
    served(bench)
    first, second = shown(bench, moved_on(bench))
    assert (first.key, first.changed) == (CIRC1, True)
    assert first.sentence == "cutoff_date 2025-12-09 → 2026-02-01"
    assert second == ConfigChange(CIRC2, f"v7 in prod, of commit {COMMIT[:8]}", "unchanged", False)


def test_the_registrys_champion_is_what_prod_serves_or_else_test(bench: Bench):
    served(bench, Stage.TEST)
    assert shown(bench, moved_on(bench), GateName.REGISTRY_PROMOTION)[1].serves.startswith("v7 in test")
    served(bench, Stage.PROD)
    release = moved_on(bench).less((CIRC1,))
    (only,) = shown(bench, release, GateName.REGISTRY_PROMOTION)
    assert (only.key, only.serves) == (CIRC2, f"v7 in prod, of commit {COMMIT[:8]}")


@pytest.mark.parametrize(
    ("release_id", "sentence"),
    [(None, "nothing serves this circuit yet"), ("r-lost", "its commit is not on record")],
)
def test_a_circuit_without_a_champion_says_so(bench: Bench, release_id: str | None, sentence: str):
    if release_id:
        served(bench, release_id=release_id)
    assert [one.sentence for one in shown(bench, moved_on(bench))] == [sentence] * 2


def test_a_champions_commit_that_cannot_be_read_stops_nobody_from_being_asked(bench: Bench):
    served(bench)
    release = moved_on(bench)
    bench.repository.commits[COMMIT] = {"config/circuits.yaml": b"circuits: 7"}
    (first, _) = shown(bench, release)
    assert first.sentence.startswith("config/ at that commit cannot be read: config/circuits.yaml:1")
    assert release.commit == NEXT
    assert RUN.commit == COMMIT


def test_what_was_shown_first_stays(bench: Bench):
    release = moved_on(bench)
    question = bench.run(release_question, ReleaseQuestion(release, GateName.PROD_DEPLOYMENT))
    bench.run(ask_approvers, question)
    before = bench.approvals.changes(question.id)
    served(bench)
    bench.run(ask_approvers, question)
    assert bench.approvals.changes(question.id) == before
