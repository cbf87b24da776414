"""Releases of environments, on real blobs."""

from dataclasses import replace
from random import randint

from busbar.clients.environments import Environments
from busbar.domain.circuits import CircuitKey
from busbar.domain.environments import Comparison, EnvironmentRelease, EnvironmentStatus, Scored, judge
from busbar.domain.policies import EnvironmentPolicy
from tests.azure import LocalAzure

COMPARISON = Comparison(
    CircuitKey("PLANT1", "CIRC1"), "3", "1.1.0", "1.2.0", "", 24, 0, 0, 2e-7, Scored(1.0), Scored(None, 2)
)


def test_the_latest_attempt_of_a_version_is_kept_with_its_matrix(local_azure: LocalAzure):
    environments, version = Environments(local_azure.settings), f"1.{randint(1, 10**6)}.0"
    assert environments.get(version) is None
    matrix = (judge(COMPARISON, EnvironmentPolicy()),)
    first = EnvironmentRelease(
        "env", version, "run-1", "c" * 40, "somebody", EnvironmentStatus.TRYING, "a sentence", "now", matrix
    )
    for release in (first, replace(first, run="run-2", status=EnvironmentStatus.RELEASED)):
        environments.save(release)
        assert environments.get(version) == release
