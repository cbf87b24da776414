"""Datastores: names for blob containers, with the credentials that clients read them with."""

import re
from collections.abc import Sequence

from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from localazure.machine_learning.context import Context, system_data
from localazure.machine_learning.datastores.places import BUILT_IN, DEFAULT, KIND
from localazure.machine_learning.routing import WORKSPACE, Call, Json, Scope, not_found, resource_routes
from localazure.machine_learning.storage import datastore_of
from localazure.service import STORAGE_ACCOUNT
from localazure.web import azure_error

_SECRETS = "datastore_secrets"
_DATASTORE = f"{WORKSPACE}/datastores/{{name}}"
_NAME = re.compile(r"[a-zA-Z0-9_]{1,255}")
_CONTAINER = {"AzureBlob": "containerName", "AzureDataLakeGen2": "filesystem"}
_SECRET = {"AccountKey": "key", "Sas": "sasToken"}
_LONGEST_HOURS = 24.0


class Datastores:
    """Secrets are kept apart from what is shown. The emulator itself reads every container with its own key."""

    def __init__(self, context: Context):
        self._context = context
        self._documents = context.documents

    @property
    def routes(self) -> Sequence[BaseRoute]:
        table = (
            ("GET", f"{WORKSPACE}/datastores", self.list_datastores),
            ("GET", _DATASTORE, self.get),
            ("PUT", _DATASTORE, self.put),
            ("DELETE", _DATASTORE, self.delete),
            ("POST", f"{_DATASTORE}/listSecrets", self.list_secrets),
        )
        return resource_routes(table, self._context.authorize)

    def list_datastores(self, call: Call) -> Json:
        scope = call.scope(self._context.scopes)
        found = [self._built_in(scope, name) for name in BUILT_IN]
        found += [item for _, item in self._documents.list(KIND, f"{scope.key}/")]
        wanted, names = call.query.get("isDefault"), call.query.get("names")
        return {
            "value": [
                item
                for item in found
                if (wanted is None or item["properties"]["isDefault"] == (wanted.lower() == "true"))
                and (names is None or item["name"] in names.split(","))
            ]
        }

    def get(self, call: Call) -> Json:
        scope, name = call.scope(self._context.scopes), call.path["name"]
        return read_datastore(self._context, scope, name) or self._built_in(scope, name)

    def put(self, call: Call) -> Response:
        """Refuses with 400 what is no datastore, or (with validation) what does not exist."""
        scope, name = call.scope(self._context.scopes), call.path["name"]
        properties: Json = call.required("properties")
        self._check(name, properties)
        credentials = dict(call.required("properties", "credentials"))
        secrets = credentials.pop("secrets", None)
        key = f"{scope.key}/{name}"
        if call.query.get("skipValidation", "false").lower() != "true":
            self._check_reachable(properties)
        with self._documents.transaction():
            old = self._documents.get(KIND, key)
            resource = _resource(scope, name, {**properties, "credentials": credentials}, old)
            self._documents.put(KIND, key, resource)
            if secrets or old is None:
                self._documents.put(_SECRETS, key, secrets or {})
        return JSONResponse(resource, 200 if old else 201)

    def delete(self, call: Call) -> Response:
        scope, name = call.scope(self._context.scopes), call.path["name"]
        if name in BUILT_IN:
            raise azure_error(
                400, "UserError", f"{name} is a datastore of Azure's own: it cannot be deleted."
            )
        self._documents.delete(_SECRETS, f"{scope.key}/{name}")
        is_gone = self._documents.delete(KIND, f"{scope.key}/{name}")
        return Response(status_code=200 if is_gone else 204)

    def list_secrets(self, call: Call) -> Json:
        """As the service does: a signature that expires, if asked for, instead of the account's key."""
        properties = self.get(call)["properties"]
        kind = properties["credentials"]["credentialsType"]
        key = f"{call.scope(self._context.scopes).key}/{call.path['name']}"
        if kind not in _SECRET:
            raise azure_error(400, "UserError", f"The datastore {call.path['name']} has no credentials.")
        if call.path["name"] in BUILT_IN or (kind == "AccountKey" and call.body.get("expirableSecret")):
            hours = min(float(call.body.get("expireAfterHours") or 1), _LONGEST_HOURS)
            container = properties[_CONTAINER[properties["datastoreType"]]]
            return {"secretsType": "Sas", "sasToken": self._context.storage.sas(container, hours)}
        kept = self._documents.get(_SECRETS, key) or {}
        return {"secretsType": kind, _SECRET[kind]: kept.get(_SECRET[kind])}

    def _check(self, name: str, properties: Json) -> None:
        if name in BUILT_IN:
            raise azure_error(400, "UserError", f"{name} is a datastore of Azure's own: choose another name.")
        if not _NAME.fullmatch(name):
            raise azure_error(
                400, "UserError", f"The datastore name {name!r}: letters, digits and underscores."
            )
        kind = properties.get("datastoreType")
        if kind not in _CONTAINER:
            raise azure_error(
                400, "NotSupported", f"localazure has datastores of {', '.join(_CONTAINER)}, not of {kind!r}."
            )
        for needed in ("accountName", _CONTAINER[kind]):
            if not properties.get(needed):
                raise azure_error(
                    400,
                    "UserError",
                    f"Request is invalid and/or missing fields. The {needed} field is required.",
                )

    def _check_reachable(self, properties: Json) -> None:
        container = properties[_CONTAINER[properties["datastoreType"]]]
        account = properties["accountName"]
        service = self._context.storage.service
        if account != STORAGE_ACCOUNT or not service.get_container_client(container).exists():
            raise azure_error(
                400, "UserError", f"The container {container!r} of the account {account!r} cannot be reached."
            )

    def _built_in(self, scope: Scope, name: str) -> Json:
        if name not in BUILT_IN:
            raise not_found(f"The datastore {name!r} of {scope.name}")
        properties = {
            "datastoreType": "AzureBlob",
            "accountName": STORAGE_ACCOUNT,
            "containerName": scope.container,
            "endpoint": self._context.runtime.addresses.blob.partition(".blob.")[2],
            "protocol": "https",
            "credentials": {"credentialsType": "AccountKey"},
            "serviceDataAccessAuthIdentity": "None",
        }
        created = (self._documents.get("workspaces", scope.key) or {}).get("systemData")
        return _resource(scope, name, properties, {"systemData": created} if created else None, created)


def read_datastore(context: Context, scope: Scope, name: str) -> Json | None:
    return context.documents.get(KIND, f"{scope.key}/{name}")


def check_datastore(context: Context, scope: Scope, uri: str) -> None:
    """Refuses with 404 a URI of a datastore that does not exist; other URIs pass."""
    found = datastore_of(uri, scope.name)
    if found is None or found[1] in BUILT_IN:
        return
    if context.documents.get(KIND, f"workspaces/{found[0]}/{found[1]}") is None:
        raise not_found(f"The datastore {found[1]!r} of {found[0]}")


def _resource(
    scope: Scope, name: str, properties: Json, old: Json | None, stamped: Json | None = None
) -> Json:
    return {
        "id": f"{scope.arm_id}/datastores/{name}",
        "name": name,
        "type": "Microsoft.MachineLearningServices/workspaces/datastores",
        "systemData": stamped or system_data(old=old["systemData"] if old else None),
        "properties": {
            "description": None,
            "tags": {},
            "properties": {},
            **properties,
            "isDefault": name == DEFAULT,
        },
    }
