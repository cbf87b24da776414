"""One stack, and each step on it taken once, when a test first asks for it."""

from collections.abc import Generator

import pytest

from tests.journeys import steps
from tests.journeys.fleet import Fleet
from tests.journeys.mistakes import files_with_mistakes
from tests.journeys.stack import Stack, running


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
def looked(stack: Stack, scored: steps.Scored) -> steps.Looked:
    return steps.look(stack, scored)


@pytest.fixture(scope="session")
def refused(stack: Stack, fleet: Fleet, trained: steps.Trained) -> steps.Refused:
    return steps.refuse(stack, fleet, files_with_mistakes(fleet.files))


@pytest.fixture(scope="session")
def resumed(stack: Stack, fleet: Fleet, approved: steps.Approved) -> steps.Resumed:
    return steps.resume(stack, fleet)
