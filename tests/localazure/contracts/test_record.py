"""The committed record and the README say what the code serves."""

import re

import pytest
from ruamel.yaml import YAML

from localazure.config import Config
from scripts import contracts

RENEW = "python -m scripts.contracts renews it"


@pytest.fixture(scope="module")
def served() -> list[str]:
    return contracts.served()


def test_every_route_of_the_code_is_in_the_record_and_no_other(served):
    assert sorted(contracts.read()["routes"]) == served, RENEW


def test_the_readme_lists_what_the_record_says():
    readme = contracts.README.read_text()
    assert readme == contracts.with_blocks(readme, contracts.read()), RENEW


def test_the_readme_knows_every_command():
    from localazure.cli import app

    names = {one.callback.__name__ for one in app.registered_commands if one.callback}
    names |= {one.name for one in app.registered_groups}
    described = set(re.findall(r"^\| `(\w+)", contracts.README.read_text(), re.MULTILINE))
    assert names - described == set()


def test_the_annotated_configuration_is_one():
    text = re.search(r"```yaml\n(.*?)```", contracts.README.read_text(), re.DOTALL)
    assert text
    assert Config.model_validate(YAML(typ="safe").load(text[1])).workspaces


def test_a_recording_replaces_what_was_known_and_routes_of_the_code_what_was_not():
    old = {"checked": "2026-01-01", "routes": {"GET /a": {"v1": ["response"]}, "GET /gone": {}}}
    kept = contracts.renewed(old, ["GET /a", "GET /b"], None)
    assert (kept["checked"], kept["routes"]) == ("2026-01-01", {"GET /a": {"v1": ["response"]}, "GET /b": {}})
    fresh = contracts.renewed(old, ["GET /a", "GET /b"], {"GET /b": {"v2": []}})
    assert fresh["checked"] > "2026-01-01"
    assert fresh["routes"] == {"GET /a": {}, "GET /b": {"v2": []}}


def test_paths_that_differ_in_the_asset_alone_are_one_row_if_all_have_it():
    kinds = ("codes", "components", "data", "environments", "models")
    record = {"routes": {f"GET {{ws}}/{kind}/{{name}}": {} for kind in kinds}, "missing": []}
    assert contracts.table(record).count("| GET |") == 1
    del record["routes"]["GET {ws}/models/{name}"]
    assert contracts.table(record).count("| GET |") == 4
