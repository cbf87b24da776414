"""What the SDK shows and changes of jobs: streams, downloads, updates, archives, lists."""

from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from localazure.documents import Documents
from localazure.machine_learning.storage import Location, Storage
from tests.localazure.machine_learning.conftest import WORKSPACE, Cloud, finish, wait_until
from tests.localazure.machine_learning.sdk import DATASTORE, chain_job

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def done(published: Any) -> Any:
    """A pipeline job that completed."""
    published.jobs.create_or_update(chain_job(published, "viewed"))
    return finish(published, "viewed")


def _command(name: str, text: str = "true", **changes: Any) -> Any:
    from azure.ai.ml import command

    asked = {"environment": "azureml:plain-env:1.0.0", "compute": "cpu-cluster", "experiment_name": "views"}
    return command(name=name, command=text, **{**asked, **changes})


def test_a_stream_prints_the_logs_as_they_come_and_ends(
    published: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    published.jobs.create_or_update(_command("streamed", "echo first; sleep 5; echo last; sleep 3"))
    published.jobs.stream("streamed")
    printed = capsys.readouterr().out
    assert printed.index("RunId: streamed") < printed.index("first") < printed.index("last")
    assert "Execution Summary" in printed
    assert published.jobs.get("streamed").status == "Completed"


def test_the_stream_of_a_failed_job_raises_its_error(published: Any) -> None:
    from azure.ai.ml.exceptions import JobException

    published.jobs.create_or_update(_command("broken", "echo why; exit 3"))
    finish(published, "broken")
    with pytest.raises(JobException, match=r"exit code 3.*why"):
        published.jobs.stream("broken")


def test_logs_and_outputs_are_downloaded(done: Any, published: Any, tmp_path: Path) -> None:
    published.jobs.download("viewed", download_path=tmp_path, output_name="loud")
    files = [path for path in (tmp_path / "named-outputs").rglob("*") if path.is_file()]
    assert [path.read_text() for path in files] == ["HIHI!"]
    published.jobs.download("viewed_first", download_path=tmp_path / "step")
    assert "heard hi" in (tmp_path / "step" / "artifacts" / "user_logs" / "std_log.txt").read_text()


def test_an_output_of_a_job_is_an_input_of_another(done: Any, published: Any, storage: Storage) -> None:
    from azure.ai.ml import Input, Output

    given = Input(type="uri_file", path="azureml://jobs/viewed/outputs/loud")
    copy = Output(type="uri_folder", path=f"{DATASTORE}/jobs/reader/")
    text = "cp ${{inputs.text}} ${{outputs.copy}}/text"
    published.jobs.create_or_update(_command("reader", text, inputs={"text": given}, outputs={"copy": copy}))
    assert finish(published, "reader").status == "Completed"
    assert storage.read(Location(f"azureml-{WORKSPACE}", "jobs/reader/text")) == b"HIHI!"


def test_tags_and_names_change_and_content_does_not(done: Any, published: Any, arm: httpx.Client) -> None:
    from azure.core.exceptions import HttpResponseError

    job = published.jobs.get("viewed")
    job.display_name, job.tags = "A name for people", {"checked": "yes"}
    changed = published.jobs.create_or_update(job)
    assert (changed.display_name, changed.tags) == (
        "A name for people",
        {"orchestration_id": "o-viewed", "checked": "yes"},
    )
    published.jobs.update("viewed", description="seen", tags={"checked": "twice"})
    shown = arm.get("/jobs/viewed").json()["properties"]
    assert (shown["description"], shown["tags"]["checked"]) == ("seen", "twice")
    with pytest.raises(HttpResponseError, match="the existing job's Inputs cannot be changed") as refused:
        published.jobs.create_or_update(chain_job(published, "viewed", f"{DATASTORE}/texts/fail.txt"))
    assert refused.value.status_code == 400


def test_archived_jobs_leave_the_list_until_they_are_restored(done: Any, published: Any) -> None:
    from azure.ai.ml.constants import ListViewType

    def names(**view: Any) -> set[str]:
        return {job.name for job in published.jobs.list(**view)}

    published.jobs.archive("viewed")
    assert "viewed" not in names()
    assert names(list_view_type=ListViewType.ARCHIVED_ONLY) == {"viewed"}
    published.jobs.restore("viewed")
    assert "viewed" in names()


def test_a_job_is_cancelled_in_every_state(published: Any, cloud: Cloud) -> None:
    for name in ("busy-1", "busy-2", "waiting"):
        published.jobs.create_or_update(_command(name, "sleep 60"))
    wait_until(lambda: published.jobs.get("waiting").status == "Queued", "the third job to wait for a node")
    wait_until(lambda: published.jobs.get("busy-1").status == "Running", "the first job to run")
    published.jobs.create_or_update(_command("at-once", "sleep 60"))
    for name in ("at-once", "waiting", "busy-1", "busy-2"):
        published.jobs.begin_cancel(name).result()
        assert finish(published, name).status == "Canceled"
        published.jobs.begin_cancel(name).result()  # a job that has ended stays as it is
        assert published.jobs.get(name).status == "Canceled"
        assert [data["runStatus"] for _, data in cloud.events_of(name)][-1] == "Canceled"


def test_lists_come_in_pages_and_are_filtered(
    cloud: Cloud, arm: httpx.Client, done: Any, published: Any
) -> None:
    _copy_often(cloud, "viewed", 203)
    seen: list[str] = []
    pages, query = 0, "tag=lot"
    while query:
        answer = arm.get("/jobs", params=dict(parse_qsl(query))).raise_for_status().json()
        seen += [job["name"] for job in answer["value"]]
        pages, query = pages + 1, urlsplit(answer.get("nextLink", "")).query
    assert (pages, len(set(seen)), seen[0]) == (3, 203, "lot-202")
    assert len([job for job in published.jobs.list() if job.name.startswith("lot-")]) == 203
    thirds = arm.get("/jobs", params={"tag": "lot=2"}).json()["value"]
    assert {job["name"] for job in thirds} == {f"lot-{number}" for number in range(2, 203, 3)}
    for filters, count in (({"jobType": "Command", "tag": "lot"}, 0), ({"$skip": "200", "tag": "lot"}, 3)):
        assert len(arm.get("/jobs", params=filters).json()["value"]) == count


def _copy_often(cloud: Cloud, name: str, times: int) -> None:
    """`lot-0`, `lot-1`, … from one job, each newer than the one before, with the tag lot=0, 1 or 2."""
    documents = Documents(cloud.runtime.state / "machine_learning.sqlite")
    job = documents.get("jobs", f"workspaces/{WORKSPACE}/{name}") or {}
    run = documents.get("runs", f"workspaces/{WORKSPACE}/{name}") or {}
    for number in range(times):
        copy, tags = f"lot-{number}", {"lot": str(number % 3)}
        made = {**job["systemData"], "createdAt": f"2030-01-01T00:00:00.{number:06}Z"}
        properties = {**job["properties"], "tags": tags}
        documents.put(
            "jobs",
            f"workspaces/{WORKSPACE}/{copy}",
            {**job, "name": copy, "systemData": made, "properties": properties},
        )
        documents.put("runs", f"workspaces/{WORKSPACE}/{copy}", {**run, "name": copy, "tags": tags})
    documents.close()
