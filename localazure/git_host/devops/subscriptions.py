"""Azure DevOps' REST: service hook subscriptions."""

from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from localazure.config import GIT_EVENTS
from localazure.git_host.devops.answers import bad_argument, collection, devops_error
from localazure.git_host.devops.events import subscription_guid
from localazure.git_host.hooks import Hook, Hooks
from localazure.git_host.pulls import now
from localazure.git_host.repository import Repository

_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Subscriptions:
    """A hook with several events shows as one subscription of its first: the service knows one event each."""

    def __init__(self, hooks: Hooks, repositories: dict[str, Repository]):
        self._hooks = hooks
        self._repositories = {one.guid: one for one in repositories.values()}

    async def listed(self, _: Request) -> Response:
        return collection([self._json(hook) for hook in self._all()])

    async def get(self, request: Request) -> Response:
        return JSONResponse(self._json(self._existing(request)))

    async def create(self, request: Request) -> Response:
        body = await _object(request)
        event, consumer = str(body.get("eventType")), body.get("consumerInputs") or {}
        if event not in GIT_EVENTS["azure-devops"] or body.get("consumerId") != "webHooks":
            raise bad_argument(
                f"The events are {', '.join(GIT_EVENTS['azure-devops'])}; the consumer is webHooks."
            )
        repository = self._repositories.get((body.get("publisherInputs") or {}).get("repository", ""))
        if repository is None:
            raise bad_argument("publisherInputs.repository is required: a repository's id.")
        hook = self._hooks.add(
            repository.name,
            "azure-devops",
            _target(consumer.get("url")),
            [event],
            username=consumer.get("basicAuthUsername") or "",
            secret=consumer.get("basicAuthPassword"),
            configured=False,
        )
        return JSONResponse(self._json(hook))

    async def update(self, request: Request) -> Response:
        """Switch it on or off: `status` enabled, disabledByUser."""
        hook, body = self._existing(request), await _object(request)
        active = body.get("status", "enabled") == "enabled"
        return JSONResponse(self._json(self._hooks.put(replace(hook, active=active, updated_at=now()))))

    async def delete(self, request: Request) -> Response:
        self._hooks.delete(self._existing(request).id)
        return Response(status_code=204)

    def _all(self) -> list[Hook]:
        return [hook for hook in self._hooks.all() if hook.kind == "azure-devops"]

    def _existing(self, request: Request) -> Hook:
        wanted = request.path_params["subscription"]
        found = next((hook for hook in self._all() if subscription_guid(hook) == wanted), None)
        if found is None:
            raise devops_error(
                404, "SubscriptionNotFoundException", f"Subscription with id {wanted} could not be found."
            )
        return found

    def _json(self, hook: Hook) -> dict[str, Any]:
        repository = next(
            (one.guid for one in self._repositories.values() if one.name == hook.repository), ""
        )
        return {
            "id": subscription_guid(hook),
            "status": "enabled" if hook.active else "disabledBySystem",
            "publisherId": "tfs",
            "eventType": hook.events[0],
            "resourceVersion": "1.0",
            "consumerId": "webHooks",
            "consumerActionId": "httpRequest",
            "createdDate": hook.created_at,
            "modifiedDate": hook.updated_at,
            "publisherInputs": {"repository": repository},
            "consumerInputs": {
                "url": hook.target,
                "basicAuthUsername": hook.username,
                "basicAuthPassword": "********",
            },
        }


async def _object(request: Request) -> dict[str, Any]:
    try:
        body = await request.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise bad_argument("The body is no JSON object.")
    return body


def _target(url: Any) -> str:
    parts = urlsplit(url) if isinstance(url, str) else urlsplit("")
    if parts.scheme not in ("http", "https") or parts.hostname not in _LOOPBACK:
        raise bad_argument("consumerInputs.url is required, on a host of this machine: localhost, 127.0.0.1.")
    return url
