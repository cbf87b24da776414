"""host.json, local.settings.json and the keys, as tables."""

import json
import os
import stat
from datetime import timedelta

import pytest

from localazure.functions_host.access import KEY_VARIABLE, Keys, load_keys
from localazure.functions_host.http.middleware import LIMIT_SETTING, body_limit
from localazure.functions_host.settings import (
    HostSettings,
    SettingsError,
    load_local_settings,
    resolve,
    time_span,
)


@pytest.fixture
def read(tmp_path):
    def written(content):
        text = content if isinstance(content, str) else json.dumps(content)
        (tmp_path / "host.json").write_text(text)
        return HostSettings.read(tmp_path)

    return written


def durable(**settings):
    return {"extensions": {"durableTask": settings}}


def http(**settings):
    return {"extensions": {"http": settings}}


def test_an_empty_host_json_means_azures_defaults(read):
    settings = read({})
    assert (settings.http.route_prefix, settings.durable.hub_name) == ("api", "TestHubName")
    assert settings.durable.max_concurrent_activity_functions == 10
    assert settings.function_timeout is None


def test_what_is_honoured_is_read(read, monkeypatch):
    monkeypatch.setenv("HUB", "Mine")
    settings = read(
        {
            "version": "2.0",
            "functionTimeout": "1.00:05:30",
            "extensions": {
                "http": {"routePrefix": "/x/", "maxConcurrentRequests": 5, "customHeaders": {"A": "b"}},
                "durableTask": {
                    "hubName": "%HUB%",
                    "defaultVersion": "1.2",
                    "versionMatchStrategy": "Strict",
                    "versionFailureStrategy": "Fail",
                    "maxConcurrentEntityFunctions": 3,
                },
            },
            "logging": {"logLevel": {"default": "warning"}},
        }
    )
    assert settings.function_timeout == timedelta(days=1, minutes=5, seconds=30)
    assert settings.http.route_prefix == "x"
    assert settings.http.custom_headers == {"A": "b"}
    assert (settings.durable.hub_name, settings.durable.default_version) == ("Mine", "1.2")
    assert settings.durable.max_concurrent_entity_functions == 3
    assert settings.logging.log_level == {"default": "Warning"}


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (
            durable(maxConcurrentActivityFunctions="many"),
            "durableTask.maxConcurrentActivityFunctions: .*integer.*'?many",
        ),
        (
            durable(maxConcurrentActivityFunctions=0),
            "durableTask.maxConcurrentActivityFunctions: .*greater than or equal to 1",
        ),
        (
            durable(versionMatchStrategy="Newest"),
            "versionMatchStrategy: .*'None', 'Strict' or 'CurrentOrOlder'",
        ),
        (durable(hubName="%NOT_SET%"), "app setting NOT_SET, which is not set"),
        (http(routePrefix=None), "http.routePrefix: .*string"),
        (http(customHeaders={"A": 1}), "http.customHeaders.A: .*string"),
        ({"extensions": []}, "extensions: .*dictionary"),
        ({"functionTimeout": "5 minutes"}, 'functionTimeout: a time such as "00:10:00"'),
        ({"functionTimeout": 5}, "functionTimeout: a time"),
        ({"version": "1.0"}, "version: Input should be '2.0'"),
        ({"logging": {"logLevel": {"default": "Loud"}}}, "logLevel.default: "),
        ('{"a": 1,\n // why\n}', "is not JSON.*line 2 column"),
        ("[]", "is not a JSON object"),
    ],
)
def test_a_wrong_setting_is_named_with_its_file_and_key(read, tmp_path, content, complaint):
    with pytest.raises(SettingsError, match=complaint) as raised:
        read(content)
    assert str(tmp_path / "host.json") in str(raised.value) or "NOT_SET" in complaint


def test_what_is_not_honoured_is_named(read):
    content = {
        "extensionBundle": {"id": "x"},
        "healthMonitor": {},
        "retry": {"strategy": "fixedDelay"},
        "extensions": {"queues": {}, "durableTask": {"extendedSessionsEnabled": True, "storageProvider": {}}},
        "logging": {"applicationInsights": {}, "console": {}},
    }
    assert read(content).not_honoured() == [
        "extensions.durableTask.extendedSessionsEnabled",
        "extensions.queues",
        "healthMonitor",
        "logging.console",
        "retry",
    ]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ({"IsEncrypted": True}, "IsEncrypted: encrypted settings cannot be read"),
        ({"Values": []}, "Values: is not an object"),
        ({"Values": {"A": {"b": 1}}}, "Values.A: an app setting is a text"),
    ],
)
def test_local_settings_that_cannot_be_used_are_named(tmp_path, content, complaint):
    (tmp_path / "local.settings.json").write_text(json.dumps(content))
    with pytest.raises(SettingsError, match=complaint):
        load_local_settings(tmp_path, {})


def test_local_settings_become_texts_and_yield_to_the_environment(tmp_path):
    values = {"A": "file", "B": "file", "N": 5, "T": True, "E": None}
    (tmp_path / "local.settings.json").write_text(json.dumps({"Values": values}))
    environment = {"A": "environment"}
    load_local_settings(tmp_path, environment)
    assert environment == {"A": "environment", "B": "file", "N": "5", "T": "true", "E": ""}


def test_app_settings_in_bindings(monkeypatch):
    monkeypatch.setenv("EVERY", "0 0 6 * * *")
    assert resolve("%EVERY%") == "0 0 6 * * *"
    with pytest.raises(SettingsError, match="app setting MISSING, which is not set"):
        resolve("%MISSING%")


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("00:05:00", timedelta(minutes=5)),
        ("1.12:00:00", timedelta(days=1, hours=12)),
        ("24:00:00", None),
        ("00:60:00", None),
        ("0 0 6 * * *", None),
    ],
)
def test_time_spans(text, span):
    assert time_span(text) == span


@pytest.mark.parametrize("text", ["-1", "1 MB", "1.5"])
def test_a_body_limit_is_a_number_of_bytes(monkeypatch, text):
    monkeypatch.setenv(LIMIT_SETTING, text)
    with pytest.raises(SettingsError, match="is not a number of bytes"):
        body_limit()


def test_keys_are_made_once_and_kept_from_others(tmp_path, monkeypatch):
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    first = load_keys(tmp_path, ["mine"])
    again = load_keys(tmp_path, ["mine", "yours"])
    assert again == Keys(first.master, first.system, first.host, again.functions)
    assert again.functions["mine"] == first.functions["mine"]
    assert len({first.master, first.system, first.host, *again.functions.values()}) == 5
    assert stat.S_IMODE(os.stat(tmp_path / "keys.json").st_mode) == 0o600
    assert load_keys(tmp_path) == again


def test_the_environments_key_stands_for_all_but_the_functions_own(tmp_path, monkeypatch):
    monkeypatch.setenv(KEY_VARIABLE, "given")
    keys = load_keys(tmp_path, ["mine"])
    assert (keys.master, keys.system, keys.host) == ("given", "given", "given")
    assert keys.functions["mine"] != "given"
    assert "given" not in (tmp_path / "keys.json").read_text()
