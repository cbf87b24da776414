"""Settings: read from the environment, wrong ones named, secrets kept out of sight."""

import json

import pytest

from busbar.domain.policies import Stage
from busbar.settings import Settings, SettingsError, Workspace

GOOD = {
    "BUSBAR_SUBSCRIPTION_ID": "00000000-0000-0000-0000-000000000001",
    "BUSBAR_WORKSPACES": json.dumps(
        {"dev": "rg-dev/ws-dev", "test": "rg-test/ws-test", "prod": "rg-prod/ws-prod"}
    ),
    "BUSBAR_REGISTRY": "registry",
    "BUSBAR_LOCATION": "eastus",
    "BUSBAR_BLOB_URL": "https://plantdata.blob.core.windows.net/",
    "BUSBAR_TABLE_URL": "https://plantdata.table.core.windows.net",
    "BUSBAR_EVENT_GRID_ENDPOINT": "https://busbar.eastus-1.eventgrid.azure.net/api/events",
    "BUSBAR_EMAIL_ENDPOINT": "https://busbar.communication.azure.com",
    "BUSBAR_EMAIL_SENDER": "DoNotReply@example.com",
    "BUSBAR_REPOSITORY_API": "https://api.github.com",
    "BUSBAR_REPOSITORY": "plants/fleet",
    "BUSBAR_REPOSITORY_TOKEN": "hidden-token",
    "BUSBAR_WEBHOOK_SECRET": "hidden-secret",
    "BUSBAR_PUBLIC_URL": "https://busbar.example.com",
}


def test_a_whole_environment_is_read():
    settings = Settings.from_environment(GOOD)
    assert settings.workspaces[Stage.PROD] == Workspace("rg-prod", "ws-prod")
    assert settings.blob_url == "https://plantdata.blob.core.windows.net"
    assert settings.sensor_table == "abfss://sensors@plantdata.dfs.core.windows.net/readings"
    assert settings.forecast_table == "abfss://predictions@plantdata.dfs.core.windows.net/forecasts"


def test_secrets_are_not_shown():
    assert "hidden" not in repr(Settings.from_environment(GOOD))


@pytest.mark.parametrize("variable", GOOD)
@pytest.mark.parametrize("value", ["", "  ", None])
def test_a_missing_variable_is_named(variable: str, value: str | None):
    environment = {name: text for name, text in GOOD.items() if name != variable}
    if value is not None:
        environment[variable] = value
    with pytest.raises(SettingsError, match=variable):
        Settings.from_environment(environment)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("BUSBAR_WORKSPACES", "dev=rg/ws"),
        ("BUSBAR_WORKSPACES", "[]"),
        ("BUSBAR_WORKSPACES", '"rg/ws"'),
        ("BUSBAR_WORKSPACES", '{"dev": "ws"}'),
        ("BUSBAR_WORKSPACES", '{"dev": 3}'),
        ("BUSBAR_WORKSPACES", '{"staging": "rg/ws"}'),
        ("BUSBAR_WORKSPACES", '{"dev": "rg/ws", "test": "rg/ws"}'),
        ("BUSBAR_BLOB_URL", "plantdata.blob.core.windows.net"),
        ("BUSBAR_PUBLIC_URL", "ftp://example.com"),
        ("BUSBAR_REPOSITORY", "fleet"),
        ("BUSBAR_REPOSITORY", "a/b/c"),
    ],
)
def test_a_malformed_variable_is_named(variable: str, value: str):
    with pytest.raises(SettingsError, match=variable) as refused:
        Settings.from_environment(GOOD | {variable: value})
    assert refused.value.variable == variable


@pytest.mark.parametrize(
    ("url", "account"),
    [
        ("https://devstoreaccount1.blob.localhost:10000", "devstoreaccount1"),
        ("https://127.0.0.1:10000/devstoreaccount1", "devstoreaccount1"),
    ],
)
def test_the_storage_account_is_found_in_either_form(url: str, account: str):
    settings = Settings.from_environment(GOOD | {"BUSBAR_BLOB_URL": url})
    assert settings.sensor_table == f"abfss://sensors@{account}.dfs.core.windows.net/readings"


def test_tables_may_lie_elsewhere():
    settings = Settings.from_environment(GOOD | {"BUSBAR_SENSOR_TABLE": "abfss://a@b.dfs.core.windows.net/c"})
    assert settings.sensor_table == "abfss://a@b.dfs.core.windows.net/c"
