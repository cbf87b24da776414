"""Azure Machine Learning, Event Grid, identity, e-mail and a git host on this machine."""

import typer

from localazure.commands.down import down, reset
from localazure.commands.env import env
from localazure.commands.logs import logs
from localazure.commands.status import status
from localazure.commands.up import up
from localazure.faults.cli import app as faults

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
for command in (up, down, status, logs, env, reset):
    app.command()(command)
app.add_typer(faults, name="faults")
