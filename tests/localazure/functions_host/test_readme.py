"""The host's README names every option, address and setting there is, and no option that there is not."""

import re
from pathlib import Path

import pytest
import typer.main
from pydantic import BaseModel

from localazure.functions_host import (
    access,
    cli,
    clock_control,
    schedules,
    settings,
)
from localazure.functions_host.access import Access, Keys
from localazure.functions_host.admin import Admin
from localazure.functions_host.clock_control import ClockControl
from localazure.functions_host.durable import management
from localazure.functions_host.durable.management import DurableHttp
from localazure.functions_host.http import middleware
from localazure.task_hub.clock import ManualClock

README = (Path(cli.__file__).parent / "README.md").read_text()
COMMANDS = typer.main.get_command(cli.app).commands
PARAMETERS = [parameter for command in COMMANDS.values() for parameter in command.params]
OPTIONS = {option for parameter in PARAMETERS for option in parameter.opts if option.startswith("--")}
VARIABLES = {parameter.envvar for parameter in PARAMETERS if parameter.envvar}
VARIABLES |= {access.KEY_VARIABLE, middleware.LIMIT_SETTING, schedules.ZONE_SETTING}


def addresses():
    keys = Access(Keys())
    durable = DurableHttp(None, None, keys, "").routes()
    admin = Admin(Path(), None, [], [], "", "", lambda: None).routes(keys)
    clock = ClockControl(ManualClock(0), None, []).routes(keys)
    for route in (*durable, *admin, *clock):
        methods = route.methods - {"HEAD"}
        method = "GET" if "GET" in methods else methods.pop()
        yield f"{method} {route.path.removeprefix(management.PATH)}"


def keys_of(model: type[BaseModel], prefix: str = ""):
    for field in model.model_fields.values():
        name = prefix + field.alias
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from keys_of(inner, f"{name}.")
        else:
            yield name


@pytest.mark.parametrize("command", COMMANDS)
def test_commands(command):
    assert f"`{command}" in README or f"functions_host {command}" in README


@pytest.mark.parametrize("text", sorted(OPTIONS | VARIABLES))
def test_options_and_variables(text):
    assert re.search(rf"`{text}[ `]", README)


@pytest.mark.parametrize("text", sorted(set(addresses()) | set(keys_of(settings.HostSettings))))
def test_addresses_and_settings(text):
    assert f"| `{text}` |" in README


def test_options_that_are_named_exist():
    assert set(re.findall(r"--[a-z][a-z-]+", README)) <= OPTIONS


def test_prefixes():
    assert f"`{management.PATH}`" in README
    assert f"`POST {clock_control.PATH}`" in README
