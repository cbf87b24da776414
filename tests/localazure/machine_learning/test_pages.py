import ssl
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.localazure.machine_learning.conftest import WORKSPACE, Cloud, finish
from tests.localazure.machine_learning.sdk import chain_job
from tests.localazure.machine_learning.test_schedules import nightly, remove

pytestmark = pytest.mark.timeout(240)


@pytest.fixture
def browser(cloud: Cloud) -> Iterator[httpx.Client]:
    trusted = ssl.create_default_context(cafile=str(cloud.runtime.ca_bundle))
    with httpx.Client(base_url=cloud.runtime.addresses.azure, verify=trusted, trust_env=False) as session:
        yield session


def test_the_overview_shows_what_there_is(published: Any, browser: httpx.Client) -> None:
    published.jobs.create_or_update(chain_job(published, "paged"))
    finish(published, "paged")
    published.schedules.begin_create_or_update(nightly(published, "paged-nightly")).result()
    text = browser.get("/machine_learning").text
    for shown in (
        WORKSPACE,
        "mlops-test-workspace",
        "mlops-central-registry",
        "cpu-cluster",
        f"/machine_learning/jobs/{WORKSPACE}/paged",
        "15 3 * * * (W. Europe Standard Time)",
        "2090-01-01T02:15:00+00:00",
        "shout",
    ):
        assert shown in text
    remove(published, "paged-nightly")


def test_a_job_shows_its_steps_and_logs(published: Any, browser: httpx.Client, cloud: Cloud) -> None:
    published.jobs.create_or_update(chain_job(published, "logged", tags={"note": "<b>bold</b>"}))
    finish(published, "logged")
    text = browser.get(f"/machine_learning/jobs/{WORKSPACE}/logged").text
    assert "heard hi" in text
    assert text.count("Completed") == 3
    assert "&lt;b&gt;bold&lt;/b&gt;" in text
    studio = browser.get(f"/jobs/{WORKSPACE}/logged")
    assert studio.headers["location"] == (
        f"{cloud.runtime.addresses.pages}/machine_learning/jobs/{WORKSPACE}/logged"
    )


def test_unknown_jobs_are_not_found(browser: httpx.Client) -> None:
    assert browser.get(f"/machine_learning/jobs/{WORKSPACE}/absent").status_code == 404
    assert browser.get("/machine_learning/jobs/nowhere/absent").status_code == 404
