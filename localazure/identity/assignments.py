"""Role assignments and definitions as Azure Resource Manager shows them; they come from the configuration alone."""

import re
import uuid
from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from localazure.config import Config
from localazure.identity.access import Access, Assignment, Claims
from localazure.identity.tokens import Tokens
from localazure.roles import BUILT_IN, Role
from localazure.web import azure_error

MANAGEMENT = ("https://management.azure.com", "https://management.core.windows.net")
_AUTHORIZATION = "providers/Microsoft.Authorization"
_FILTER = re.compile(r"principalId eq '([^']*)'|assignedTo\('([^']*)'\)")


class Assignments:
    """GET of lists and single ones at any scope. What is assigned cannot be changed here: the configuration says it."""

    def __init__(self, config: Config, tokens: Tokens, azure: str):
        self._subscription, self._tokens, self._azure = config.subscription_id, tokens, azure
        self._access: Access = tokens.access
        self._roles = [*BUILT_IN.values(), *config.custom_roles]

    @property
    def routes(self) -> Sequence[BaseRoute]:
        assignments = f"/{{scope:path}}/{_AUTHORIZATION}/roleAssignments"
        definitions = f"/{{scope:path}}/{_AUTHORIZATION}/roleDefinitions"
        return [
            Route(assignments, self._list_assignments),
            Route(f"{assignments}/{{name}}", self._get_assignment),
            Route(definitions, self._list_definitions),
            Route(f"{definitions}/{{name}}", self._get_definition),
        ]

    async def _list_assignments(self, request: Request) -> Response:
        """Those at, above and below the scope, as the service lists them; `atScope()` leaves out those below."""
        scope = self._authorized_scope(request)
        filters = request.query_params.get("$filter", "")
        wanted = _FILTER.search(filters)
        principal = (wanted[1] or wanted[2]).lower() if wanted else ""
        found = [
            one
            for one in self._access.assignments
            if one.covers(scope) or ("atScope()" not in filters and _is_below(one.scope, scope))
        ]
        found = [one for one in found if not principal or one.principal.object_id == principal]
        return JSONResponse({"value": [self._shown(one) for one in found]})

    async def _get_assignment(self, request: Request) -> Response:
        self._authorized_scope(request)
        name = request.path_params["name"].lower()
        found = next((one for one in self._access.assignments if one.name == name), None)
        if found is None:
            raise azure_error(404, "RoleAssignmentNotFound", f"The role assignment '{name}' is not found.")
        return JSONResponse(self._shown(found))

    async def _list_definitions(self, request: Request) -> Response:
        self._authorize(request)
        wanted = re.search(r"roleName eq '([^']*)'", request.query_params.get("$filter", ""))
        found = [role for role in self._roles if not wanted or role.name == wanted[1]]
        return JSONResponse({"value": [self._definition(role) for role in found]})

    async def _get_definition(self, request: Request) -> Response:
        self._authorize(request)
        name = request.path_params["name"].lower()
        found = next((role for role in self._roles if _role_id(role) == name), None)
        if found is None:
            raise azure_error(
                404,
                "RoleDefinitionDoesNotExist",
                f"The specified role definition with ID '{name}' does not exist.",
            )
        return JSONResponse(self._definition(found))

    def _authorize(self, request: Request) -> Claims:
        """What the roles are, everybody may read."""
        return self._tokens.authorize(request, self._azure, *MANAGEMENT)

    def _authorized_scope(self, request: Request) -> str:
        scope = f"/{request.path_params['scope']}"
        self._access.check(self._authorize(request), "Microsoft.Authorization/roleAssignments/read", scope)
        return scope

    def _shown(self, one: Assignment) -> dict[str, Any]:
        return {
            "id": f"{one.scope}/{_AUTHORIZATION}/roleAssignments/{one.name}",
            "name": one.name,
            "type": "Microsoft.Authorization/roleAssignments",
            "properties": {
                "principalId": one.principal.object_id,
                "principalType": "User" if one.principal.kind == "user" else "ServicePrincipal",
                "roleDefinitionId": self._definition_id(one.role),
                "scope": one.scope,
            },
        }

    def _definition(self, role: Role) -> dict[str, Any]:
        permissions = {
            "actions": role.actions,
            "notActions": role.not_actions,
            "dataActions": role.data_actions,
            "notDataActions": role.not_data_actions,
        }
        return {
            "id": self._definition_id(role),
            "name": _role_id(role),
            "type": "Microsoft.Authorization/roleDefinitions",
            "properties": {
                "roleName": role.name,
                "type": "BuiltInRole" if role.name in BUILT_IN else "CustomRole",
                "permissions": [permissions],
                "assignableScopes": ["/"],
            },
        }

    def _definition_id(self, role: Role) -> str:
        return f"/subscriptions/{self._subscription}/{_AUTHORIZATION}/roleDefinitions/{_role_id(role)}"


def _role_id(role: Role) -> str:
    return role.id.lower() or str(uuid.uuid5(uuid.NAMESPACE_URL, role.name))


def _is_below(scope: str, parent: str) -> bool:
    return f"{scope.lower()}/".startswith(f"{parent.lower().rstrip('/')}/")
