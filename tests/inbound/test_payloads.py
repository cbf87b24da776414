"""The senders' own payloads, as collected beside the repository."""

import json
from pathlib import Path
from typing import Any

import pytest

from busbar.domain.errors import BadRequest
from busbar.domain.events import JobStatus
from busbar.inbound import azure_ml, busbar_events, github

PAYLOADS = Path(__file__).parents[3] / "shared" / "payloads"
FILES = sorted(PAYLOADS.glob("*.json"))

pytestmark = pytest.mark.skipif(not FILES, reason=f"no payloads beside the repository ({PAYLOADS})")


def bodies(path: Path) -> list[Any]:
    """The document, what it wraps, and each event in it."""
    document = json.loads(path.read_bytes())
    inner = document.get("body", document) if isinstance(document, dict) else document
    return [document, inner, *(inner if isinstance(inner, list) else [])]


def expected_pushes() -> list[str]:
    return [path.name for path in FILES if path.name.startswith("github_push") and "note" not in path.name]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_payload_is_read_or_refused(path: Path):
    pushes = 0
    for body in bodies(path):
        for read in (azure_ml.read_event, busbar_events.read_push_event):
            try:
                read(body)
            except BadRequest as error:
                assert error.field  # noqa: PT017 - BadRequest is one of two right answers
        try:
            pushes += github.read_push({"X-GitHub-Event": "push"}, json.dumps(body).encode()) is not None
        except BadRequest as error:
            assert error.field  # noqa: PT017 - BadRequest is one of two right answers
    assert bool(pushes) == (path.name in expected_pushes())


def test_they_are_all_there():
    assert len(FILES) == 28
    assert len(expected_pushes()) == 6


@pytest.mark.parametrize("envelope", ["eventgrid", "cloudevents"])
@pytest.mark.parametrize(
    ("name", "job", "status"),
    [
        ("RunCompleted", "AutoML_ad912b2d-6467-4f32-a616-dbe4af6dd8fc_5", JobStatus.COMPLETED),
        ("RunStatusChanged", "AutoML_ad912b2d-6467-4f32-a616-dbe4af6dd8fc_5", JobStatus.FAILED),
        ("ModelMonitorBreach", "monitor_run_1", JobStatus.COMPLETED),
    ],
)
def test_jobs_of_others_are_read_and_are_not_ours(envelope: str, name: str, job: str, status: JobStatus):
    [event] = json.loads((PAYLOADS / f"{envelope}_{name}.json").read_bytes())
    changed = azure_ml.read_event(event)
    assert changed is not None
    assert (changed.job, changed.status, changed.orchestration_id) == (job, status, None)


def test_the_signature_vector():
    vector = json.loads((PAYLOADS / "github_signature_test_vector.json").read_bytes())
    signature = vector["X-Hub-Signature-256"]
    assert github.verify_signature(vector["secret"], vector["payload"].encode(), signature)
