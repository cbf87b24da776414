"""Release sets on their way: the index, what is superseded, what a place lacks, how it ended."""

import pytest

from activities.approvals import ask_approvers
from activities.questions import release_question
from activities.releases import (
    end_release,
    lacks,
    less_superseded,
    note_visit,
    open_release,
    supersede_older,
)
from busbar.domain.approval import Outcome
from busbar.domain.errors import NotFound
from busbar.domain.policies import GateName, Stage
from busbar.domain.release import ReleaseSet
from busbar.domain.release_record import Held, Origin, Place, ReleaseRecord, ReleaseStatus
from busbar.domain.steps import (
    Journey,
    JourneyEnd,
    Promotion,
    Release,
    ReleaseEnd,
    ReleaseQuestion,
    Visit,
    Visited,
)
from tests.activities.bench import CIRC1, CIRC2, CIRC3, COMMIT, ENVIRONMENT, Bench, pin, serving

PROD = GateName.PROD_DEPLOYMENT


def on_its_way(bench: Bench, minute: int, *keys: str, origin: Origin = Origin.TRAINING) -> Release:
    """A release set of circuits CIRC…, composed at 12:`minute`."""
    pins = tuple(pin(key, str(minute)) for key in (CIRC1, CIRC2, CIRC3) if key.circuit_id in keys)
    composed = ReleaseSet(f"train-{minute}", COMMIT, "data-scientist", pins, ENVIRONMENT)
    bench.records.save_release(composed)
    bench.releases.add(ReleaseRecord.of(composed, origin, f"2025-12-09T12:{minute:02d}:00.000+00:00"))
    return Release.of(composed, bench.policies())


def asked(bench: Bench, release: Release) -> str:
    """The release set waits at the gate to prod; the request's id."""
    question = bench.run(release_question, ReleaseQuestion(release, PROD))
    bench.run(ask_approvers, question)
    return question.id


def outcome(bench: Bench, request: str) -> Outcome | None:
    dossier = bench.approvals.dossier(request)
    return dossier.verdict.outcome if dossier and dossier.verdict else None


def test_a_release_is_indexed_and_audited_once(bench: Bench):
    release = bench.release(pin(CIRC2), pin(CIRC1))
    for _ in range(2):
        bench.run(open_release, Journey(release, Origin.HAND))
    (record,) = bench.releases.newest(10)
    assert (record.circuits, record.origin, record.open) == ((CIRC1, CIRC2), Origin.HAND, True)
    (entry,) = bench.audit.entries()
    assert entry.sentence == (
        f"data-scientist composed release set {release.id} of models by hand: 2 circuits"
    )


# --- superseded -------------------------------------------------------------------------------------------


def test_a_newer_release_takes_over_and_closes_what_is_asked(bench: Bench):
    older, other = on_its_way(bench, 1, "CIRC1"), on_its_way(bench, 2, "CIRC3")
    waiting, untouched = asked(bench, older), asked(bench, other)
    newer = on_its_way(bench, 3, "CIRC1", "CIRC2")
    assert bench.run(supersede_older, newer) == (waiting,)
    assert (outcome(bench, waiting), outcome(bench, untouched)) == (Outcome.SUPERSEDED, None)
    dossier = bench.approvals.dossier(waiting)
    assert dossier
    assert dossier.verdict
    assert dossier.verdict.sentence == f"superseded: release set {newer.id} pins 1 circuit of it"
    assert bench.run(less_superseded, older).kept == ()
    assert bench.run(less_superseded, newer) == newer


def test_an_older_one_that_looks_later_finds_itself_superseded(bench: Bench):
    older, newer = on_its_way(bench, 1, "CIRC1", "CIRC2"), on_its_way(bench, 2, "CIRC2")
    bench.run(supersede_older, older)
    assert bench.run(less_superseded, older).kept == (CIRC1,)
    assert bench.run(less_superseded, newer).kept == (CIRC2,)


def test_what_is_asked_anew_about_the_rest_stays_open(bench: Bench):
    older = on_its_way(bench, 1, "CIRC1", "CIRC2")
    first = asked(bench, older)
    newer = on_its_way(bench, 2, "CIRC2")
    assert bench.run(supersede_older, newer) == (first,)
    again = asked(bench, bench.run(less_superseded, older))
    assert bench.run(supersede_older, newer) == (first,)
    assert (again != first, outcome(bench, again)) == (True, None)


