"""Release sets by hand and from what test runs: what goes, and what is refused, by name and audited."""

import json
from typing import Any

import pytest

from busbar.codec import to_wire
from busbar.domain.circuits import CircuitKey, Serving
from busbar.domain.errors import BadRequest, NotFound
from busbar.domain.gates import Metrics
from busbar.domain.policies import Stage
from busbar.domain.release_record import Origin
from busbar.domain.steps import Journey
from busbar.web import composing
from busbar.web.reply import Reply
from tests.activities.bench import CIRC1, CIRC2, COMMIT, Bench, pin, serving
from tests.fakes import FakeRepository
from tests.web.test_operations import Hub

BAD = Metrics(mae=1.0, rmse=2.0, accuracy=0.9, skill_seasonal_naive=-0.2)


@pytest.fixture
def bench() -> Bench:
    """PLANT1/CIRC1 has the models 1 and 2, PLANT1/CIRC2 has 1; test runs CIRC1=1."""
    bench = Bench()
    for model in (pin(CIRC1, "1"), pin(CIRC1, "2"), pin(CIRC2, "1")):
        register(bench, model)
    bench.records.save_deployment(serving(CIRC1, Stage.TEST, "1"))
    return bench


def register(bench: Bench, model: Any) -> None:
    bench.ml.create_model(model.model_name, model.model_version, model.job, {})
    bench.releases.keep_pin(model)


def compose(bench: Bench, hub: Hub, **fields: Any) -> Reply:
    body = json.dumps({"requester": "ml-lead"} | fields).encode()
    return composing.compose(body, hub, **clients(bench))


def clients(bench: Bench) -> Any:
    return {name: getattr(bench, name) for name in ("repository", "ml", "records", "releases", "audit")}


def refused(bench: Bench, **fields: Any) -> BadRequest:
    """The refusal, after which nothing is on record but it."""
    hub = Hub()
    with pytest.raises(BadRequest) as raised:
        compose(bench, hub, **fields)
    assert hub.started == []
    assert bench.records.releases() == []
    (entry,) = bench.audit.entries()
    assert (entry.kind, entry.details["field"]) == ("release-refused", raised.value.field)
    assert str(raised.value)[:900] in entry.sentence
    return raised.value


def test_a_release_by_hand_starts_the_ordinary_journey(bench: Bench):
    hub = Hub()
    reply = compose(bench, hub, pins="PLANT1/CIRC1=2, PLANT1/CIRC2=1")
    said = json.loads(reply.body)
    assert reply.status == 202
    ((orchestrator, instance, journey),) = hub.started
    assert (orchestrator, instance) == ("release_journey", f"release-{said['release']}")
    assert isinstance(journey, Journey)
    assert (journey.origin, journey.run) == (Origin.HAND, None)
    assert journey.release.circuits == (CIRC1, CIRC2)
    stored = bench.records.release(said["release"])
    assert stored
    assert to_wire(stored.pins) == to_wire((pin(CIRC1, "2"), pin(CIRC2, "1")))
    assert (stored.commit, stored.requester) == (COMMIT, "ml-lead")
    assert bench.audit.entries() == []  # the journey's first step says who composed it


def test_a_double_click_is_one_release(bench: Bench):
    ids = {
        json.loads(compose(bench, Hub(), pins=pins).body)["id"]
        for pins in ("PLANT1/CIRC1=2,PLANT1/CIRC2=1", "PLANT1/CIRC2=1,PLANT1/CIRC1=2")
    }
    assert len(ids) in (1, 2)  # two if the minute turned in between
    assert len(bench.records.releases()) == len(ids)


def test_from_what_test_runs_now(bench: Bench):
    hub = Hub()
    compose(bench, hub, **{"from": "test"})
    ((_, _, journey),) = hub.started
    assert (journey.origin, journey.release.circuits) == (Origin.TEST, (CIRC1,))


def test_a_model_that_retention_put_away_may_not_go_unless_the_registry_has_it(bench: Bench):
    bench.ml.archive_model(Stage.DEV, pin(CIRC2).model_name, "1")
    assert "there is no such model version" in str(refused(bench, pins="PLANT1/CIRC2=1"))
    bench.shared(pin(CIRC2))
    assert compose(bench, Hub(), pins="PLANT1/CIRC2=1").status == 202


def test_a_model_that_the_registry_alone_has_may_go(bench: Bench):
    bench.ml.share_model(pin(CIRC2).model_name, "1")
    bench.ml.registered_models.pop((Stage.DEV, pin(CIRC2).model_name, "1"))
    assert compose(bench, Hub(), pins="PLANT1/CIRC2=1").status == 202


def test_a_model_that_fails_its_gates_may_go_where_it_is_deployed(bench: Bench):
    register(bench, pin(CIRC2, "3", BAD))
    problem = refused(bench, pins="PLANT1/CIRC2=3")
    assert str(problem) == (
        "pins: PLANT1/CIRC2=3 failed its gates and is deployed nowhere: min_skill_seasonal_naive failed: "
        "-0.2 (limit > 0)"
    )
    bench.records.save_deployment(serving(CIRC2, Stage.PROD, "3"))
    assert compose(bench, Hub(), pins="PLANT1/CIRC2=3").status == 202


