"""A local Spark, and the twin's tables written by delta-rs: Delta's jars are on Maven alone, Spark itself on PyPI."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parent))


@pytest.fixture(scope="session")
def spark() -> Iterator[Any]:
    """Spark on this machine; skips where it is not installed."""
    pytest.importorskip("pyspark", reason="Spark is not in this environment: make test-spark")
    from local_spark import SMALL, start

    session = start(SMALL)
    yield session
    session.stop()


@pytest.fixture
def make_twin(spark: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """Make a folder of raw files with its tables, into which the twin merges."""
    from local_spark import Twin

    return lambda name: Twin(spark, tmp_path / name, monkeypatch)


@pytest.fixture
def twin(make_twin: Callable[[str], Any]) -> Any:
    return make_twin("plant")
