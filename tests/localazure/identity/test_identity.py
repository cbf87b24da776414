"""Managed identities and service principals: the endpoints, and the tokens' claims, as Azure's own SDK sees them."""

from datetime import UTC, datetime

import jwt
import pytest
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import (
    ClientSecretCredential,
    CredentialUnavailableError,
    DefaultAzureCredential,
    ManagedIdentityCredential,
)

from localazure import secrets
from localazure.config import Config
from localazure.identity import Identity, InvalidTokenError, Tokens
from localazure.identity.directory import AZURE_CLI, Directory

STORAGE = "https://storage.azure.com"
NOBODY = "11111111-2222-3333-4444-555555555555"
SEVERAL = Config.model_validate(
    {
        "identities": [
            {"name": "app", "kind": "system-assigned"},
            {"name": "scorer", "client_id": "AAAAAAAA-0000-0000-0000-000000000001", "resource_group": "ids"},
            {"name": "release-bot", "kind": "application"},
            {"name": "developer", "kind": "user", "upn": "developer@example.com"},
        ]
    }
)


@pytest.fixture
def start(make_runtime, serve):
    def start(config=Config()):  # noqa: B008 - frozen
        runtime = make_runtime(config)
        return serve(runtime, [Identity(runtime)])

    return start


def claims_of(token):
    return jwt.decode(token, options={"verify_signature": False})


def test_default_credential_gets_a_token_that_the_published_key_verifies(start):
    azure = start()
    token = DefaultAzureCredential().get_token(f"{STORAGE}/.default").token
    tenant = azure.runtime.config.tenant_id
    metadata = azure.http.get(f"/{tenant}/v2.0/.well-known/openid-configuration").json()
    keys = azure.http.get(metadata["jwks_uri"]).json()
    key = jwt.PyJWKSet.from_dict(keys)[jwt.get_unverified_header(token)["kid"]]
    claims = jwt.decode(token, key.key, algorithms=["RS256"], audience=STORAGE, issuer=metadata["issuer"])
    assert metadata["issuer"] == f"https://sts.windows.net/{tenant}/"
    assert claims["tid"] == tenant
    assert claims["oid"] == claims["sub"]
    assert claims["exp"] > claims["iat"]


@pytest.mark.parametrize("selector", ["client_id", "object_id", "resource_id"])
def test_an_identity_is_chosen_by_each_of_its_names(start, selector):
    start(SEVERAL)
    scorer = Directory(SEVERAL).named("scorer")
    chosen = {selector: getattr(scorer, selector).upper()}
    credential = ManagedIdentityCredential(identity_config=chosen)
    claims = claims_of(credential.get_token(f"{STORAGE}/.default").token)
    assert claims["oid"] == scorer.object_id
    assert claims["appid"] == "aaaaaaaa-0000-0000-0000-000000000001"
    assert claims["idtyp"] == "app"
    resource = "/resourcegroups/ids/providers/Microsoft.ManagedIdentity/userAssignedIdentities/scorer"
    assert claims["xms_mirid"].endswith(resource)


def test_without_a_choice_it_is_the_apps_own_identity(start, monkeypatch):
    start(SEVERAL)
    directory = Directory(SEVERAL)
    own = DefaultAzureCredential().get_token(f"{STORAGE}/.default")
    assert claims_of(own.token)["oid"] == directory.default.object_id
    monkeypatch.setenv("AZURE_CLIENT_ID", directory.named("developer").client_id)
    person = claims_of(DefaultAzureCredential().get_token(f"{STORAGE}/.default").token)
    assert (person["upn"], person["idtyp"], person["appid"]) == ("developer@example.com", "user", AZURE_CLI)


def test_an_identity_that_the_app_does_not_have_is_refused_in_the_services_words(start):
    azure = start(SEVERAL)
    with pytest.raises(
        (ClientAuthenticationError, CredentialUnavailableError), match="No User Assigned or Delegated"
    ):
        ManagedIdentityCredential(client_id=NOBODY).get_token(f"{STORAGE}/.default")
    answer = azure.http.get(
        "/metadata/identity/oauth2/token",
        params={"resource": STORAGE, "client_id": NOBODY},
        headers={"Metadata": "true"},
    )
    assert answer.status_code == 400
    assert answer.json() == {"error": "invalid_request", "error_description": "Identity not found"}


@pytest.mark.parametrize(
    ("names", "app_service", "machine"),
    [(["one"], 400, 200), (["one", "two"], 400, 400)],
)
def test_without_a_system_assigned_identity_one_must_be_chosen(start, names, app_service, machine):
    azure = start(Config.model_validate({"identities": [{"name": name} for name in names]}))
    header = {"X-IDENTITY-HEADER": azure.runtime.secrets["identity_header"], "Metadata": "true"}
    for path, status in (("/msi/token", app_service), ("/metadata/identity/oauth2/token", machine)):
        assert azure.http.get(path, params={"resource": STORAGE}, headers=header).status_code == status


@pytest.fixture
def ask(start):
    """(path, query, headers) → the answer; the header's value is the right one."""
    azure = start()

    def ask(path, query, headers):
        right = azure.runtime.secrets["identity_header"]
        sent = {name: right if value is None else value for name, value in headers.items()}
        return azure.http.get(path, params=query, headers=sent)

    return ask


