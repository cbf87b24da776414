"""Names keep Azure's limits and stay apart."""

import re
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from busbar.domain import names
from busbar.domain.circuits import CircuitKey, Serving
from busbar.domain.policies import Stage

KEY = CircuitKey("PLANT1", "CIRC1")
DAY = date(2025, 12, 9)
COMMIT = "c" * 40
WORKSPACE = "/subscriptions/1/resourceGroups/mlops-test-rg/providers/x/workspaces/mlops-test-workspace"

KEYS = st.builds(CircuitKey, *[st.from_regex(r"[A-Za-z][A-Za-z0-9]{0,15}", fullmatch=True)] * 2)
HASHES = st.from_regex(r"[0-9a-f]{12}", fullmatch=True)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (names.data_asset(KEY), "PLANT1_CIRC1"),
        (names.data_version(DAY), "2025-12-09"),
        (names.data_version(DAY, 2), "2025-12-09.2"),
        (names.model(KEY), "PLANT1_CIRC1_model"),
        (names.training_job(KEY, "0123456789ab", 1), "train-PLANT1-CIRC1-0123456789ab-a1"),
        (names.training_run(COMMIT), f"train-{COMMIT}"),
        (names.training_circuit(f"train-{COMMIT}", KEY), f"train-{COMMIT}-PLANT1-CIRC1"),
        (names.deployment_run(Stage.TEST, "r-0123"), "deploy-test-r-0123"),
        (names.deployment(KEY, "3"), "circ1-v3"),
        (names.deployment(KEY, "3", environment_version="1.1.0"), "circ1-v3-e1-1-0"),
        (names.deployment(KEY, "3", scoring_version="1.4.0"), "circ1-v3-s1-4-0"),
        (names.deployment(KEY, "3", Serving.ONLINE, "1.1.0", "1.4.0"), "online-v3-e1-1-0-s1-4-0"),
    ],
)
def test_names(name: str, expected: str):
    assert name == expected


@given(KEYS, st.sampled_from(Stage))
def test_endpoints_keep_the_limits(key: CircuitKey, stage: Stage):
    """3 to 32 characters: lower-case letters, digits and dashes, a letter first, no dash last."""
    assert re.fullmatch(r"[a-z][a-z0-9-]{1,30}[a-z0-9]", names.endpoint(key, stage, WORKSPACE))


ENVIRONMENTS = st.just("") | st.tuples(*[st.integers(0, 999)] * 3).map(
    lambda parts: ".".join(map(str, parts))
)


@given(KEYS, st.integers(1, 99_999), ENVIRONMENTS)
def test_deployments_keep_the_limits(key: CircuitKey, version: int, environment: str):
    name = names.deployment(key, str(version), environment_version=environment)
    assert re.fullmatch(r"[a-z][a-z0-9-]{1,30}[a-z0-9]", name)


def test_the_jobs_that_compare_environments_keep_the_limits():
    """Letters, digits, dashes and underscores: a version's dots are none of them."""
    run = names.environment_run("1.2.0", COMMIT, "20261121T101500")
    assert re.fullmatch(r"[A-Za-z0-9][\w-]{0,254}", names.comparison(run, 3))


def test_deployments_in_two_environments_are_two_whatever_their_length():
    long = CircuitKey("PLANT1", "C" * 16)
    environments = ("", "1.10.10", "1.10.11", "11.0.10", "1.1.0")
    assert len({names.deployment(long, "99999", environment_version=one) for one in environments}) == len(
        environments
    )


@given(KEYS, HASHES, st.integers(1, 99), st.sampled_from(Stage))
def test_jobs_and_assets_keep_the_limits(key: CircuitKey, digest: str, attempt: int, stage: Stage):
    for name in (
        names.training_job(key, digest, attempt),
        names.scoring_circuit(names.scoring_run(stage, DAY, "120000"), key),
        names.merge_job(digest, attempt),
        names.data_asset(key),
        names.model(key),
    ):
        assert re.fullmatch(r"[a-zA-Z0-9][a-zA-Z0-9_-]{0,199}", name)


