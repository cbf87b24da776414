"""What the configuration may say, and the environment that comes of it."""

import subprocess
from pathlib import Path

import pytest
from pydantic import ValidationError

from localazure import secrets
from localazure.config import Config
from localazure.environment import UnknownPlaceholderError, settings, write_environment
from localazure.runtime import open_runtime

REPOSITORY = Path(__file__).parents[3]


def a_config(tmp_path, text):
    path = tmp_path / "local.yaml"
    path.write_text(text)
    return path


PORTS = "ports: {azure: 0, pages: 0, functions: 0, blob: 0, queue: 0, table: 0}\n"


def test_placeholders_are_filled_in_and_json_is_left_alone(tmp_path):
    text = (
        PORTS
        + """
settings:
  URL: "{azure}/topics/x"
  JSON: '{"dev": "a/b"}'
  SECRET: "{secret:webhook}"
"""
    )
    runtime = open_runtime(a_config(tmp_path, text), tmp_path / "state")
    assert settings(runtime) == {
        "URL": f"{runtime.addresses.azure}/topics/x",
        "JSON": '{"dev": "a/b"}',
        "SECRET": runtime.secrets["webhook"],
    }


@pytest.mark.parametrize("placeholder", ["{azur}", "{secret:mine}"])
def test_an_unknown_placeholder_is_named(tmp_path, placeholder):
    runtime = open_runtime(
        a_config(tmp_path, PORTS + f'settings: {{KEY: "{placeholder}"}}'), tmp_path / "state"
    )
    with pytest.raises(UnknownPlaceholderError, match=r"settings\.KEY.*\{azure\}") as error:
        settings(runtime)
    assert placeholder in str(error.value)


def test_ports_and_secrets_are_chosen_once(tmp_path):
    config = a_config(tmp_path, PORTS)
    first, second = open_runtime(config, tmp_path / "state"), open_runtime(config, tmp_path / "state")
    assert first == second
    assert len(set(first.config.ports.model_dump().values())) == 6
    assert (tmp_path / "state" / "secrets.json").stat().st_mode & 0o777 == 0o600


def test_a_secret_that_is_new_joins_the_old_ones(tmp_path):
    (tmp_path / "secrets.json").write_text('{"webhook": "old"}')
    loaded = secrets.load_or_create(tmp_path)
    assert loaded["webhook"] == "old"
    assert set(loaded) == set(secrets.NAMES)
    assert secrets.load_or_create(tmp_path) == loaded


def test_a_shell_reads_the_environment_as_it_was_meant(tmp_path):
    awkward = 'it\'s {"a": 1} $HOME `x` \\'
    runtime = open_runtime(a_config(tmp_path, PORTS), tmp_path / "state")
    config = runtime.config.model_copy(update={"settings": {"AWKWARD": awkward}})
    object.__setattr__(runtime, "config", config)
    path = write_environment(runtime)
    script = f'set -a; . "{path}"; printf %s "$AWKWARD"'
    assert subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout == awkward
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"prots": {}}, "prots"),
        ({"event_grid": {"subscriptions": [{"name": "s", "source": "nowhere", "function": "f"}]}}, "nowhere"),
        ({"repositories": [{"name": "no-owner"}]}, "repositories.0.name"),
        ({"event_grid": {"time_scale": 0}}, "event_grid.time_scale"),
    ],
)
def test_a_wrong_configuration_is_refused_and_named(body, named):
    with pytest.raises(ValidationError) as error:
        Config.model_validate(body)
    assert any(named in ".".join(map(str, one["loc"])) or named in one["msg"] for one in error.value.errors())


def test_the_sample_configuration_is_complete(tmp_path):
    runtime = open_runtime(REPOSITORY / "infra" / "local.yaml", tmp_path / "state")
    filled = settings(runtime)
    assert filled["BUSBAR_EVENT_GRID_ENDPOINT"] == f"{runtime.addresses.azure}/topics/busbar/api/events"
    assert {one.source for one in runtime.config.event_grid.subscriptions} == {
        "busbar", *(workspace.name for workspace in runtime.config.workspaces)
    }  # fmt: skip
