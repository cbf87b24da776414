"""What roles permit: Azure's definitions, scopes that inherit, and the actions that requests need."""

import re

import pytest
from azure.core.exceptions import HttpResponseError
from azure.eventgrid import EventGridEvent, EventGridPublisherClient
from azure.identity import DefaultAzureCredential
from pydantic import ValidationError

from localazure.config import Config
from localazure.event_grid import EventGrid
from localazure.identity import Access, Identity
from localazure.identity.actions import Need
from localazure.machine_learning.actions import needed
from localazure.roles import BUILT_IN

SUBSCRIPTION = "/subscriptions/00000000-0000-0000-0000-000000000001"
ML = "Microsoft.MachineLearningServices"
WORKSPACE = f"{SUBSCRIPTION}/resourceGroups/rg/providers/{ML}/workspaces/ws"
REGISTRY = f"{SUBSCRIPTION}/resourceGroups/rg/providers/{ML}/registries/central"


def config(*assignments, **more):
    return Config.model_validate(
        {
            "workspaces": [
                {"name": "ws", "resource_group": "rg"},
                {"name": "other", "resource_group": "rg2"},
            ],
            "registries": [{"name": "central", "resource_group": "rg"}],
            "event_grid": {"topics": ["events"], "resource_group": "rg"},
            "role_assignments": [
                {"identity": "app", "role": role, "scope": scope} for role, scope in assignments
            ],
            **more,
        }
    )


@pytest.mark.parametrize(
    ("role", "action", "is_allowed"),
    [
        ("AzureML Data Scientist", f"{ML}/workspaces/read", True),
        ("AzureML Data Scientist", f"{ML}/workspaces/jobs/write", True),
        ("AzureML Data Scientist", f"{ML}/workspaces/jobs/cancel/action", True),
        ("AzureML Data Scientist", f"{ML}/workspaces/onlineEndpoints/score/action", True),
        ("AzureML Data Scientist", f"{ML}/workspaces/write", False),
        ("AzureML Data Scientist", f"{ML}/workspaces/delete", False),
        ("AzureML Data Scientist", f"{ML}/workspaces/computes/write", False),
        ("AzureML Data Scientist", f"{ML}/workspaces/computes/read", True),
        ("AzureML Data Scientist", f"{ML}/workspaces/listKeys/action", False),
        ("AzureML Data Scientist", f"{ML}/registries/assets/read", False),
        ("AzureML Compute Operator", f"{ML}/workspaces/computes/write", True),
        ("AzureML Compute Operator", f"{ML}/workspaces/jobs/write", False),
        ("AzureML Registry User", f"{ML}/registries/assets/write", True),
        ("AzureML Registry User", f"{ML}/registries/write", False),
        ("Reader", f"{ML}/workspaces/jobs/read", True),
        ("Reader", f"{ML}/workspaces/jobs/write", False),
        ("Reader", f"{ML}/workspaces/datastores/listSecrets/action", False),
        ("Contributor", f"{ML}/workspaces/write", True),
        ("Contributor", "Microsoft.Authorization/roleAssignments/write", False),
        ("Owner", "Microsoft.Authorization/roleAssignments/write", True),
        ("EventGrid Contributor", "Microsoft.EventGrid/topics/write", True),
    ],
)
def test_what_azures_roles_allow(role, action, is_allowed):
    assert BUILT_IN[role].allows(action) is is_allowed
    assert BUILT_IN[role].allows(action.upper()) is is_allowed


@pytest.mark.parametrize(
    ("role", "may_send"),
    [("EventGrid Data Sender", True), ("EventGrid Contributor", False), ("Owner", False)],
)
def test_sending_events_is_a_data_action_that_even_owners_lack(role, may_send):
    assert BUILT_IN[role].allows("Microsoft.EventGrid/events/send/action", data=True) is may_send


@pytest.mark.parametrize(
    ("scope", "is_allowed"),
    [
        ("subscription", True),
        (SUBSCRIPTION.upper().replace("SUBSCRIPTIONS", "subscriptions"), True),
        ("rg", True),
        ("ws", True),
        ("other", False),
        ("rg2", False),
        ("central", False),
        (f"{SUBSCRIPTION}/resourceGroups/r", False),
    ],
)
def test_a_role_counts_at_its_scope_and_below(scope, is_allowed):
    settings = config(("Reader", scope))
    holder = Access(settings).assignments[0].principal.claims
    assert (
        Access(settings).allows(holder, f"{ML}/workspaces/jobs/read", f"{WORKSPACE}/jobs/one") is is_allowed
    )
    assert not Access(settings).allows({"oid": "someone"}, f"{ML}/workspaces/read", WORKSPACE)


def test_roles_are_checked_where_they_are_assigned_and_nowhere_else():
    assert Access(Config()).allows({"oid": "anybody"}, "Anything/at/all", "/subscriptions/x", data=True)
    nothing = config()
    assert not Access(nothing).allows({"oid": "anybody"}, "Anything/at/all", "/subscriptions/x")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"role_assignments": [{"identity": "app", "role": "King", "scope": "ws"}]}, "no role 'King'"),
        (
            {"role_assignments": [{"identity": "app", "role": "Owner", "scope": "nowhere"}]},
            "no scope 'nowhere'",
        ),
        ({"role_assignments": [{"identity": "who", "role": "Owner", "scope": "ws"}]}, "no identity 'who'"),
        ({"identities": [{"name": "a"}, {"name": "a"}]}, "same name"),
        ({"identities": [{"name": "a", "kind": "user"}]}, "upn"),
        ({"identities": [{"name": n, "kind": "system-assigned"} for n in "ab"]}, "system-assigned"),
    ],
)
def test_a_configuration_that_names_what_does_not_exist_is_refused(change, named):
    with pytest.raises(ValidationError, match=named):
        config(**change)


