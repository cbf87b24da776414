"""GitHub's REST: webhooks, what they were sent, and sending it again."""

from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from starlette.responses import JSONResponse, Response

from localazure.config import GIT_EVENTS
from localazure.git_host.github.answers import (
    Call,
    Handler,
    boolean,
    github_error,
    invalid,
    json_object,
    not_found,
    page_of,
    paginated,
)
from localazure.git_host.github.events import hook_json
from localazure.git_host.hooks import Hook
from localazure.git_host.pulls import now

_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def _json(call: Call, hook: Hook) -> dict[str, Any]:
    return hook_json(hook, call.repository, call.base_url)


def _existing(call: Call) -> Hook:
    hook = call.webhooks.hooks.get(call.number("hook"))
    if hook is None or (hook.repository, hook.kind) != (call.repository.name, "github"):
        raise not_found()
    return hook


async def listed(call: Call) -> Response:
    hooks = call.webhooks.hooks.of(call.repository.name, "github")
    return paginated(call, [_json(call, hook) for hook in hooks])


async def get(call: Call) -> Response:
    return JSONResponse(_json(call, _existing(call)))


async def create(call: Call) -> Response:
    """A hook at a loopback URL: nothing leaves this machine."""
    body = await json_object(call)
    config = body.get("config")
    if not isinstance(config, dict):
        raise invalid("Hook", "config", "url is required", "missing_field")
    hook = call.webhooks.hooks.add(
        call.repository.name,
        "github",
        _target(config.get("url")),
        _events(body.get("events", ["push"])),
        secret=config.get("secret"),
        active=boolean(body, "Hook", "active", True),
        configured=False,
    )
    call.webhooks.ping(hook)
    return JSONResponse(_json(call, hook), 201)


async def update(call: Call) -> Response:
    hook, body = _existing(call), await json_object(call)
    config = body.get("config") or {}
    changed = replace(
        hook,
        updated_at=now(),
        target=_target(config["url"]) if "url" in config else hook.target,
        secret=config.get("secret", hook.secret),
        events=_events(body["events"]) if "events" in body else hook.events,
        active=boolean(body, "Hook", "active", hook.active),
    )
    return JSONResponse(_json(call, call.webhooks.hooks.put(changed)))


async def delete(call: Call) -> Response:
    call.webhooks.hooks.delete(_existing(call).id)
    return Response(status_code=204)


async def ping(call: Call) -> Response:
    call.webhooks.ping(_existing(call))
    return Response(status_code=204)


def _target(url: Any) -> str:
    if not isinstance(url, str) or urlsplit(url).scheme not in ("http", "https"):
        raise invalid("Hook", "url", "an http or https URL is required")
    if urlsplit(url).hostname not in _LOOPBACK:
        raise invalid("Hook", "url", "only hosts of this machine are reached: localhost, 127.0.0.1")
    return url


def _events(given: Any) -> tuple[str, ...]:
    known = GIT_EVENTS["github"]
    if not isinstance(given, list) or not given or not all(event in known for event in given):
        raise invalid("Hook", "events", f"a list is required, of {', '.join(known)}")
    return tuple(given)


async def deliveries(call: Call) -> Response:
    found = call.webhooks.outbox.attempts(_existing(call).id)
    shown, headers = page_of(call, found)
    return JSONResponse([_attempt(call, one) for one in shown], headers=headers)


async def delivery(call: Call) -> Response:
    """One request that was made, with what was sent and answered."""
    hook, one = _existing(call), _known_attempt(call)
    payload = call.webhooks.outbox.payload(one["guid"])
    sent = {"headers": {"X-GitHub-Delivery": one["guid"], "X-GitHub-Event": one["event"]}, "payload": payload}
    answer = {"headers": {}, "payload": one["response"]}
    return JSONResponse(_attempt(call, one) | {"url": hook.target, "request": sent, "response": answer})


async def redeliver(call: Call) -> Response:
    _existing(call)
    if not call.webhooks.redeliver(_known_attempt(call)["guid"]):
        raise github_error(422, "Validation Failed: the delivery is gone")
    return JSONResponse({}, 202)


def _known_attempt(call: Call) -> dict[str, Any]:
    found = call.webhooks.outbox.attempts(_existing(call).id)
    known = next((one for one in found if one["id"] == call.number("delivery")), None)
    if known is None:
        raise not_found()
    return known


def _attempt(call: Call, one: dict[str, Any]) -> dict[str, Any]:
    code = one["status_code"]
    status = "OK" if 200 <= code < 300 else f"Invalid HTTP Response: {code}" if code else one["response"]
    shown = {name: value for name, value in one.items() if name != "response"}
    return shown | {
        "status": status,
        "installation_id": None,
        "repository_id": call.repository.summary("")["id"],
    }


_ONE = "/hooks/{hook:int}"
HOOKS: tuple[tuple[str, str, Handler], ...] = (
    ("GET", "/hooks", listed),
    ("POST", "/hooks", create),
    ("GET", _ONE, get),
    ("PATCH", _ONE, update),
    ("DELETE", _ONE, delete),
    ("POST", f"{_ONE}/pings", ping),
    ("GET", f"{_ONE}/deliveries", deliveries),
    ("GET", f"{_ONE}/deliveries/{{delivery:int}}", delivery),
    ("POST", f"{_ONE}/deliveries/{{delivery:int}}/attempts", redeliver),
)
