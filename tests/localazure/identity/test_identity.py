"""Managed identity: the endpoints, and the tokens' claims, as Azure's own SDK sees them."""

import jwt
import pytest
from azure.identity import DefaultAzureCredential

from localazure.config import Config
from localazure.identity import Identity, InvalidTokenError, Tokens

STORAGE = "https://storage.azure.com"


@pytest.fixture
def azure(make_runtime, serve):
    runtime = make_runtime(Config())
    return serve(runtime, [Identity(runtime)])


def test_default_credential_gets_a_token_that_the_published_key_verifies(azure):
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


def test_virtual_machine_form(azure):
    query = {"api-version": "2018-02-01", "resource": STORAGE}
    answer = azure.http.get(
        "/metadata/identity/oauth2/token", params=query, headers={"Metadata": "true"}
    ).json()
    assert Tokens(azure.runtime.state, azure.runtime.config.tenant_id).verify(answer["access_token"], STORAGE)
    assert int(answer["expires_in"]) > 0
    assert answer["token_type"] == "Bearer"


@pytest.mark.parametrize(
    ("path", "query", "headers", "status"),
    [
        ("/msi/token", {"resource": STORAGE}, {}, 401),
        ("/msi/token", {"resource": STORAGE}, {"X-IDENTITY-HEADER": "guessed"}, 401),
        ("/metadata/identity/oauth2/token", {"resource": STORAGE}, {}, 400),
        ("/metadata/identity/oauth2/token", {}, {"Metadata": "true"}, 400),
    ],
)
def test_refusals(azure, path, query, headers, status):
    answer = azure.http.get(path, params=query, headers=headers)
    assert answer.status_code == status
    assert answer.json()["error"]["message"]


def test_tokens_survive_a_restart_and_are_bound_to_tenant_audience_key_and_time(tmp_path):
    tokens = Tokens(tmp_path, "tenant")
    token, _ = tokens.issue(f"{STORAGE}/")
    assert Tokens(tmp_path, "tenant").verify(token, STORAGE)["aud"] == f"{STORAGE}/"
    strangers = {
        "another tenant": (Tokens(tmp_path, "other"), token, STORAGE),
        "another key": (Tokens(tmp_path / "elsewhere", "tenant"), token, STORAGE),
        "another audience": (tokens, token, "https://eventgrid.azure.net"),
        "expired": (tokens, tokens.issue(STORAGE, lifetime_seconds=-1)[0], STORAGE),
        "no token": (tokens, "x.y.z", STORAGE),
    }
    for why, (verifier, one, audience) in strangers.items():
        with pytest.raises(InvalidTokenError):
            print(why, verifier.verify(one, audience))


def test_the_key_is_the_owners_alone(tmp_path):
    Tokens(tmp_path, "tenant")
    assert (tmp_path / "identity" / "key.pem").stat().st_mode & 0o777 == 0o600
