"""`busbar releases` against the app's own routes."""

from collections.abc import Callable, Generator

import pytest
from click.testing import Result
from typer.testing import CliRunner

from busbar.cli import app
from busbar.domain.policies import Stage
from busbar.domain.release_record import Leg, Origin, Place, ReleaseRecord
from tests.activities.bench import CIRC1, CIRC2, Bench, pin, serving
from tests.domain.pins import release
from tests.served import KEY, Served, served


@pytest.fixture
def bench() -> Bench:
    """CIRC1 has two models; test runs the first."""
    bench = Bench()
    for model in (pin(CIRC1, "1"), pin(CIRC1, "2")):
        bench.ml.create_model(model.model_name, model.model_version, model.job, {})
        bench.releases.keep_pin(model)
    bench.records.save_deployment(serving(CIRC1, Stage.TEST, "1"))
    return bench


@pytest.fixture
def at(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Generator[Served]:
    with served(monkeypatch, vars(bench)) as app_at:
        monkeypatch.setenv("BUSBAR_URL", app_at.url)
        monkeypatch.setenv("BUSBAR_KEY", KEY)
        monkeypatch.setenv("BUSBAR_LOGIN", "ml-lead")
        yield app_at


@pytest.fixture
def busbar(at: Served) -> Callable[..., Result]:
    return lambda *arguments: CliRunner().invoke(app, ["releases", *arguments])


def two(bench: Bench) -> tuple[str, str]:
    """Two release sets on record, one after the other."""
    sets = release(pin(CIRC1, "1")), release(pin(CIRC1, "2"), pin(CIRC2, "1"))
    for minute, one in enumerate(sets):
        bench.records.save_release(one)
        bench.releases.add(ReleaseRecord.of(one, Origin.TRAINING, f"2025-12-09T12:0{minute}:00.000+00:00"))
    return sets[0].id, sets[1].id


def test_none_yet(busbar: Callable[..., Result]):
    assert "no release set yet" in busbar().stdout


def test_the_newest_first_and_where_to_go_on(busbar: Callable[..., Result], bench: Bench):
    older, newer = two(bench)
    said = busbar().stdout
    assert said.index(newer) < said.index(older)
    said = busbar("--limit", "1").stdout
    assert f"older ones: busbar releases --after {newer}" in said
    assert older not in said
    assert older in busbar("--after", newer).stdout


def test_one_with_where_its_circuits_stand(busbar: Callable[..., Result], bench: Bench):
    _, newer = two(bench)
    leg = Leg(Place.REGISTRY, "1 of 2 models promoted", "2025-12-09T13:00:00+00:00", (CIRC1,))
    bench.releases.update(newer, lambda record: record.after(leg))
    said = busbar("show", newer).stdout
    assert said.startswith(f"{newer}: open: 1 of 2 models promoted")
    assert "promoted" in next(line for line in said.splitlines() if "PLANT1/CIRC1" in line)


def test_what_differs(busbar: Callable[..., Result], bench: Bench):
    older, newer = two(bench)
    assert busbar("diff", older, newer).stdout.splitlines() == [
        f"{older} → {newer}: 1 added, 1 changed, 0 as before",
        "  PLANT1/CIRC1 changed: model v1 → v2",
        "  PLANT1/CIRC2 added: v1, cutoff date 2025-12-09",
    ]


def test_composing_by_hand_and_from_test(busbar: Callable[..., Result], at: Served):
    for arguments in (("compose", "PLANT1/CIRC1=2"), ("compose", "--from", "test")):
        said = busbar(*arguments)
        assert said.exit_code == 0, said.stderr
        id = said.stdout.split()[-1]
        orchestrator, journey = at.durable.started[id]
        assert (orchestrator, id) == ("release_journey", f"release-{journey['release']['id']}")
        assert journey["release"]["requester"] == "ml-lead"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("compose",), "POST /api/releases: 400: pins: either models"),
        (("compose", "PLANT1/CIRC1=9"), "400: pins: PLANT1/CIRC1=9: there is no such model version"),
        (
            ("compose", "PLANT1/CIRC1=1", "--requester", "me"),
            "400: requester: nobody in config/people.yaml has the login 'me'",
        ),
        (("show", "r-1"), "404: there is no release set 'r-1'"),
        (("show", "a/../b"), "404"),
        (("diff", "r-1", "r-1"), "400: releases: r-1 does not differ from itself"),
        (("--after", "x"), "400: after: 'x' is not the id of a release set"),
    ],
)
def test_a_refusal_is_a_sentence_and_status_1(
    busbar: Callable[..., Result], at: Served, arguments: tuple[str, ...], told: str
):
    said = busbar(*arguments)
    assert said.exit_code == 1
    assert told in said.stderr
    assert at.durable.started == {}
