"""`up --only`, `status`, `env` and `logs` of one running local Azure, as a person and as another program use them."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[3]
ROUGH = 'it\'s "quoted" $HOME `date` \\n\nand a second line'
CONFIG = """
ports: {azure: 0, pages: 0, functions: 0, blob: 0, queue: 0, table: 0}
workspaces: [{name: ws, resource_group: rg}]
containers: [raw]
"""

pytestmark = [
    pytest.mark.skipif(
        not (REPOSITORY / "node_modules" / ".bin" / "azurite").exists(),
        reason="Azurite is not installed: npm ci",
    ),
    pytest.mark.timeout(120),
]


def localazure(folder, *arguments, **options):
    """Run the command in `folder`, where the configuration lies."""
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "COLUMNS": "120"}
    command = [sys.executable, "-m", "localazure", *arguments]
    return subprocess.run(
        command,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
        **options,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder whose localazure.yaml is up, but for the functions host."""
    folder = tmp_path_factory.mktemp("commands")
    (folder / "localazure.yaml").write_text(f"{CONFIG}settings: {json.dumps({'ROUGH': ROUGH})}\n")
    started = localazure(folder, "up", "--only", "azure", "--detach")
    assert started.returncode == 0, started.stderr
    yield folder
    assert localazure(folder, "down").returncode == 0


def test_only_what_was_named_runs_and_status_shows_it(folder):
    shown = localazure(folder, "status")
    assert shown.returncode == 0
    lines = {line.split()[0]: line for line in shown.stdout.splitlines() if line.strip()}
    assert {"azurite", "azure", "supervisor", "Azure", "Blobs"} <= set(lines)
    assert not {"functions", "App"} & set(lines)
    for name in ("azurite", "azure", "supervisor"):
        assert "ready" in lines[name]
        assert " MB" in lines[name]


def test_what_does_not_answer_is_said(folder):
    state = folder / ".localazure" / "state.json"
    right = state.read_text()
    body = json.loads(right)
    state.write_text(json.dumps(body | {"ports": body["ports"] | {"azure": [1]}}))
    try:
        shown = localazure(folder, "status")
    finally:
        state.write_text(right)
    assert shown.returncode == 3
    assert "does not answer on port 1" in shown.stdout


def test_nothing_runs_elsewhere(tmp_path):
    for command in ("status", "env", "logs"):
        refused = localazure(tmp_path, command)
        assert refused.returncode == 1
        assert str(tmp_path) in refused.stderr
        assert refused.stdout == ""


def test_an_unknown_part_is_named(tmp_path):
    refused = localazure(tmp_path, "up", "--only", "azure,mainframe")
    assert refused.returncode == 2
    assert "mainframe" in refused.stderr


def test_a_part_that_is_not_configured_is_named(tmp_path):
    (tmp_path / "localazure.yaml").write_text(CONFIG)
    refused = localazure(tmp_path, "up", "--only", "functions")
    assert refused.returncode == 1
    assert "has no `functions`" in refused.stderr


def test_what_is_not_yaml_is_said_in_a_sentence(tmp_path):
    (tmp_path / "localazure.yaml").write_text("workspaces: [")
    refused = localazure(tmp_path, "up")
    assert refused.returncode == 1
    assert "localazure.yaml is not YAML" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_every_form_of_the_variables_says_the_same(folder):
    as_json = json.loads(localazure(folder, "env", "--format", "json").stdout)
    assert as_json["ROUGH"] == ROUGH
    show = f'exec "{sys.executable}" -c "import json, os; print(json.dumps(dict(os.environ)))"'
    script = f"{localazure(folder, 'env').stdout}\n{show}"
    evaluated = subprocess.run(
        ["env", "-i", "sh"], input=script, capture_output=True, text=True, check=True
    ).stdout
    assert {name: json.loads(evaluated)[name] for name in as_json} == as_json
    lines = localazure(folder, "env", "--format", "dotenv").stdout.splitlines()
    assert f"AZURE_SUBSCRIPTION_ID='{as_json['AZURE_SUBSCRIPTION_ID']}'" in lines
    assert r'ROUGH="it' in "\n".join(lines)
    assert len(lines) == len(as_json)


def test_another_program_finds_azure_with_the_variables_alone(folder):
    """A token, and a blob below a name that the system need not resolve."""
    program = (
        "import os; from azure.identity import DefaultAzureCredential;"
        "from azure.storage.blob import BlobServiceClient;"
        "port = os.environ['LOCALAZURE_STORAGE_IP'].split(':')[2].split('/')[0];"
        "address = f'https://devstoreaccount1.blob.localhost:{port}';"
        "print([one.name for one in BlobServiceClient(address, DefaultAzureCredential()).list_containers()])"
    )
    variables = json.loads(localazure(folder, "env", "--format", "json").stdout)
    clean = {"PATH": os.environ["PATH"], **variables}
    listed = subprocess.run(
        [sys.executable, "-c", program], env=clean, cwd="/", capture_output=True, text=True, check=False
    )
    assert listed.returncode == 0, listed.stderr
    assert "'raw'" in listed.stdout


def test_logs_show_the_end_and_what_is_written_then(folder):
    log = folder / ".localazure" / "logs" / "azure.log"
    first = log.read_text().splitlines()[-1]
    assert localazure(folder, "logs", "azure", "-n", "1").stdout.splitlines() == [first]
    unknown = localazure(folder, "logs", "mainframe")
    assert unknown.returncode == 1
    assert "azurite" in unknown.stderr
    command = [sys.executable, "-m", "localazure", "logs", "azure", "--follow", "-n", "1"]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "PYTHONUNBUFFERED": "1", "COLUMNS": "120"}
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True
    ) as following:
        giving_up = threading.Timer(30, following.kill)
        giving_up.start()
        try:
            assert following.stdout is not None
            assert following.stdout.readline().rstrip("\n") == first
            with log.open("a") as more:
                more.write("what comes\n")
            assert following.stdout.readline() == "what comes\n"
        finally:
            giving_up.cancel()
            following.kill()


def test_without_a_configuration_the_built_in_one_is_meant(tmp_path, monkeypatch):
    from localazure.commands.up import usual_config
    from localazure.config import Config

    monkeypatch.chdir(tmp_path)
    assert Config.read(usual_config()).workspaces[0].name == "local-workspace"
    for path in ("infra/local.yaml", "localazure.yaml"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text("{}")
        assert usual_config() == Path(path)