def test_what_is_decided_and_what_has_ended_stays(bench: Bench):
    older, ended = on_its_way(bench, 1, "CIRC1"), on_its_way(bench, 2, "CIRC1")
    decided = asked(bench, older)
    bench.approvals.conclude(decided)
    bench.run(end_release, ReleaseEnd(ended, JourneyEnd(ReleaseStatus.RELEASED, "done")))
    assert bench.run(supersede_older, on_its_way(bench, 3, "CIRC1")) == ()
    assert outcome(bench, decided) is Outcome.EXPIRED
    assert bench.run(less_superseded, ended) == ended


def test_a_release_that_is_not_in_the_index_cannot_supersede(bench: Bench):
    with pytest.raises(NotFound, match="is not in the index"):
        bench.run(supersede_older, bench.release(pin()))


# --- what a place lacks -----------------------------------------------------------------------------------


def test_the_registry_lacks_what_was_never_shared(bench: Bench):
    release = bench.release(pin(CIRC1), pin(CIRC2))
    for shared in (pin(CIRC1), pin(CIRC2)):
        bench.ml.create_model(shared.model_name, shared.model_version, shared.job, {})
    bench.ml.share_model(pin(CIRC1).model_name, "1")
    assert bench.run(lacks, Visit(Place.REGISTRY, release))
    assert not bench.run(lacks, Visit(Place.REGISTRY, release.less((CIRC2,))))


@pytest.mark.parametrize(("version", "lacking"), [("1", False), ("2", True)])
def test_a_stage_lacks_what_it_serves_in_another_version(bench: Bench, version: str, lacking: bool):
    release = bench.release(pin(CIRC1), pin(CIRC2))
    assert bench.run(lacks, Visit(Place.TEST, release))
    bench.records.save_deployment(serving(CIRC1, Stage.TEST))
    bench.records.save_deployment(serving(CIRC2, Stage.TEST, version))
    assert bench.run(lacks, Visit(Place.TEST, release)) is lacking
    assert bench.run(lacks, Visit(Place.PROD, release))


# --- how it fares -----------------------------------------------------------------------------------------


def test_a_visit_is_noted_with_who_stayed_behind_and_why(bench: Bench):
    release = on_its_way(bench, 1, "CIRC1", "CIRC2", "CIRC3")
    left = release.less((CIRC2, CIRC3))
    promotion = Promotion(True, "1 of 3 deployed", left, ((CIRC2, "CIRC2 held back: max_mae"),))
    bench.run(note_visit, Visited(Visit(Place.TEST, release), promotion))
    record = bench.releases.get(release.id)
    leg = record and record.leg(Place.TEST)
    assert leg
    assert (leg.reached, leg.sentence) == ((CIRC1,), "1 of 3 deployed")
    assert leg.held == (Held(CIRC2, "CIRC2 held back: max_mae"), Held(CIRC3, "1 of 3 deployed"))


def test_at_a_place_that_took_nothing_all_stay_behind(bench: Bench):
    release = on_its_way(bench, 1, "CIRC1")
    refused = Promotion(False, "r-1 was not promoted: qa-lead rejected: no", outcome=Outcome.REJECTED)
    bench.run(note_visit, Visited(Visit(Place.REGISTRY, release), refused))
    record = bench.releases.get(release.id)
    leg = record and record.leg(Place.REGISTRY)
    assert leg
    assert (leg.reached, [held.key for held in leg.held]) == ((), [CIRC1])


def test_the_end_is_on_record_and_in_the_audit_log(bench: Bench):
    release = on_its_way(bench, 1, "CIRC1")
    end = ReleaseEnd(release, JourneyEnd(ReleaseStatus.REJECTED, "qa-lead rejected: no"))
    bench.run(end_release, end)
    bench.run(end_release, end)
    record = bench.releases.get(release.id)
    assert record
    assert (record.status, record.sentence) == (ReleaseStatus.REJECTED, "qa-lead rejected: no")
    assert [entry.kind for entry in bench.audit.entries()] == ["release-ended"]
    assert bench.releases.open() == []
