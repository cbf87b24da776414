"""One local Azure a process: Azure's SDKs remember the first cloud, and its certificates, that they meet."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parent
OWN_AZURE = ("localazure", "journeys")


def suite(path: Path) -> str:
    """The part of the tests that a file belongs to: each starts an Azure of its own."""
    first = path.relative_to(ROOT).parts[0] if path.is_relative_to(ROOT) else ""
    return f"tests/{first}" if first in OWN_AZURE else "the rest of tests/"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if len(suites := sorted({suite(item.path) for item in items})) > 1:
        raise pytest.UsageError(f"run {' and '.join(suites)} apart, as `make test` does: one Azure a process")
