"""Where activities and routes get their clients: built once a process, by the name of the keyword."""

import inspect
import os
from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any

from busbar.settings import Settings

# keyword of an activity or route → (module, class); each class is built from the settings
CLIENTS = {
    "ml": ("busbar.clients.machine_learning", "MachineLearning"),
    "blobs": ("busbar.clients.blobs", "Blobs"),
    "records": ("busbar.clients.records", "Records"),
    "releases": ("busbar.clients.releases", "Releases"),
    "approvals": ("busbar.clients.approvals", "Approvals"),
    "audit": ("busbar.clients.audit", "Audit"),
    "drifts": ("busbar.clients.drifts", "Drifts"),
    "environments": ("busbar.clients.environments", "Environments"),
    "evidence": ("busbar.clients.evidence", "Evidence"),
    "ledger": ("busbar.clients.ledger", "Ledger"),
    "events": ("busbar.clients.event_grid", "Events"),
    "mail": ("busbar.clients.email", "Mail"),
    "reports": ("busbar.clients.reports", "Reports"),
    "keys": ("busbar.clients.keys", "Keys"),
    "repository": ("busbar.clients.repositories", "Repository"),
}


@cache
def settings() -> Settings:
    """The app's settings; raises `SettingsError` naming the variable."""
    return Settings.from_environment(os.environ)


@cache
def client(keyword: str) -> Any:
    """The client that a keyword stands for."""
    if keyword == "settings":
        return settings()
    module, name = CLIENTS[keyword]
    return getattr(import_module(module), name)(settings())


def clients_of(function: Callable[..., Any]) -> dict[str, Any]:
    """The clients that a function asks for by its keyword-only parameters."""
    parameters = inspect.signature(function).parameters.values()
    return {item.name: client(item.name) for item in parameters if item.kind is item.KEYWORD_ONLY}


def bind(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function with its clients supplied when it is called."""

    def bound(*values: Any) -> Any:
        return function(*values, **clients_of(function))

    bound.__name__ = function.__name__
    return bound
