"""A whole local Azure of its own with the real app on it, as `python -m localazure up` starts it."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from ruamel.yaml import YAML

from busbar.api import Api, ApiError, Snapshot
from busbar.domain.circuits import CircuitKey
from busbar.domain.policies import Stage
from demo.server import read_environment
from localazure import resolver
from localazure.config import Ports

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENTS = "LOCALAZURE_ENVIRONMENT_CACHE"
LOOK_SECONDS = 0.2
STEP_SECONDS = 240.0
LOG_LINES = 40

WORKSPACES = {
    stage: (f"mlops-{stage}-rg", f"mlops-{stage}-workspace") for stage in (Stage.DEV, Stage.TEST, Stage.PROD)
}
REGISTRY = "mlops-central-registry"
REPOSITORY = "plants/fleet"


class Stack:
    """One local Azure: its processes, its addresses, and the real SDKs pointed at it."""

    def __init__(self, folder: Path, **settings: Any):
        self.state = folder / "state"
        self.config = folder / "local.yaml"
        self.config.write_text(json.dumps(_config() | settings))  # JSON is YAML

    # ---- processes -------------------------------------------------------------------------------------------

    def up(self) -> None:
        started = self._command("up", "--config", str(self.config), "--detach")
        assert started.returncode == 0, f"localazure does not start:\n{started.stderr}\n{self.logs()}"

    def down(self) -> None:
        self._command("down")

    def kill(self) -> list[psutil.Process]:
        """SIGKILL to the supervisor, what it started, and all that these started: jobs too. Who was killed."""
        supervisor = psutil.Process(json.loads((self.state / "state.json").read_text())["supervisor"])
        killed = [supervisor, *supervisor.children(recursive=True)]
        for process in killed:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(killed, timeout=10)
        return killed

    def commands(self) -> list[list[str]]:
        """The command lines of everything that runs below the supervisor."""
        supervisor = psutil.Process(json.loads((self.state / "state.json").read_text())["supervisor"])
        found: list[list[str]] = []
        for process in supervisor.children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                found.append(process.cmdline())
        return found

    def _command(self, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "localazure", name, "--state", str(self.state), *arguments]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=180, check=False)

    def logs(self) -> str:
        """The ends of the emulators' logs, for a failure's message."""
        ends = [
            f"==> {path.name}\n" + "\n".join(path.read_text(errors="replace").splitlines()[-LOG_LINES:])
            for path in (self.state / "logs" / f"{name}.log" for name in ("functions", "azure", "supervisor"))
            if path.exists()
        ]
        return "\n".join(ends)

    # ---- addresses -------------------------------------------------------------------------------------------

    @cached_property
    def environment(self) -> dict[str, str]:
        return read_environment((self.state / "environment").read_text())

    @cached_property
    def api(self) -> Api:
        return Api(self.environment["BUSBAR_PUBLIC_URL"], self.environment["LOCALAZURE_FUNCTIONS_KEY"])

    @cached_property
    def functions(self) -> httpx.Client:
        """The functions host, with its key."""
        headers = {"x-functions-key": self.environment["LOCALAZURE_FUNCTIONS_KEY"]}
        url = self.environment["BUSBAR_PUBLIC_URL"]
        return httpx.Client(base_url=url, headers=headers, timeout=60, trust_env=False)

    @cached_property
    def pages(self) -> httpx.Client:
        """The emulators' own pages and administration."""
        return httpx.Client(base_url=self.environment["LOCALAZURE_PAGES_URL"], timeout=60, trust_env=False)

    @property
    def remote(self) -> Path:
        return Path(self.environment["LOCALAZURE_GIT_PLANTS_FLEET"])

    # ---- looking ---------------------------------------------------------------------------------------------

    def until[T](self, what: str, look: Callable[[], T | None], seconds: float = STEP_SECONDS) -> T:
        """Look until there is something true to see; a host that is just starting is asked again."""
        deadline = time.monotonic() + seconds
        while True:
            with suppress(ApiError, httpx.TransportError):
                if seen := look():
                    return seen
            if time.monotonic() > deadline:
                raise AssertionError(f"{what}: not within {seconds:.0f} s. {self._standing()}")
            time.sleep(LOOK_SECONDS)

    def _standing(self) -> str:
        try:
            snapshot = self.api.snapshot()
        except ApiError as error:
            return str(error)
        runs = [f"{run.id}: {run.status}: {run.sentence}" for run in snapshot.runs]
        circuits = [
            f"{key}: {one.record.verdict}: {one.record.reason}" for key, one in snapshot.circuits.items()
        ]
        return "\n".join(["The board says:", *runs, *circuits, *(ask.id for ask in snapshot.pending)])

    def snapshot(self) -> Snapshot:
        return self.api.snapshot()

    def finished(self, instance: str, seconds: float = STEP_SECONDS) -> Any:
        """What an orchestration returned."""
        ended = self.until(
            instance, lambda: one if (one := self.api.instance(instance)).finished else None, seconds
        )
        assert ended.status == "Completed", f"{instance} {ended.status}: {ended.output}"
        return ended.output

    def instances(self) -> set[str]:
        """The ids of all orchestrations there ever were."""
        found: set[str] = set()
        token = ""
        while True:
            headers = {"x-ms-continuation-token": token} if token else {}
            page = self.functions.get(
                "/runtime/webhooks/durabletask/instances", params={"showInput": "false"}, headers=headers
            ).raise_for_status()
            found |= {one["instanceId"] for one in page.json()}
            token = page.headers.get("x-ms-continuation-token", "")
            if not token:
                return found

    def settled(self) -> None:
        """Return once nothing is on its way any more: no webhook and no event waits for its delivery."""

        def quiet() -> bool:
            pushes = self.pages.get("/admin/git/deliveries").raise_for_status().json()["deliveries"]
            events = self.pages.get("/admin/event_grid").raise_for_status().json()["waiting"]
            return not events and all(one["status"] != "queued" for one in pushes)

        self.until("webhooks and events to be delivered", quiet, 60)

    def status(self, commit: str) -> tuple[str, str] | None:
        """(state, description) of a commit's latest training status."""
        path = f"/api/v3/repos/{REPOSITORY}/commits/{commit}/status"
        token = {"authorization": f"Bearer {self.environment['BUSBAR_REPOSITORY_TOKEN']}"}
        found = self.pages.get(path, headers=token).raise_for_status().json()["statuses"]
        return next(
            ((one["state"], one["description"]) for one in found if one["context"] == "busbar/training"), None
        )

    # ---- Azure, through the real SDKs ------------------------------------------------------------------------

    @cached_property
    def credential(self) -> Any:
        from azure.identity import DefaultAzureCredential

        return DefaultAzureCredential()

    def workspace(self, stage: Stage) -> Any:
        from azure.ai.ml import MLClient

        return MLClient(self.credential, self.environment["BUSBAR_SUBSCRIPTION_ID"], *WORKSPACES[stage])

    def registry(self) -> Any:
        from azure.ai.ml import MLClient

        return MLClient(self.credential, registry_name=REGISTRY)

    def jobs(self, stage: Stage = Stage.DEV) -> set[str]:
        """The names of a workspace's jobs."""
        return {job.name for job in self.workspace(stage).jobs.list()}

    def models(self, key: CircuitKey) -> dict[str, dict[str, str]]:
        """A circuit's registered models in dev: version → tags."""
        name = f"{key.plant_id}_{key.circuit_id}_model"
        return {model.version: dict(model.tags) for model in self.workspace(Stage.DEV).models.list(name=name)}

    def mlflow_run(self, run: str) -> dict[str, Any]:
        """What MLflow knows of a run in dev."""
        group, name = WORKSPACES[Stage.DEV]
        workspace = (
            f"/subscriptions/{self.environment['BUSBAR_SUBSCRIPTION_ID']}/resourceGroups/{group}"
            f"/providers/Microsoft.MachineLearningServices/workspaces/{name}"
        )
        path = f"/mlflow/v1.0{workspace}/api/2.0/mlflow/runs/get"
        token = self.credential.get_token("https://ml.azure.com/.default").token
        headers = {"authorization": f"Bearer {token}"}
        answer = self.pages.get(path, params={"run_id": run}, headers=headers)
        return answer.raise_for_status().json()["run"]

    def download(self, container: str, prefix: str, folder: Path) -> Path:
        """Copy a container's blobs below `prefix` into `folder`; the folder of the prefix."""
        from azure.storage.blob import ContainerClient

        account = self.environment["LOCALAZURE_STORAGE_IP"]
        with ContainerClient.from_container_url(f"{account}/{container}", self.credential) as blobs:
            for name in blobs.list_blob_names(name_starts_with=prefix):
                target = folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(blobs.download_blob(name).readall())
        return folder / prefix


@contextmanager
def running(folder: Path, **settings: Any) -> Generator[Stack]:
    """A stack that is up; this process finds it in its environment. `settings` replace those of `infra/local.yaml`."""
    stack = Stack(folder, **settings)
    resolver.install()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(ENVIRONMENTS, os.environ.get(ENVIRONMENTS, str(ROOT / ".localazure" / "environments")))
        try:
            stack.up()
            for name, value in stack.environment.items():
                patch.setenv(name, value)
            yield stack
        finally:
            stack.down()


def _config() -> dict[str, Any]:
    """`infra/local.yaml` on free ports."""
    config: dict[str, Any] = YAML(typ="safe").load((ROOT / "infra" / "local.yaml").read_text())
    config["ports"] = dict.fromkeys(Ports.model_fields, 0)
    config["functions"] = {"app": str(ROOT)}
    return config
