"""Route templates and timer schedules, as tables."""

from datetime import UTC, datetime

import pytest

from localazure.functions_host.settings import SettingsError, resolve
from localazure.functions_host.templates import Template
from localazure.functions_host.timers import Schedule


@pytest.mark.parametrize(
    ("template", "path", "parameters"),
    [
        ("api/runs", "/api/runs", {}),
        ("api/runs", "/API/Runs/", {}),
        ("api/runs", "/api/runs/x", None),
        ("runs/{id}", "/runs/a%b", {"id": "a%b"}),
        ("runs/{id}", "/runs/a/b", None),
        ("runs/{id?}", "/runs", {}),
        ("runs/{id:int}", "/runs/12", {"id": "12"}),
        ("runs/{id:int}", "/runs/1a", None),
        ("runs/{id:int?}", "/runs", {}),
        (
            "runs/{id:guid}",
            "/runs/3F2504E0-4F89-11D3-9A0C-0305E82C3301",
            {"id": "3F2504E0-4F89-11D3-9A0C-0305E82C3301"},
        ),
        ("runs/{on:bool}", "/runs/True", {"on": "True"}),
        ("a.{kind}.csv", "/a.b.csv", {"kind": "b"}),
        ("a.{kind}.csv", "/axbxcsv", None),
        ("files/{*rest}", "/files/a/b", {"rest": "a/b"}),
        ("files/{*rest}", "/files", {}),
        ("{plant}/{circuit}", "/P1/C1", {"plant": "P1", "circuit": "C1"}),
        ("", "/", {}),
        ("{ignored:maxlength(0)?}", "/", {"ignored": ""}),
        ("{ignored:maxlength(0)?}", "/x", None),
        ("{code:length(2,3)}", "/abc", {"code": "abc"}),
        ("{code:length(2,3)}", "/abcd", None),
        ("{code:minlength(2)}", "/a", None),
    ],
)
def test_matching(template, path, parameters):
    assert Template.compile(template).match(path) == parameters


def test_specific_templates_come_first():
    texts = ["{*rest}", "runs/{id}", "runs/{id:int}", "runs/latest", "runs"]
    assert sorted(texts, key=lambda text: Template.compile(text).precedence)[-1] == "{*rest}"
    ranked = sorted(texts[1:4], key=lambda text: Template.compile(text).precedence)
    assert ranked == ["runs/latest", "runs/{id:int}", "runs/{id}"]


def test_unknown_constraints_are_named():
    with pytest.raises(SettingsError, match="'regex' is not supported here"):
        Template.compile("runs/{id:regex}")


@pytest.mark.parametrize(
    ("expression", "after", "due"),
    [
        ("0 */5 * * * *", "2026-01-01T00:00:00", "2026-01-01T00:05:00"),
        ("30 0 6 * * *", "2026-01-01T06:00:29", "2026-01-01T06:00:30"),
        ("30 0 6 * * *", "2026-01-01T06:00:30", "2026-01-02T06:00:30"),
        ("0 0 0 * * 1-5", "2026-01-02T12:00:00", "2026-01-05T00:00:00"),
        ("*/10 * * * * *", "2026-01-01T00:00:55", "2026-01-01T00:01:00"),
    ],
)
def test_schedules(expression, after, due):
    moment = datetime.fromisoformat(after).replace(tzinfo=UTC)
    assert Schedule(expression).after(moment) == datetime.fromisoformat(due).replace(tzinfo=UTC)


@pytest.mark.parametrize("expression", ["* * * * *", "0 0 25 * * *", "daily", "00:05:00"])
def test_other_schedules_are_refused(expression):
    with pytest.raises(SettingsError, match="is not NCRONTAB"):
        Schedule(expression)


def test_app_settings_in_bindings(monkeypatch):
    monkeypatch.setenv("EVERY", "0 0 6 * * *")
    assert resolve("%EVERY%") == "0 0 6 * * *"
    with pytest.raises(SettingsError, match="app setting MISSING, which is not set"):
        resolve("%MISSING%")