@given(KEYS, KEYS)
def test_two_circuits_never_share_a_name(one: CircuitKey, other: CircuitKey):
    for name in (
        names.data_asset,
        names.model,
        lambda key: names.training_job(key, "0123456789ab", 1),
        lambda key: names.training_circuit("train-c0ffee", key),
    ):
        assert (name(one) == name(other)) == (one == other)


def test_endpoints_of_a_plant_are_one_and_of_a_workspace_their_own():
    mine = names.endpoint(KEY, Stage.TEST, WORKSPACE)
    assert mine == names.endpoint(CircuitKey("PLANT1", "CIRC2"), Stage.TEST, WORKSPACE.upper())
    assert mine != names.endpoint(KEY, Stage.TEST, WORKSPACE + "2")
    assert mine.startswith("be-plant1-test-")


@pytest.mark.parametrize(
    ("name", "own"),
    [
        (names.training_job(KEY, "0123456789ab", 2), True),
        (names.merge_job("0123456789ab", 1), True),
        (names.evidence("r-0123456789ab"), True),
        (names.scoring_circuit(names.scoring_run(Stage.PROD, DAY), KEY), True),
        (names.scoring_circuit(names.scoring_run(Stage.TEST, DAY, "120000"), KEY), True),
        (
            names.invoked_job(names.scoring_circuit(names.scoring_run(Stage.PROD, DAY), KEY), "candidate"),
            True,
        ),
        (names.invoked_job("deploy-prod-r-0123456789ab-wave-1-PLANT1-CIRC1", "bake25-a1-champion"), True),
        (names.monitoring_job(names.monitoring_run(Stage.PROD, DAY), 3), True),
        (names.monitoring_job(names.monitoring_run(Stage.TEST, DAY, "120000"), 0), True),
        (names.catch_up_job(names.catch_up(Stage.PROD, DAY), 1), True),
        (names.catch_up_job(names.catch_up(Stage.TEST, DAY, "120000"), 12), True),
        (names.comparison(names.environment_run("1.2.0", COMMIT), 4), True),
        (names.comparison(names.environment_run("1.2.0", COMMIT, "120000"), 4), True),
        ("frosty_pea_7b4x", False),
        ("score-of-the-day", False),
        ("catch-up-on-sleep", False),
        ("train-my-own-model", False),
        ("merge-a1", False),
        ("evidence-of-mine", False),
        ("somebody--elses", False),
    ],
)
def test_jobs_of_other_people_are_told_from_ours(name: str, own: bool):
    assert names.own_job(name) is own


@given(KEYS, KEYS)
def test_online_endpoints_are_a_circuits_own_and_told_by_their_names(one: CircuitKey, other: CircuitKey):
    for stage in Stage:
        mine, theirs = (names.online_endpoint(key, stage, WORKSPACE) for key in (one, other))
        assert re.fullmatch(r"[a-z](?:[a-z0-9]|-(?!-)){1,30}[a-z0-9]", mine)
        assert (mine == theirs) == (str(one).lower() == str(other).lower())
        assert names.is_online(mine)
        assert not names.is_online(names.endpoint(one, stage, WORKSPACE))


def test_an_online_endpoint_says_its_circuit_as_far_as_there_is_room():
    assert names.online_endpoint(KEY, Stage.PROD, WORKSPACE)[:-4] == "oe-plant1-circ1-prod-"
    long = CircuitKey("PLANT0123456789", "CIRCUIT01234567")
    assert names.online_endpoint(long, Stage.PROD, WORKSPACE)[:-8] == "oe-plant0123456789-prod-"
    other = names.online_endpoint(long, Stage.PROD, WORKSPACE + "2")
    assert other != names.online_endpoint(long, Stage.PROD, WORKSPACE)


def test_a_model_served_both_ways_has_two_deployments():
    assert names.deployment(KEY, "3") == "circ1-v3"
    assert names.deployment(KEY, "3", Serving.ONLINE) == "online-v3"
