"""One stack for all journeys, and each step on it taken once, when a test first asks for it.

In parallel runs the tests of this folder belong to one worker (`--dist loadgroup`): another would start another stack.
"""

from collections.abc import Generator
from pathlib import Path

import pytest

from tests.journeys import steps
from tests.journeys.fleet import Fleet
from tests.journeys.mistakes import files_with_mistakes
from tests.journeys.stack import ROOT, Stack, running

HERE = Path(__file__).parent
MARKS = (
    pytest.mark.xdist_group("journeys"),
    pytest.mark.timeout(600),
    pytest.mark.skipif(
        not (ROOT / "node_modules" / ".bin" / "azurite").exists(), reason="Azurite is not installed: npm ci"
    ),
)


@pytest.hookimpl(tryfirst=True)  # xdist reads the group in the same hook
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            for mark in MARKS:
                item.add_marker(mark)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failure shows the ends of the stack's logs."""
    report = yield
    stack = getattr(item, "funcargs", {}).get("stack")
    if report.failed and isinstance(stack, Stack):
        report.sections.append(("logs of the local Azure", stack.logs()))
    return report


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Generator[Stack]:
    with running(tmp_path_factory.mktemp("stack")) as stack:
        yield stack


@pytest.fixture(scope="session")
def fleet(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Fleet:
    return steps.found(stack, tmp_path_factory.mktemp("fleet"))


@pytest.fixture(scope="session")
def trained(stack: Stack, fleet: Fleet) -> steps.Trained:
    return steps.train(stack, fleet)


@pytest.fixture(scope="session")
def approved(stack: Stack, trained: steps.Trained) -> steps.Approved:
    return steps.approve(stack, trained)


@pytest.fixture(scope="session")
def scored(
    stack: Stack, fleet: Fleet, approved: steps.Approved, tmp_path_factory: pytest.TempPathFactory
) -> steps.Scored:
    return steps.score_twice(stack, fleet, tmp_path_factory.mktemp("forecasts"))


@pytest.fixture(scope="session")
def refused(stack: Stack, fleet: Fleet, trained: steps.Trained) -> steps.Refused:
    return steps.refuse(stack, fleet, files_with_mistakes(fleet.files))


@pytest.fixture(scope="session")
def resumed(stack: Stack, fleet: Fleet, approved: steps.Approved) -> steps.Resumed:
    return steps.resume(stack, fleet)
