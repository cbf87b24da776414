"""`python -m localazure` as a person uses it: everything starts, survives being killed, stops, is forgotten."""

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path

import httpx
import psutil
import pytest

from localazure.leftovers import is_alive

REPOSITORY = Path(__file__).parents[3]
CONFIG = """
ports: {azure: 0, pages: 0, functions: 0, blob: 0, queue: 0, table: 0}
workspaces: [{name: ws, resource_group: rg}]
containers: [raw]
event_grid:
  topics: [busbar]
  time_scale: 0.1
  subscriptions: [{name: all, source: busbar, function: receive_event}]
repositories: [{name: plants/fleet, webhook: /api/webhooks/github}]
functions: {app: APP}
settings: {NOTES: "{state}/notes", GREETING: "{functions}/hello"}
"""

pytestmark = [
    pytest.mark.skipif(
        not (REPOSITORY / "node_modules" / ".bin" / "azurite").exists(),
        reason="Azurite is not installed: npm ci",
    ),
    pytest.mark.timeout(120),
]


class Local:
    """A local Azure in a folder of its own, driven through its command line."""

    def __init__(self, folder: Path, app: Path = Path(__file__).parent / "app"):
        self.state = folder / "state"
        self.config = folder / "local.yaml"
        self.config.write_text(CONFIG.replace("APP", str(app)))

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self._command(*arguments), cwd=REPOSITORY, capture_output=True, text=True, timeout=90, check=False
        )

    def up(self) -> subprocess.CompletedProcess[str]:
        return self.run("up", "--config", str(self.config), "--detach")

    def _command(self, command: str, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "localazure", command, "--state", str(self.state), *arguments]

    @property
    def body(self) -> dict:
        return json.loads((self.state / "state.json").read_text())

    @property
    def pids(self) -> dict[str, int]:
        return self.body["children"] | {"supervisor": self.body["supervisor"]}

    @property
    def environment(self) -> dict[str, str]:
        script = f'set -a; . "{self.state}/environment"; env -0'
        output = subprocess.run(
            ["env", "-i", "sh", "-c", script], capture_output=True, text=True, check=True
        ).stdout
        return dict(line.split("=", 1) for line in output.split("\0") if line)

    def http(self) -> httpx.Client:
        trusting = ssl.create_default_context(cafile=self.environment["SSL_CERT_FILE"])
        return httpx.Client(base_url=self.environment["LOCALAZURE_URL"], verify=trusting, trust_env=False)

    def publish(self, identifier: str) -> None:
        """Publish an event as another program does: with the SDK, from the environment alone."""
        script = (
            "import sys; from azure.eventgrid import *; from azure.identity import DefaultAzureCredential;"
            "EventGridPublisherClient(sys.argv[1], DefaultAzureCredential()).send("
            "EventGridEvent(id=sys.argv[2], subject='s', event_type='t', data={}, data_version='1'))"
        )
        endpoint = f"{self.environment['LOCALAZURE_URL']}/topics/busbar/api/events"
        command = [sys.executable, "-c", script, endpoint, identifier]
        subprocess.run(command, env=os.environ | self.environment, check=True)

    def publish_quickly(self, identifier: str) -> None:
        """The same without starting a program."""
        key = json.loads((self.state / "secrets.json").read_text())["event_grid_key"]
        event = {"id": identifier, "subject": "s", "eventType": "t", "data": {}, "dataVersion": "1"}
        timed = event | {"eventTime": "2026-11-20T10:00:00Z"}
        with self.http() as http:
            path = "/topics/busbar/api/events"
            http.post(path, json=[timed], headers={"aeg-sas-key": key}).raise_for_status()

    def push(self, clone: Path) -> str:
        """Commit to a fresh clone and push; the commit's sha."""
        people = ["-c", "user.name=dev", "-c", "user.email=dev@example.com"]
        git = ["git", "-C", str(clone), *people]
        clone.mkdir()
        for command in (["init", "-q", "-b", "main"], ["commit", "-q", "--allow-empty", "-m", "m"]):
            subprocess.run([*git, *command], check=True)
        remote = self.environment["LOCALAZURE_GIT_PLANTS_FLEET"]
        subprocess.run([*git, "push", "-q", "--force", remote, "main"], check=True)
        return subprocess.run(
            [*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True
        ).stdout.strip()

    def notes(self) -> list[list[str]]:
        path = self.state / "notes"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.fixture
def local(tmp_path):
    one = Local(tmp_path)
    yield one
    one.run("down")


def wait_until(condition, seconds=30.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def test_the_life_of_a_local_azure(local, tmp_path):
    started = local.up()
    assert started.returncode == 0, started.stderr
    assert local.environment["GREETING"].startswith("http://127.0.0.1:")

    pages = local.environment["LOCALAZURE_PAGES_URL"]
    assert "Mailbox" in httpx.get(f"{pages}/mailbox", trust_env=False).text
    assert "/topics/busbar/api/events<" in httpx.get(pages, trust_env=False).text

    again = local.run("up", "--config", str(local.config))
    assert again.returncode == 1
    assert "running" in again.stderr
    assert local.run("reset").returncode == 1

    local.publish("first")
    first = local.push(tmp_path / "clone1")
    wait_until(lambda: sorted(local.notes()) == [["event", "first"], ["push", first]])

    _a_killed_child_is_started_again(local)
    _after_everything_was_killed_it_carries_on(local, tmp_path)

    starts = local.state / "starts"
    assert set(starts.read_text().splitlines()) == {"with Azure"}

    processes = [psutil.Process(pid) for pid in local.pids.values()]
    assert local.run("status").returncode == 0
    assert local.run("logs", "azure").returncode == 0
    assert local.run("down").returncode == 0
    assert not any(is_alive(process) for process in processes)
    assert local.run("status").returncode == 1

    (local.state / "environments").mkdir()
    (local.state / "notes").unlink()
    starts.unlink()
    assert local.run("reset").returncode == 0
    assert [path.name for path in local.state.iterdir()] == ["environments"]


def _a_killed_child_is_started_again(local):
    before = local.pids["functions"]
    os.kill(before, signal.SIGKILL)
    wait_until(lambda: local.pids["functions"] != before)
    local.publish_quickly("after the host died")
    wait_until(lambda: ["event", "after the host died"] in local.notes())
    assert "functions ended with status -9" in (local.state / "logs" / "supervisor.log").read_text()


def _after_everything_was_killed_it_carries_on(local, tmp_path):
    environment, pids = local.environment, local.pids
    for name in ("supervisor", "functions"):  # the host dies first: what comes now cannot be delivered
        os.kill(pids[name], signal.SIGKILL)
    local.publish_quickly("while the host is dead")
    os.kill(pids["azure"], signal.SIGKILL)
    sha = local.push(tmp_path / "clone2")
    assert is_alive(psutil.Process(pids["azurite"]))  # a leftover, for `up` to end
    assert local.up().returncode == 0
    assert local.pids["azurite"] != pids["azurite"]
    assert local.environment == environment
    wait_until(lambda: {"while the host is dead", sha} <= {value for _, value in local.notes()})
    assert [value for _, value in local.notes()].count(sha) == 1


def test_an_app_that_does_not_load_is_reported_and_leaves_nothing_running(tmp_path):
    app = tmp_path / "app"
    app.mkdir()
    (app / "host.json").write_text('{"version": "2.0"}')
    (app / "function_app.py").write_text("import a_module_that_is_missing\n")
    local = Local(tmp_path, app)
    failed = local.up()
    assert failed.returncode == 1
    assert "a_module_that_is_missing" in failed.stderr
    assert local.run("status").returncode == 1
    ours = [
        one
        for one in psutil.process_iter(["cmdline"])
        if str(local.state) in " ".join(one.info["cmdline"] or [])
    ]
    assert ours == []


def test_a_taken_port_is_named(tmp_path, local):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        taken = listener.getsockname()[1]
        local.config.write_text(local.config.read_text().replace("azure: 0", f"azure: {taken}"))
        failed = local.up()
    assert failed.returncode == 1
    assert str(taken) in failed.stderr


def test_a_wrong_configuration_is_named(local):
    local.config.write_text("prots: {}\n")
    failed = local.run("up", "--config", str(local.config))
    assert failed.returncode == 1
    assert "prots" in failed.stderr
