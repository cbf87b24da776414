"""Forecast plots: of what a release set pins, and of nothing else."""

from dataclasses import dataclass, field

import pytest

from busbar.domain.circuits import CircuitKey
from busbar.domain.policies import Stage
from busbar.web import plots
from busbar.web.reply import Reply
from tests.fakes import FakeMachineLearning, FakeRecords
from tests.pages import samples

KEY = CircuitKey("PLANT1", "CIRC1")
RECORD = samples.record(KEY, samples.metrics())
RELEASE = samples.release((RECORD,))
PICTURE = plots.PNG + b"a curve"


@dataclass
class Shelf:
    records: FakeRecords = field(default_factory=FakeRecords)
    ml: FakeMachineLearning = field(default_factory=FakeMachineLearning)

    def __post_init__(self) -> None:
        self.records.save_release(RELEASE)
        self.ml.write_file(Stage.DEV, f"jobs/{RECORD.job}/artifacts/forecast.png", PICTURE)

    def show(self, id: str = RELEASE.id, plant: str = "PLANT1", circuit: str = "CIRC1") -> Reply:
        return plots.forecast(id, plant, circuit, records=self.records, ml=self.ml)


def test_a_pinned_models_plot_is_shown_and_kept_by_the_browser():
    reply = Shelf().show()
    assert (reply.status, reply.content, reply.content_type) == (200, PICTURE, "image/png")
    assert "immutable" in reply.headers["Cache-Control"]


@pytest.mark.parametrize(
    "place",
    [
        {"id": "r-000000000000"},
        {"id": "../releases/x"},
        {"id": "r-ö"},
        {"circuit": "CIRC2"},
        {"plant": "PLANT9"},
        {"plant": "..", "circuit": ".."},
        {"circuit": "CIRC1/x"},
    ],
)
def test_what_is_not_in_the_release_is_not_shown(place: dict[str, str]):
    assert Shelf().show(**place).status == 404


@pytest.mark.parametrize("content", [b"<script>", b"", b"GIF89a"])
def test_only_a_picture_is_served_as_one(content: bytes):
    shelf = Shelf()
    shelf.ml.write_file(Stage.DEV, f"jobs/{RECORD.job}/artifacts/forecast.png", content)
    assert shelf.show().status == 404


def test_a_job_without_a_plot_has_none():
    shelf = Shelf()
    shelf.ml.files.clear()
    assert shelf.show().status == 404
