"""What a job's environment does to the job: built once for many, not built at all, only an image."""

from typing import Any

import pytest

from tests.localazure.machine_learning.conftest import Cloud, finish
from tests.localazure.machine_learning.sdk import environment

pytestmark = pytest.mark.timeout(180)


def _submit(ml: Any, name: str, **asked: Any) -> None:
    from azure.ai.ml import command
    from azure.ai.ml.entities import Environment

    ml.environments.create_or_update(Environment(name=name, version="1", **asked))
    ml.jobs.create_or_update(
        command(
            name=name,
            command="python -c 'import sys; print(sys.prefix)'",
            environment=f"azureml:{name}:1",
            compute="cpu-cluster",
        )
    )


def _log(cloud: Cloud, name: str) -> str:
    return (cloud.folder(name) / "user_logs" / "std_log.txt").read_text()


def _conda(folder: Any, text: str) -> Any:
    path = folder / "conda.yaml"
    path.write_text(text)
    return path


def test_packages_that_conda_alone_has_fail_the_job_by_name(ml: Any, cloud: Cloud, tmp_path: Any) -> None:
    conda = _conda(tmp_path, "dependencies: [python=3.13, cudatoolkit=11.8]")
    _submit(ml, "conda-only", image="ubuntu:24.04", conda_file=conda)
    job = finish(ml, "conda-only")
    assert job.status == "Failed"
    assert "cudatoolkit=11.8, which cannot be honoured" in job.properties["error"]
    assert "cudatoolkit=11.8, which cannot be honoured" in _log(cloud, "conda-only")


def test_a_build_that_fails_gives_its_log(ml: Any, cloud: Cloud, tmp_path: Any) -> None:
    lines = "[--no-index, 'no-such-package==0']"
    conda = _conda(tmp_path, f"dependencies: [python=3.13, {{pip: {lines}}}]")
    _submit(ml, "unbuildable", image="ubuntu:24.04", conda_file=conda)
    job = finish(ml, "unbuildable")
    assert job.status == "Failed"
    assert "no-such-package" in job.properties["error"]
    assert "no-such-package" in _log(cloud, "unbuildable")


def test_an_image_alone_is_a_plain_python_and_says_so(ml: Any, cloud: Cloud) -> None:
    for name in ("image-1", "image-2"):
        _submit(ml, name, image="ubuntu:24.04")
    assert finish(ml, "image-1").status == finish(ml, "image-2").status == "Completed"
    logs = [_log(cloud, name) for name in ("image-1", "image-2")]
    assert all("The image ubuntu:24.04 is not run" in log for log in logs)
    assert logs[0].splitlines()[-1] == logs[1].splitlines()[-1]  # one environment for both
    assert sum("Building the environment" in log for log in logs) <= 1


def test_environments_are_archived_and_restored(ml: Any) -> None:
    def versions() -> list[str]:
        return [item.version for item in ml.environments.list("aging")]

    for version in ("1", "2"):
        ml.environments.create_or_update(environment(name="aging", version=version))
    ml.environments.archive("aging", "1")
    assert versions() == ["2"]
    ml.environments.archive("aging")
    assert versions() == []
    assert "aging" not in {item.name for item in ml.environments.list()}
    ml.environments.restore("aging")
    assert versions() == ["2"]  # the version that was archived by itself stays so
    ml.environments.restore("aging", "1")
    assert versions() == ["2", "1"]
    assert ml.environments.get("aging", label="latest").version == "2"