def test_expires_on_is_a_number_or_written_out_by_api_version(ask):
    new = ask("/msi/token", {"api-version": "2019-08-01", "resource": STORAGE}, {"X-IDENTITY-HEADER": None})
    old = ask("/msi/token", {"api-version": "2017-09-01", "resource": STORAGE}, {"secret": None})
    machine = ask("/metadata/identity/oauth2/token", {"resource": STORAGE}, {"Metadata": "true"}).json()
    expiry = claims_of(new.json()["access_token"])["exp"]
    assert new.json()["expires_on"] == str(expiry)
    written = datetime.strptime(old.json()["expires_on"], "%m/%d/%Y %I:%M:%S %p +00:00").replace(tzinfo=UTC)
    assert written.timestamp() == claims_of(old.json()["access_token"])["exp"]
    assert int(machine["expires_on"]) == claims_of(machine["access_token"])["exp"]
    assert int(machine["expires_in"]) > 0


@pytest.mark.parametrize(
    ("path", "query", "headers", "status"),
    [
        ("/msi/token", {"resource": STORAGE}, {}, 401),
        ("/msi/token", {"resource": STORAGE}, {"X-IDENTITY-HEADER": "guessed"}, 401),
        ("/msi/token", {}, {"X-IDENTITY-HEADER": None}, 400),
        ("/metadata/identity/oauth2/token", {"resource": STORAGE}, {}, 400),
        ("/metadata/identity/oauth2/token", {}, {"Metadata": "true"}, 400),
    ],
)
def test_refusals(ask, path, query, headers, status):
    answer = ask(path, query, headers)
    assert answer.status_code == status
    assert answer.json().get("message") or answer.json()["error_description"]


def test_a_service_principal_signs_in_with_its_generated_secret(start):
    azure = start(SEVERAL)
    runtime, bot = azure.runtime, Directory(SEVERAL).named("release-bot")
    secret = secrets.load_or_create(runtime.state)["client_secret_release_bot"]

    def credential(secret):
        return ClientSecretCredential(
            SEVERAL.tenant_id,
            bot.client_id,
            secret,
            authority=runtime.addresses.azure,
            disable_instance_discovery=True,
        )

    claims = claims_of(credential(secret).get_token(f"{STORAGE}/.default").token)
    assert (claims["aud"], claims["oid"], claims["appid"]) == (STORAGE, bot.object_id, bot.client_id)
    with pytest.raises(ClientAuthenticationError, match="AADSTS7000215"):
        credential("guessed").get_token(f"{STORAGE}/.default")


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"client_id": NOBODY}, 400, 700016),
        ({"scope": f"{STORAGE}/user_impersonation"}, 400, 1002012),
        ({"grant_type": "password"}, 400, 70003),
        ({"tenant": NOBODY}, 400, 90002),
    ],
)
def test_a_login_that_is_wrong_is_refused_with_entras_code(start, change, status, code):
    azure = start(SEVERAL)
    form = {
        "grant_type": "client_credentials",
        "client_id": Directory(SEVERAL).named("release-bot").client_id,
        "client_secret": secrets.load_or_create(azure.runtime.state)["client_secret_release_bot"],
        "scope": f"{STORAGE}/.default",
        "tenant": SEVERAL.tenant_id,
    } | change
    answer = azure.http.post(f"/{form.pop('tenant')}/oauth2/v2.0/token", data=form)
    assert answer.status_code == status
    assert answer.json()["error_codes"] == [code]


def test_tokens_survive_a_restart_and_are_bound_to_tenant_audience_key_and_time(tmp_path):
    tokens = Tokens(tmp_path, "tenant")
    token, claims = tokens.issue(f"{STORAGE}/")
    assert Tokens(tmp_path, "tenant").verify(token, STORAGE)["aud"] == f"{STORAGE}/"
    strangers = {
        "another tenant": (Tokens(tmp_path, "other"), token, STORAGE),
        "another key": (Tokens(tmp_path / "elsewhere", "tenant"), token, STORAGE),
        "another audience": (tokens, token, "https://eventgrid.azure.net"),
        "expired": (tokens, tokens.issue(STORAGE, lifetime_seconds=-1)[0], STORAGE),
        "no token": (tokens, "x.y.z", STORAGE),
        "later": (Tokens(tmp_path, "tenant", now=lambda: claims["exp"]), token, STORAGE),
        "a clock that is behind": (Tokens(tmp_path, "tenant", now=lambda: claims["nbf"] - 1), token, STORAGE),
    }
    for why, (verifier, one, audience) in strangers.items():
        with pytest.raises(InvalidTokenError):
            print(why, verifier.verify(one, audience))
    assert Tokens(tmp_path, "tenant", now=lambda: claims["exp"] - 1).verify(token, STORAGE)


def test_how_long_tokens_live_can_be_changed_while_it_runs(tmp_path):
    tokens = Tokens(tmp_path, "tenant", now=lambda: 1_000_000.0)
    tokens.lifetime_seconds = 60
    assert tokens.issue(STORAGE)[1]["exp"] == 1_000_060


def test_the_key_is_the_owners_alone(tmp_path):
    Tokens(tmp_path, "tenant")
    assert (tmp_path / "identity" / "key.pem").stat().st_mode & 0o777 == 0o600
