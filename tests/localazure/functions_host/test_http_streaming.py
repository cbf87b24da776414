"""Streamed bodies, through Microsoft's FastAPI extension."""

import time
from pathlib import Path

import pytest

pytest.importorskip(
    "azurefunctions.extensions.http.fastapi", reason="azurefunctions-extensions-http-fastapi is not installed"
)
APP = Path(__file__).with_name("streaming")


@pytest.fixture(scope="module")
def streaming(launch, tmp_path_factory):
    running = launch(tmp_path_factory.mktemp("streaming"), app=APP)
    yield running
    running.stop()


def test_an_answer_arrives_piece_by_piece(streaming):
    with streaming.http.stream("GET", "/api/down/3?q=ä") as answer:
        arrivals = [(piece, time.monotonic()) for piece in answer.iter_raw()]
    assert (answer.status_code, answer.headers["x-query"]) == (200, "ä")
    assert answer.headers.get_list("server") == ["uvicorn"]
    assert [piece for piece, _ in arrivals] == [b"0;", b"1;", b"2;"]
    assert arrivals[-1][1] - arrivals[0][1] > 0.1  # they were not held back


def test_a_body_is_taken_piece_by_piece(streaming):
    def pieces():
        for _ in range(3):
            yield b"x" * 100_000
            time.sleep(0.1)

    answer = streaming.http.post("/api/up", content=pieces())
    assert (answer.status_code, answer.json()) == (201, {"total": 300_000, "pieces": True})


@pytest.mark.parametrize(
    ("path", "status"), [("/api/down/x?q=", 404), ("/api/bad", 500), ("/api/nowhere", 404)]
)
def test_what_goes_wrong(streaming, path, status):
    assert streaming.http.get(path).status_code == status


def test_a_failure_is_reported(streaming):
    streaming.http.get("/api/bad")
    assert "bad failed: RuntimeError: bad on purpose" in streaming.output
