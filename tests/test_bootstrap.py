"""Every client that an activity or route asks for exists, under the keyword it asks by."""

import ast
import importlib
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from activities import ACTIVITIES
from busbar import bootstrap
from busbar.settings import Settings
from busbar.wire import request_type, result_type
from orchestrators import ORCHESTRATORS
from tests.activities.bench import SETTINGS

ROOT = Path(__file__).parent.parent


def bound_routes() -> list[Callable[..., Any]]:
    """What `function_app.py` binds: `bind(module.function)`."""
    tree = ast.parse((ROOT / "function_app.py").read_text())
    calls = [
        node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "bind"
    ]
    named = {ast.unparse(call.args[0]) for call in calls} - {"activity"}
    return [
        getattr(importlib.import_module(f"busbar.web.{module}"), function)
        for module, _, function in (name.partition(".") for name in sorted(named))
    ]


ROUTES = bound_routes()
BOUND = [*ACTIVITIES, *ROUTES]


def keywords(function: Callable[..., Any]) -> list[str]:
    parameters = inspect.signature(function).parameters.values()
    return [item.name for item in parameters if item.kind is item.KEYWORD_ONLY]


def name(function: Callable[..., Any]) -> str:
    return function.__qualname__


def test_routes_were_found():
    assert len(ROUTES) > 10


@pytest.mark.parametrize("function", BOUND, ids=name)
def test_every_keyword_is_a_known_client(function: Callable[..., Any]):
    assert set(keywords(function)) <= {*bootstrap.CLIENTS, "settings"}


@pytest.mark.parametrize("function", ACTIVITIES, ids=name)
def test_an_activity_gets_the_client_that_it_is_typed_for(function: Callable[..., Any]):
    hints = get_type_hints(function)
    for keyword in keywords(function):
        expected = Settings if keyword == "settings" else client_class(keyword)
        assert hints[keyword] is expected, keyword


@pytest.mark.parametrize("keyword", bootstrap.CLIENTS)
def test_every_client_is_built_from_the_settings_alone(keyword: str):
    """Without a call: a cold start builds them all."""
    assert client_class(keyword)(SETTINGS)


@pytest.mark.parametrize("function", [*ACTIVITIES, *ORCHESTRATORS], ids=name)
def test_what_crosses_a_durable_boundary_is_typed(function: Callable[..., Any]):
    assert request_type(function) not in (Any, object)
    assert result_type(function) not in (Any, object)


def test_a_bound_function_has_its_name_and_its_clients(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(bootstrap, "client", {"ledger": "the ledger", "settings": "the settings"}.__getitem__)

    def route(value: int, *, settings: str, ledger: str) -> tuple[int, str, str]:
        return value, settings, ledger

    bound = bootstrap.bind(route)
    assert (bound.__name__, bound(7)) == ("route", (7, "the settings", "the ledger"))


def client_class(keyword: str) -> Any:
    module, kind = bootstrap.CLIENTS[keyword]
    return getattr(importlib.import_module(module), kind)
