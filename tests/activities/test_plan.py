"""What the commit says, and per circuit whether it trains, with the sentence that says why."""

from dataclasses import replace

import pytest

from activities.plan import decide_training, read_fleet
from busbar.domain.circuits import CircuitKey
from busbar.domain.policies import Policies, Stage, TrainingPolicy
from busbar.domain.records import CircuitRecord
from busbar.domain.steps import DataPinned, PlanRequest, TrainingPlan, TrainingRun
from busbar.domain.training import PinnedData, Verdict, training_hash
from busbar.fleet.repository import fleet_at
from tests.activities.bench import ASSETS, CIRC1, CIRC2, COMMIT, RUN, Bench, serving
from tests.fakes import NOON

CIRCUITS = "config/circuits.yaml"
PIPELINE = "config/pipeline.yaml"
NOWHERE = CircuitKey("PLANT9", "CIRC9")
MOVED = ("cutoff_date: 2025-12-09 ", "cutoff_date: 2025-12-10 ")  # of PLANT1/CIRC1: the line with a comment


def test_a_fleet_is_read_with_all_its_circuits(bench: Bench):
    read = bench.run(read_fleet, RUN)
    assert (read.problems, len(read.circuits)) == ("", 6)
    assert read.policies.training == TrainingPolicy()


def test_circuits_named_by_hand_are_the_only_ones_each_once(bench: Bench):
    named = replace(RUN, named=(CIRC2, CIRC1, CIRC2))
    assert bench.run(read_fleet, named).circuits == (CIRC2, CIRC1)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("cutoff_date: 2025-12-09", "cutoff_date: 2025-13-01", "config/circuits.yaml:22"),
        ("look_back:", "lookback:", "did you mean look_back"),
    ],
)
def test_wrong_configuration_comes_back_as_text(bench: Bench, old: str, new: str, told: str):
    read = bench.run(read_fleet, bench.edit(CIRCUITS, old, new))
    assert told in read.problems
    assert (read.circuits, read.policies) == ((), Policies())


def test_unknown_circuits_named_by_hand_are_told_all(bench: Bench):
    other = CircuitKey("PLANT9", "CIRC8")
    read = bench.run(read_fleet, replace(RUN, named=(NOWHERE, CIRC1, other)))
    assert read.problems == "not in config/circuits.yaml: PLANT9/CIRC9, PLANT9/CIRC8"
    assert read.circuits == ()


# --- the decision -----------------------------------------------------------------------------------------


def hashed(bench: Bench, run: TrainingRun = RUN) -> str:
    circuit = fleet_at(bench.repository, run.commit).circuit(CIRC1)
    assert circuit
    return training_hash(circuit, 3, ASSETS)


def on_record(bench: Bench, verdict: Verdict, training_hash: str | None = None) -> None:
    known = training_hash or hashed(bench)
    bench.records.save_circuit(CircuitRecord(CIRC1, known, verdict, "", "run", COMMIT, "2025-12-09", NOON))


def plan(bench: Bench, run: TrainingRun = RUN, *keys: CircuitKey, without: int = 0) -> TrainingPlan:
    pinned = tuple(PinnedData(key, "asset", "v", 3, "2025-12-09") for key in keys or (CIRC1,))
    problems = tuple((NOWHERE, "no data") for _ in range(without))
    return bench.run(decide_training, PlanRequest(run, ASSETS, DataPinned(pinned, problems)))


def told(bench: Bench, run: TrainingRun = RUN) -> tuple[bool, str]:
    decision = plan(bench, run).decisions[0]
    return decision.train, decision.reason


def test_a_circuit_without_a_record_trains(bench: Bench):
    assert told(bench) == (True, "train PLANT1/CIRC1: new circuit")


def test_a_changed_circuit_trains_and_says_what_changed(bench: Bench):
    on_record(bench, Verdict.TRAINED)
    run = bench.edit(CIRCUITS, *MOVED)
    assert told(bench, run) == (True, "retrain PLANT1/CIRC1: cutoff_date 2025-12-09 → 2025-12-10")


def test_a_hash_that_changed_without_the_commit_trains_too(bench: Bench):
    on_record(bench, Verdict.TRAINED, "of an older component")
    assert told(bench, bench.commit({"README.md": b"x"})) == (
        True,
        "retrain PLANT1/CIRC1: training hash changed",
    )


@pytest.mark.parametrize("verdict", [Verdict.TRAINED, Verdict.GATED_OUT, Verdict.QUARANTINED])
def test_a_settled_circuit_of_the_same_hash_is_skipped_and_says_how_it_ended(bench: Bench, verdict: Verdict):
    on_record(bench, verdict)
    reason = f"skip PLANT1/CIRC1: training hash {hashed(bench)} is already {verdict}"
    assert told(bench) == (False, reason)


