"""`down` and `reset`: end what runs, forget what it remembered."""

import shutil

import psutil

from localazure import leftovers
from localazure.commands.screen import DEFAULT_STATE, StateOption, console, fail, wait_until
from localazure.supervisor import SupervisorError, acquire, holder

_STOP_SECONDS = 30.0

# What a run leaves behind; `environments`, the cache of jobs' Python environments, is kept by a reset.
_LEFT_BEHIND = (
    "azurite", "functions", "git", "identity", "jobs", "logs", "online", "tls",
    "*.db", "*.db-*", "*.sqlite", "*.sqlite-*", "environment", "lock", "ports.json", "secrets.json", "state.json",
)  # fmt: skip


def down(state: StateOption = DEFAULT_STATE) -> None:
    """End what runs in the state folder; what it remembers stays."""
    state = state.absolute()
    if supervisor := holder(state):
        process = psutil.Process(supervisor)
        process.terminate()
        wait_until(
            lambda: holder(state) is None and not leftovers.is_alive(process),
            _STOP_SECONDS,
            f"The supervisor {supervisor} does not end",
        )
    leftovers.end(leftovers.find(state))
    console.print("Down.")


def reset(state: StateOption = DEFAULT_STATE) -> None:
    """Forget everything but the cache of jobs' Python environments; refuses while it runs."""
    state = state.absolute()
    if not state.exists():
        return
    try:
        with acquire(state):
            leftovers.end(leftovers.find(state))
            for path in (path for pattern in _LEFT_BEHIND for path in state.glob(pattern)):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
    except SupervisorError as error:
        fail(str(error))
    console.print("Reset.")