def test_roles_of_ones_own():
    settings = config(
        ("Job submitter", "ws"),
        custom_roles=[{"name": "Job submitter", "actions": [f"{ML}/workspaces/jobs/*"]}],
    )
    access = Access(settings)
    holder = access.assignments[0].principal.claims
    assert access.allows(holder, f"{ML}/workspaces/jobs/write", WORKSPACE)
    assert not access.allows(holder, f"{ML}/workspaces/models/read", WORKSPACE)


@pytest.mark.parametrize(
    ("method", "path", "action", "scope"),
    [
        ("GET", "W", "workspaces/read", "W"),
        ("GET", "W/jobs", "workspaces/jobs/read", "W/jobs"),
        ("PUT", "W/jobs/one", "workspaces/jobs/write", "W/jobs/one"),
        ("DELETE", "W/jobs/one", "workspaces/jobs/delete", "W/jobs/one"),
        ("POST", "W/jobs/one/cancel", "workspaces/jobs/cancel/action", "W/jobs/one"),
        ("PUT", "W/models/m/versions/1", "workspaces/models/versions/write", "W/models/m/versions/1"),
        (
            "POST",
            "W/batchEndpoints/e/jobs",
            "workspaces/batchEndpoints/jobs/write",
            "W/batchEndpoints/e/jobs",
        ),
        (
            "POST",
            "W/onlineEndpoints/e/token",
            "workspaces/onlineEndpoints/token/action",
            "W/onlineEndpoints/e",
        ),
        ("GET", "/history/v1.0W/runs/r", "workspaces/experiments/runs/read", "W"),
        ("GET", "/mferp/managementfrontendW/jobs", "workspaces/jobs/read", "W/jobs"),
        ("POST", "/mlflow/v1.0W/api/2.0/mlflow/runs/log-batch", "workspaces/experiments/runs/write", "W"),
        ("POST", "/mlflow/v1.0W/api/2.0/mlflow/runs/search", "workspaces/experiments/runs/read", "W"),
        (
            "PUT",
            "/mlflow/v1.0W/api/2.0/mlflow-artifacts/artifacts/a",
            "workspaces/metadata/artifacts/write",
            "W",
        ),
        ("GET", "/mferp/managementfrontendR/models/m/versions/1", "registries/assets/read", "R"),
        ("POST", "/mferp/managementfrontendR/import", "registries/assets/write", "R"),
        ("GET", "/mferp/managementfrontendR", "registries/read", "R"),
    ],
)
def test_the_action_that_a_request_needs(method, path, action, scope):
    def full(text):
        return re.sub("[WR]", lambda found: {"W": WORKSPACE, "R": REGISTRY}[found[0]], text)

    assert needed(method, full(path)) == Need(f"{ML}/{action}", full(scope))


def test_what_belongs_to_no_workspace_needs_a_valid_token_only():
    assert needed("GET", f"{SUBSCRIPTION}/providers/{ML}/locations/eastus/mfeOperationsStatus/1") is None


@pytest.fixture
def start(make_runtime, serve):
    def start(settings):
        runtime = make_runtime(settings)
        identity = Identity(runtime)
        return serve(runtime, [identity, EventGrid(runtime, identity.tokens)])

    return start


@pytest.mark.parametrize(("role", "may_send"), [("EventGrid Data Sender", True), ("Owner", False)])
def test_events_are_taken_from_data_senders_only(start, role, may_send):
    azure = start(config((role, "events")))
    client = EventGridPublisherClient(
        f"{azure.runtime.addresses.azure}/topics/events/api/events", DefaultAzureCredential()
    )
    event = EventGridEvent(subject="s", event_type="t", data={}, data_version="1")
    if may_send:
        client.send(event)
        return
    with pytest.raises(HttpResponseError, match="does not have permission to send data to") as refused:
        client.send(event)
    assert refused.value.status_code == 403


def test_assignments_and_definitions_can_be_read_at_arm(start):
    azure = start(config(("Reader", "rg"), ("AzureML Data Scientist", "ws"), ("Reader", "other")))
    token = DefaultAzureCredential().get_token("https://management.azure.com/.default").token
    own = {"authorization": f"Bearer {token}"}

    def names(scope, **query):
        path = f"{scope}/providers/Microsoft.Authorization/roleAssignments"
        listed = azure.http.get(path, headers=own, params={"api-version": "2022-04-01"} | query)
        assert listed.status_code == 200, listed.text
        found = [one["properties"] for one in listed.json()["value"]]
        definitions = [azure.http.get(one["roleDefinitionId"], headers=own).json() for one in found]
        return [definition["properties"]["roleName"] for definition in definitions]

    group = f"{SUBSCRIPTION}/resourceGroups/rg"
    assert names(group) == ["Reader", "AzureML Data Scientist"]
    assert names(group, **{"$filter": "atScope()"}) == ["Reader"]
    assert names(group, **{"$filter": "principalId eq 'someone'"}) == []
    forbidden = azure.http.get(
        f"{SUBSCRIPTION}/providers/Microsoft.Authorization/roleAssignments", headers=own
    )
    assert forbidden.status_code == 403
    assert forbidden.json()["error"]["code"] == "AuthorizationFailed"