@pytest.mark.parametrize(
    ("fields", "field", "problem"),
    [
        ({}, "pins", 'either models, PLANT1/CIRC1=3,…, or "from": "test"'),
        ({"pins": "", "from": ""}, "pins", "either models"),
        ({"pins": "PLANT1/CIRC1=1", "from": "test"}, "pins", "not both"),
        ({"pins": ["PLANT1/CIRC1=1"]}, "pins", "not text"),
        ({"pins": ","}, "pins", "needs one circuit at least"),
        ({"pins": "PLANT1/CIRC1=1,PLANT1/CIRC1=2"}, "pins", "PLANT1/CIRC1 more than once"),
        ({"pins": "PLANT1/CIRC1=9"}, "pins", "PLANT1/CIRC1=9: there is no such model version"),
        ({"pins": "PLANT9/CIRC9=1"}, "pins", "PLANT9/CIRC9: there is no such circuit"),
        (
            {"pins": "PLANT1/CIRC1=9,PLANT1/CIRC2=1,PLANT9/CIRC9=1"},
            "pins",
            "PLANT1/CIRC1=9: there is no such model version; PLANT9/CIRC9: there is no such circuit",
        ),
        ({"from": "prod"}, "from", "'prod' is not test"),
        ({"pins": "PLANT1/CIRC1=1", "requester": ""}, "requester", "a git login is needed"),
        ({"pins": "PLANT1/CIRC1=1", "requester": "nobody"}, "requester", "nobody in config/people.yaml"),
        ({"pins": "PLANT1/CIRC1=1", "requester": 7}, "requester", "not text"),
    ],
)  # fmt: skip
def test_a_refusal_names_the_field_and_is_audited(
    bench: Bench, fields: dict[str, Any], field: str, problem: str
):
    raised = refused(bench, **fields)
    assert raised.field == field
    assert problem in str(raised)


def test_a_test_stage_that_runs_nothing_is_no_source():
    assert "test runs no model yet" in str(refused(Bench(), **{"from": "test"}))


def test_a_model_that_no_training_run_registered_is_refused(bench: Bench):
    bench.ml.create_model(pin(CIRC2).model_name, "7", "somebody's job", {})
    assert "PLANT1/CIRC2=7: no training run of Busbar has registered it" in str(
        refused(bench, pins="PLANT1/CIRC2=7")
    )


def test_of_many_problems_the_first_are_told(bench: Bench):
    raised = refused(bench, pins=",".join(f"PLANT7/CIRC{number}=1" for number in range(1, 201)))
    assert str(raised).count("there is no such circuit") == 20
    assert str(raised).endswith("; and 180 more")


def test_the_same_refusal_is_audited_once(bench: Bench):
    for _ in range(3):
        with pytest.raises(BadRequest):
            compose(bench, Hub(), pins="PLANT1/CIRC1=9")
    assert len(bench.audit.entries()) == 1


def test_a_branch_that_cannot_be_read_is_said(bench: Bench):
    bench.repository.branches["main"] = bench.commit({"config/people.yaml": b"people: 3"}).commit
    assert str(refused(bench, pins="PLANT1/CIRC1=1")).startswith("config: main cannot be read")


def test_without_a_push_there_is_nobody_to_ask(bench: Bench):
    bench.repository = FakeRepository({}, {})
    with pytest.raises(NotFound, match="no branch main yet"):
        compose(bench, Hub(), pins="PLANT1/CIRC1=1")


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b'"x"'])
def test_what_is_no_object_is_refused(bench: Bench, body: bytes):
    with pytest.raises(BadRequest):
        composing.compose(body, Hub(), **clients(bench))


def test_two_hundred_circuits_at_once():
    bench = Bench()
    keys = [CircuitKey(f"PLANT{plant}", f"CIRC{number}") for plant in range(1, 21) for number in range(1, 11)]
    for key in keys:
        register(bench, pin(key))
        bench.records.save_deployment(serving(key, Stage.TEST, "1"))
        bench.records.save_circuit(record_of(key))
    hub = Hub()
    compose(bench, hub, **{"from": "test"})
    assert len(hub.started[0][2].release.circuits) == 200


def record_of(key: CircuitKey) -> Any:
    from tests.pages import samples

    return samples.record(key, samples.metrics())


# --- how a model is served --------------------------------------------------------------------------------


def pinned(bench: Bench, reply: Reply) -> dict[str, Serving]:
    release = bench.records.release(json.loads(reply.body)["release"])
    assert release
    return {str(one.key): one.serving for one in release.pins}


def test_a_model_composed_by_hand_is_served_as_the_configuration_says_by_now(bench: Bench):
    circuits = bench.repository.commits[COMMIT]["config/circuits.yaml"].decode()
    online = circuits.replace("circuit_id: CIRC1\n", "circuit_id: CIRC1\n    serving: online\n", 1)
    assert online != circuits
    bench.repository.commits[COMMIT]["config/circuits.yaml"] = online.encode()
    composed = compose(bench, Hub(), pins="PLANT1/CIRC1=1,PLANT1/CIRC2=1")
    assert pinned(bench, composed) == {"PLANT1/CIRC1": Serving.ONLINE, "PLANT1/CIRC2": Serving.BATCH}
    # what test serves as a job is brought to prod as a job
    assert pinned(bench, compose(bench, Hub(), **{"from": "test"})) == {"PLANT1/CIRC1": Serving.BATCH}
