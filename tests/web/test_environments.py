"""The compatibility matrix as a page, as JSON and on the command line; and what the command to release answers."""

import json
from collections.abc import Generator
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from busbar.cli import app
from busbar.domain.circuits import CircuitKey
from busbar.domain.environments import Comparison, EnvironmentRelease, EnvironmentStatus, Scored, judge
from busbar.domain.policies import EnvironmentPolicy, Stage
from busbar.web import environments
from tests.activities.bench import CIRC1, COMMIT, NEXT, Bench, pin, serving
from tests.fakes import NOON, FakeEnvironments
from tests.served import KEY, Served, served

YAML = "ml_components/environments/sensor-forecasting-env.yaml"
GOOD = Comparison(CIRC1, "3", "1.1.0", "1.2.0", "", 24, 0, 0, 2e-7, Scored(1.0), Scored(1.5))
BAD = replace(GOOD, key=CircuitKey("PLANT2", "CIRC7"), problem="ImportError: <no onnx>")


def kept(status: EnvironmentStatus = EnvironmentStatus.WAITING) -> FakeEnvironments:
    matrix = tuple(judge(one, EnvironmentPolicy()) for one in (GOOD, BAD))
    said = "1 of 2 models compatible"
    release = EnvironmentRelease("env", "1.2.0", "run-1", "c" * 40, "somebody", status, said, NOON, matrix)
    store = FakeEnvironments()
    store.save(release)
    return store


def test_the_page_shows_the_bad_ones_first_with_their_reasons():
    reply = environments.show("1.2.0", {}, environments=kept())
    assert reply.status == 200
    assert reply.body.index("PLANT2/CIRC7") < reply.body.index("PLANT1/CIRC1")
    for text in (
        "ImportError: &lt;no onnx&gt;",
        "2e-07 σ",
        "1.0 → 1.5 ms",
        "1 of 2 models compatible",
    ):
        assert text in reply.body


def test_only_one_that_is_under_way_looks_again_by_itself():
    assert 'http-equiv="refresh"' in environments.show("1.2.0", {}, environments=kept()).body
    ended = kept(EnvironmentStatus.RELEASED)
    assert 'http-equiv="refresh"' not in environments.show("1.2.0", {}, environments=ended).body


def test_the_json_says_the_same():
    reply = environments.as_json("1.2.0", {}, environments=kept())
    document = json.loads(reply.body)
    assert (document["status"], [one["circuit"] for one in document["matrix"]]) == (
        "waiting",
        ["PLANT1/CIRC1", "PLANT2/CIRC7"],
    )
    again = environments.as_json("1.2.0", {"If-None-Match": reply.headers["ETag"]}, environments=kept())
    assert again.status == 304


@pytest.mark.parametrize("version", ["1.3.0", "latest", "../releases/r-1", ""])
def test_what_was_never_tried_is_not_found(version: str):
    assert environments.show(version, {}, environments=kept()).status == 404
    assert environments.as_json(version, {}, environments=kept()).status == 404


# --- on the command line ----------------------------------------------------------------------------------


@pytest.fixture
def bench() -> Bench:
    """Prod serves a circuit in 1.1.0; `develop` has 1.2.0."""
    made = Bench()
    record = replace(serving(CIRC1, Stage.PROD), scoring_version=pin().scoring_build)
    made.records.save_deployment(record)
    made.edit(YAML, '"1.1.0"', '"1.2.0"')
    made.repository.branches["develop"] = NEXT
    return made


@pytest.fixture
def at(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Generator[Served]:
    clients = {
        "records": bench.records,
        "repository": bench.repository,
        "environments": kept(),
        "audit": bench.audit,
    }
    with served(monkeypatch, clients) as app_at:
        monkeypatch.setenv("BUSBAR_URL", app_at.url)
        monkeypatch.setenv("BUSBAR_KEY", KEY)
        monkeypatch.setenv("COLUMNS", "200")
        yield app_at


def busbar(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["environments", *arguments])
    return done.exit_code, done.output


def test_a_release_is_started_with_the_commit_that_has_the_version(at: Served):
    code, said = busbar("release", "1.2.0", "--ref", "develop")
    assert (code, len(at.durable.started)) == (0, 1), said
    [(id, (orchestrator, request))] = at.durable.started.items()
    assert (orchestrator, request["commit"], request["version"]) == ("environment_release", NEXT, "1.2.0")
    assert id in said


REFUSED = [
    (("1.3.0", "--ref", "develop"), f"commit {NEXT[:8]} has environment 1.2.0, not 1.3.0"),
    (("1.1.0", "--ref", "main"), "everything that is deployed runs in environment 1.1.0 already"),
    (("1.2.0", "--ref", "nowhere"), "is neither a branch nor a whole commit"),
]


@pytest.mark.parametrize(("arguments", "told"), REFUSED)
def test_what_cannot_be_released_is_refused_at_once_and_audited_once(
    at: Served, bench: Bench, arguments: tuple[str, ...], told: str
):
    for _ in range(2):
        code, said = busbar("release", *arguments)
        assert code == 1
        assert told in " ".join(said.split())
    assert at.durable.started == {}
    [entry] = bench.audit.entries()
    assert (entry.kind, entry.subject) == ("environment-refused", f"environment {arguments[0]}")
    assert told in entry.sentence


def test_without_the_file_or_without_deployments_nothing_starts(at: Served, bench: Bench):
    bench.repository.commits[COMMIT].pop(YAML)
    code, said = busbar("release", "1.1.0", "--ref", "main")
    assert (code, f"{YAML} is missing at commit {COMMIT[:8]}" in " ".join(said.split())) == (1, True), said
    bench.records._deployments.clear()
    code, said = busbar("release", "1.2.0", "--ref", "develop")
    assert (code, "nothing is deployed in test or prod" in " ".join(said.split())) == (1, True), said
    assert at.durable.started == {}


def test_the_matrix_is_shown_with_the_bad_ones_first(at: Served):
    code, said = busbar("show", "1.2.0")
    assert code == 0
    assert said.index("PLANT2/CIRC7") < said.index("PLANT1/CIRC1")
    assert busbar("show", "1.3.0")[0] == 1
