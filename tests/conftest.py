"""One local Azure a process: Azure's SDKs remember the first cloud, and its certificates, that they meet."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parent
OWN_AZURE = (
    "journeys",
    "releases",
    "localazure/faults_on_demand",
    "localazure/machine_learning",
    "localazure",
)
REST = "the rest of tests/"


def suite(path: Path) -> str:
    """The part of the tests that a file belongs to: each starts an Azure of its own."""
    folders = (folder for folder in OWN_AZURE if path.is_relative_to(ROOT / folder))
    return next((f"tests/{folder}" for folder in folders), REST)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if len(suites := sorted({suite(item.path) for item in items})) > 1:
        raise pytest.UsageError(f"run {' and '.join(suites)} apart, as `make test` does: one Azure a process")