def test_what_an_earlier_run_did_not_finish_trains_again(bench: Bench):
    on_record(bench, Verdict.TRAINING)
    assert told(bench) == (True, "train PLANT1/CIRC1: an earlier run did not finish it")


def test_named_by_hand_trains_whatever_the_record_says(bench: Bench):
    on_record(bench, Verdict.TRAINED)
    assert told(bench, replace(RUN, named=(CIRC1,))) == (True, "retrain PLANT1/CIRC1: named by hand")


@pytest.mark.parametrize("before", ["f" * 40, "0" * 40, COMMIT])
def test_a_forced_push_whose_old_commit_is_gone_is_decided_by_the_hashes(bench: Bench, before: str):
    on_record(bench, Verdict.TRAINED)
    assert told(bench, replace(RUN, before=before))[0] is False
    assert plan(bench, replace(RUN, before=before), CIRC2).decisions[0].train


def test_an_old_commit_with_a_mistake_does_not_stop_its_mending(bench: Bench):
    broken = bench.edit(CIRCUITS, "look_back:", "lookback:")
    assert told(bench, replace(RUN, before=broken.commit))[0] is True


# --- room in dev ------------------------------------------------------------------------------------------


def quota(bench: Bench, deployments: int, hashed_as: str = "") -> TrainingPlan:
    """The plan for two circuits, of which the first is deployed to dev, with so many deployments to a region."""
    first = serving(stage=Stage.DEV)
    bench.records.save_deployment(replace(first, training_hash=hashed_as))
    run = bench.edit(PIPELINE, "deployments: 500", f"deployments: {deployments}")
    return plan(bench, run, CIRC1, CIRC2)


def test_nothing_trains_that_dev_has_no_room_for(bench: Bench):
    """Each new deployment stands beside the one that serves."""
    assert quota(bench, 3).refusal == ""
    told = "nothing was trained, since it could not be deployed to dev: the region would have 3 deployments"
    assert quota(bench, 2).refusal.startswith(
        f"{told} (1 there, 2 new) and may have 2: delete what is no longer used"
    )


def test_what_a_retried_run_has_deployed_already_needs_no_room(bench: Bench):
    assert quota(bench, 2, hashed(bench)).refusal == ""


def test_a_new_branch_is_compared_with_where_it_left_the_default_branch(bench: Bench):
    on_record(bench, Verdict.TRAINED)
    run = replace(bench.edit(CIRCUITS, *MOVED), before="0" * 40)
    assert told(bench, run) == (True, "retrain PLANT1/CIRC1: cutoff_date 2025-12-09 → 2025-12-10")


SENTENCES = [
    ((CIRC1,), 0, "1 of 1 circuit to train; train PLANT1/CIRC1: new circuit"),
    ((CIRC1,), 2, "1 of 1 circuit to train; train PLANT1/CIRC1: new circuit; 2 without data"),
    (
        tuple(CircuitKey(f"PLANT{p}", f"CIRC{c}") for p in (1, 2) for c in (1, 2)),
        0,
        "4 of 4 circuits to train",
    ),
]


@pytest.mark.parametrize(("keys", "without", "sentence"), SENTENCES)
def test_the_sentence_of_the_plan(bench: Bench, keys: tuple[CircuitKey, ...], without: int, sentence: str):
    assert plan(bench, RUN, *keys, without=without).sentence == sentence


def test_nothing_to_train_says_so(bench: Bench):
    on_record(bench, Verdict.TRAINED)
    assert plan(bench).sentence == "0 of 1 circuit to train"


def test_a_removed_circuit_is_told_not_trained(bench: Bench):
    on_record(bench, Verdict.TRAINED)
    circuits = bench.repository.commits[COMMIT][CIRCUITS].decode()
    start, end = (
        circuits.index("  - plant_id: PLANT1\n    circuit_id: CIRC2"),
        circuits.index("  - plant_id: PLANT1\n    circuit_id: CIRC3"),
    )
    run = bench.commit({CIRCUITS: (circuits[:start] + circuits[end:]).encode()})
    assert (
        plan(bench, run).sentence == "0 of 1 circuit to train; removed, and no longer trained: PLANT1/CIRC2"
    )


def test_a_circuit_that_is_to_be_served_otherwise_is_not_trained_but_told(bench: Bench):
    circuits = bench.repository.commits[COMMIT][CIRCUITS].decode()
    online = circuits.replace("circuit_id: CIRC1\n", "circuit_id: CIRC1\n    serving: online\n", 1)
    run = bench.commit({CIRCUITS: online.encode()})
    on_record(bench, Verdict.TRAINED)
    assert plan(bench, run).sentence == (
        "0 of 1 circuit to train; PLANT1/CIRC1 is to be served online: "
        "`busbar releases compose PLANT1/CIRC1=<version>` does it"
    )
    on_record(bench, Verdict.TRAINED, "another hash")
    assert "compose" not in plan(bench, run).sentence
