"""Online endpoints as ARM resources: their traffic, keys and tokens."""

import secrets
import time
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime

from starlette.responses import Response
from starlette.routing import BaseRoute

from localazure.machine_learning.context import Context, system_data
from localazure.machine_learning.endpoint_rules import (
    check_endpoint_quota,
    check_name,
    check_traffic,
    check_unique_in_region,
    refused,
)
from localazure.machine_learning.online.scoring import KEYS, scoring_uri, token_audience
from localazure.machine_learning.online.serving import DEPLOYMENTS, ENDPOINTS, Serving, deleted
from localazure.machine_learning.operations import Operation, Operations
from localazure.machine_learning.routing import WORKSPACE, Call, Json, Scope, not_found, resource_routes

ENDPOINT = f"{WORKSPACE}/onlineEndpoints/{{endpoint}}"
_AUTH_MODES = {"key": "Key", "amltoken": "AMLToken", "aadtoken": "AADToken"}
_KEY_NAMES = {"primary": "primaryKey", "secondary": "secondaryKey"}
_TOKEN_SECONDS = 12 * 3600


class OnlineEndpoints:
    def __init__(self, context: Context, operations: Operations, serving: Serving):
        self._context = context
        self._documents = context.documents
        self._operations = operations
        self._serving = serving
        operations.listen(ENDPOINTS, self._ended)

    @property
    def routes(self) -> Sequence[BaseRoute]:
        table = (
            ("GET", f"{WORKSPACE}/onlineEndpoints", self.list),
            ("GET", ENDPOINT, self.get),
            ("PUT", ENDPOINT, self.put),
            ("DELETE", ENDPOINT, self.delete),
            ("POST", f"{ENDPOINT}/listKeys", self.keys),
            ("POST", f"{ENDPOINT}/regenerateKeys", self.regenerate_keys),
            ("POST", f"{ENDPOINT}/token", self.token),
        )
        return resource_routes(table, self._context.authorize)

    def list(self, call: Call) -> Json:
        prefix = f"{call.scope(self._context.scopes).key}/"
        return {"value": [endpoint for _, endpoint in self._documents.list(ENDPOINTS, prefix)]}

    def get(self, call: Call) -> Json:
        return read_endpoint(self._context, call)

    def put(self, call: Call) -> Response:
        scope, name = call.scope(self._context.scopes), call.path["endpoint"]
        key = f"{scope.key}/{name}"
        check_name(name)
        with self._documents.transaction():
            old = self._documents.get(ENDPOINTS, key)
            if old is None:
                check_unique_in_region(self._context, "online", key)
                check_endpoint_quota(self._context)
            resource = self._resource(scope, name, call.body, old)
            properties = resource["properties"]
            deployments = [
                found.rpartition("/")[2] for found, _ in self._documents.list(DEPLOYMENTS, f"{key}/")
            ]
            check_traffic(properties["traffic"], properties["mirrorTraffic"], deployments)
            if old is None:
                asked = (call.body.get("properties") or {}).get("keys") or {}
                keys = {one: asked.get(one) or _new_key() for one in _KEY_NAMES.values()}
                self._documents.put(KEYS, key, keys)
            return self._operations.put(ENDPOINTS, key, resource, is_new=old is None)

    def delete(self, call: Call) -> Response:
        """Deletes the endpoint's deployments with it."""
        key = f"{call.scope(self._context.scopes).key}/{call.path['endpoint']}"
        resource = self._documents.get(ENDPOINTS, key)
        if resource is None:
            return Response(status_code=204)
        return self._operations.remove(ENDPOINTS, key, resource)

    def keys(self, call: Call) -> Json:
        endpoint = self.get(call)
        if endpoint["properties"]["authMode"] != "Key":
            raise _other_mode(endpoint)
        return self._documents.get(KEYS, self._key(call)) or {}

    def regenerate_keys(self, call: Call) -> Response:
        """Sets the key asked for, else a new one; the SDK sends the old key where it means a new one."""
        keys = self.keys(call)
        name = _KEY_NAMES.get(str(call.body.get("keyType")).lower())
        if name is None:
            raise refused("keyType has to be Primary or Secondary.")
        asked = call.body.get("keyValue")
        keys[name] = asked if asked and asked != keys[name] else _new_key()
        self._documents.put(KEYS, self._key(call), keys)
        return self._operations.accepted_empty()

    def token(self, call: Call) -> Json:
        """A token for scoring, of an endpoint with amlToken."""
        endpoint = self.get(call)
        if endpoint["properties"]["authMode"] != "AMLToken":
            raise _other_mode(endpoint)
        text, claims = self._context.tokens.issue(token_audience(endpoint), _TOKEN_SECONDS)
        return {
            "accessToken": text,
            "expiryTimeUtc": claims["exp"],
            "refreshAfterTimeUtc": int(time.time()) + _TOKEN_SECONDS // 2,
            "tokenType": "Bearer",
        }

    def _key(self, call: Call) -> str:
        return f"{call.scope(self._context.scopes).key}/{call.path['endpoint']}"

    def _resource(self, scope: Scope, name: str, body: Json, old: Json | None) -> Json:
        asked = body.get("properties") or {}
        if asked.get("compute"):
            raise refused(
                "localazure serves managed online endpoints only: properties.compute names a Kubernetes one."
            )
        mode = _AUTH_MODES.get(str(asked.get("authMode")).lower())
        if mode is None:
            known = ", ".join(_AUTH_MODES.values())
            raise refused(f"authMode has to be one of {known}, not {asked.get('authMode')!r}.")
        uri = scoring_uri(self._context.runtime.addresses.azure, scope.name, name)
        identity = body.get("identity") or {"type": "SystemAssigned"}
        endpoint_id = f"{scope.arm_id}/onlineEndpoints/{name}"
        now = datetime.now(UTC).isoformat()
        created = old["properties"]["properties"].get("createdAt", now) if old else now
        return {
            "id": endpoint_id,
            "name": name,
            "type": "Microsoft.MachineLearningServices/workspaces/onlineEndpoints",
            "kind": "Managed",
            "location": body.get("location") or self._context.runtime.config.location,
            "tags": body.get("tags") or {},
            "identity": {
                **identity,
                "principalId": str(uuid.uuid5(uuid.NAMESPACE_URL, endpoint_id)),
                "tenantId": self._context.runtime.config.tenant_id,
            },
            "systemData": system_data(old["systemData"]["createdAt"] if old else None),
            "properties": {
                "publicNetworkAccess": "Enabled",
                **asked,
                "authMode": mode,
                "keys": None,
                "compute": None,
                "traffic": asked.get("traffic") or {},
                "mirrorTraffic": asked.get("mirrorTraffic") or {},
                "properties": {
                    **(asked.get("properties") or {}),
                    "createdAt": created,
                    "lastModifiedAt": now,
                },
                "scoringUri": uri,
                "swaggerUri": f"{uri.removesuffix('/score')}/swagger.json",
            },
        }

    def _ended(self, operation: Operation, resource: Json) -> None:
        if not deleted(operation):
            return
        self._documents.delete(KEYS, operation.key)
        for key, _ in self._documents.list(DEPLOYMENTS, f"{operation.key}/"):
            self._documents.delete(DEPLOYMENTS, key)
            self._serving.forget(key)


def read_endpoint(context: Context, call: Call) -> Json:
    """The endpoint in the path; refuses with 404."""
    name = call.path["endpoint"]
    if found := context.documents.get(ENDPOINTS, f"{call.scope(context.scopes).key}/{name}"):
        return found
    raise not_found(f"The online endpoint {name}")


def _other_mode(endpoint: Json) -> Exception:
    return refused(f"{endpoint['name']} has another authMode: {endpoint['properties']['authMode']}.")


def _new_key() -> str:
    return secrets.token_urlsafe(24)
