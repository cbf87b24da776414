"""Webhooks on their way: on disk before they are sent, sent in order, one hook never waiting for another."""

import asyncio
import hashlib
import hmac
import json
import logging
import os
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import httpx

from localazure.documents import Documents
from localazure.git_host.hooks import Hook, Hooks
from localazure.git_host.pulls import now, unique_id
from localazure.service import Runtime

log = logging.getLogger(__name__)

_TIMEOUT_SECONDS = 10.0  # what GitHub grants
_UNREACHABLE_RETRY_SECONDS = 0.5
_FAULT_RETRY_SECONDS = 5.0
_SHOWN_RESPONSE = 500
_REPEATED = (408, 502, 503, 504)  # by Azure DevOps alone
_GONE = 410


def signature(secret: str, body: bytes) -> str:
    """The value of `X-Hub-Signature-256`."""
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


class Outbox:
    """Sends what is queued. As on GitHub a refused delivery is not repeated by itself; Azure DevOps' are, as it says.
    Unlike either, a receiver that cannot be reached at all is waited for: here it starts beside this server."""

    def __init__(self, documents: Documents, hooks: Hooks, runtime: Runtime, done: Callable[[], None]):
        """`done` is told whenever a hook's sending has come to an end, for now."""
        self._documents, self._hooks, self._done = documents, hooks, done
        self._functions, self._secret = runtime.addresses.functions, runtime.secrets["webhook"]
        self._retry_seconds = runtime.config.git_host.retry_seconds
        self._sending: dict[int, asyncio.Task[None]] = {}
        self._waiting_until: dict[int, float] = {}
        trusting = ssl.create_default_context(cafile=str(runtime.ca_bundle))
        self._http = httpx.AsyncClient(timeout=_TIMEOUT_SECONDS, trust_env=False, verify=trusting)

    @property
    def enabled(self) -> bool:
        """The administrator's switch, else LOCALAZURE_GIT_WEBHOOKS (`off` drops every webhook)."""
        setting = self._documents.get("setting", "webhooks")
        return setting["enabled"] if setting else os.environ.get("LOCALAZURE_GIT_WEBHOOKS", "on") != "off"

    def enable(self, enabled: bool) -> None:
        self._documents.put("setting", "webhooks", {"enabled": enabled})

    def put(
        self, hook: Hook, guid: str, event: str, body: Mapping[str, Any], about: Mapping[str, Any]
    ) -> None:
        """Queue one event for one hook; on disk once this returns; the same `guid` is queued once. `about` is what
        the list of deliveries tells of it."""
        delivery = {
            "guid": guid,
            "hook": hook.id,
            "kind": hook.kind,
            "target": hook.target,
            "created": time.time_ns(),
            "event": event,
            "repository": hook.repository,
            **about,
            "status": "queued" if self.enabled else "dropped",
            "attempts": 0,
            "response": None,
        }
        with self._documents.transaction():
            if self._documents.insert("delivery", guid, delivery):
                self._documents.put("payload", guid, dict(body))
                if delivery["status"] == "queued":
                    self._queue(guid, hook.id)

    def deliveries(self) -> list[dict[str, Any]]:
        """Every delivery without its payload, newest first."""
        return sorted((body for _, body in self._documents.list("delivery")), key=lambda one: -one["created"])

    def payload(self, guid: str) -> dict[str, Any] | None:
        return self._documents.get("payload", guid)

    def attempts(self, hook: int) -> list[dict[str, Any]]:
        """Every request made for a hook, newest first."""
        return [body for _, body in reversed(self._documents.list("attempt", f"{hook}/"))]

    def redeliver(self, guid: str) -> bool:
        """Queue a delivery again, under the same guid; says whether there was one."""
        delivery = self._documents.get("delivery", guid)
        if delivery is None:
            return False
        with self._documents.transaction():
            self._documents.put("delivery", guid, delivery | {"status": "queued"})
            self._queue(guid, delivery.get("hook", 0))
        return True

    def _queue(self, guid: str, hook: int, delay_seconds: float = 0) -> None:
        due = time.time_ns() + int(delay_seconds * 1e9)
        self._documents.put("queued", f"{due:020d}-{guid}", {"guid": guid, "hook": hook, "due": due})

    def send_due(self) -> float | None:
        """Start sending whatever is due; the seconds until something else will be, None where nothing is queued."""
        moment, waits = time.time_ns(), list[float]()
        for _, queued in self._documents.list("queued"):
            hook, due = queued.get("hook", 0), queued.get("due", 0)
            resting = self._waiting_until.get(hook, 0) - time.monotonic()
            if hook in self._sending and not self._sending[hook].done():
                continue
            if due > moment or resting > 0:
                waits.append(max((due - moment) / 1e9, resting))
            else:
                self._sending[hook] = asyncio.create_task(self._drain(hook))
        return min(waits, default=None)

    async def stop(self) -> None:
        for task in self._sending.values():
            task.cancel()
        await asyncio.gather(*self._sending.values(), return_exceptions=True)
        await self._http.aclose()

    async def _drain(self, number: int) -> None:
        """Send what is due for one hook, oldest first, until its receiver cannot be reached."""
        try:
            await self._send_all(number)
        except Exception:  # a defect at one hook must not stop the others; its queue stays
            log.exception("webhooks of hook %s are tried again in %s s", number, _FAULT_RETRY_SECONDS)
            self._waiting_until[number] = time.monotonic() + _FAULT_RETRY_SECONDS
        finally:
            self._done()

    async def _send_all(self, number: int) -> None:
        for key, queued in self._documents.list("queued"):
            if queued.get("hook", 0) != number or queued.get("due", 0) > time.time_ns():
                continue
            delivery = self._documents.get("delivery", queued["guid"]) or {}  # written with the queue's entry
            hook = self._hooks.get(number)
            if hook is None or not hook.active:
                self._settle(
                    key, delivery, "dropped", "the hook is gone" if hook is None else "the hook is off"
                )
            elif not await self._send(key, hook, delivery):
                self._waiting_until[number] = time.monotonic() + _UNREACHABLE_RETRY_SECONDS
                return

    async def _send(self, key: str, hook: Hook, delivery: dict[str, Any]) -> bool:
        started = time.monotonic()
        body = json.dumps(self._documents.get("payload", delivery["guid"]), separators=(",", ":")).encode()
        url = f"{self._functions}{hook.target}" if hook.target.startswith("/") else hook.target
        try:
            response = await self._http.post(url, content=body, **self._credentials(hook, delivery, body))
        except httpx.ConnectError:
            return False
        except httpx.HTTPError as error:
            self._note(hook, delivery, started, 0, type(error).__name__)
            self._settle(key, delivery, "failed", type(error).__name__)
            return True
        shown = f"{response.status_code} {response.text[:_SHOWN_RESPONSE]}"
        self._note(hook, delivery, started, response.status_code, response.text[:_SHOWN_RESPONSE])
        self._answered(key, hook, delivery, response.status_code, shown)
        return True

    def _credentials(self, hook: Hook, delivery: Mapping[str, Any], body: bytes) -> dict[str, Any]:
        secret = self._secret if hook.configured else hook.secret
        if hook.kind == "azure-devops":
            headers = {
                "content-type": "application/json; charset=utf-8",
                "user-agent": "VSServices/localazure",
            }
            return {"headers": headers, "auth": (hook.username, secret or "")}
        headers = {
            "content-type": "application/json",
            "user-agent": "GitHub-Hookshot/localazure",
            "x-github-event": delivery["event"],
            "x-github-delivery": delivery["guid"],
            "x-github-hook-id": str(hook.id),
            "x-github-hook-installation-target-type": "repository",
        }
        return {"headers": headers | ({"x-hub-signature-256": signature(secret, body)} if secret else {})}

    def _answered(self, key: str, hook: Hook, delivery: dict[str, Any], status: int, shown: str) -> None:
        """What follows from an answer, by the rules of the hook's kind."""
        if 200 <= status < 300:
            return self._settle(key, delivery, "delivered", shown)
        if hook.kind == "azure-devops" and status == _GONE:
            self._hooks.put(replace(hook, active=False, updated_at=now()))
        retries = delivery["attempts"]
        if hook.kind == "azure-devops" and status in _REPEATED and retries < len(self._retry_seconds):
            with self._documents.transaction():
                self._settle(key, delivery, "queued", shown)
                self._queue(delivery["guid"], hook.id, self._retry_seconds[retries])
            return None
        return self._settle(key, delivery, "failed", shown)

    def _note(
        self, hook: Hook, delivery: Mapping[str, Any], started: float, status: int, response: str
    ) -> None:
        number = unique_id()
        attempt = {
            "id": number,
            "guid": delivery["guid"],
            "delivered_at": now(),
            "redelivery": delivery["attempts"] > 0,
            "duration": round(time.monotonic() - started, 3),
            "status_code": status,
            "event": delivery["event"],
            "action": delivery.get("action"),
            "response": response,
        }
        self._documents.put("attempt", f"{hook.id}/{number:020d}", attempt)

    def _settle(self, key: str, delivery: Mapping[str, Any], status: str, response: str) -> None:
        if status == "failed":
            log.warning("webhook %s of %s: %s", delivery["guid"], delivery["repository"], response)
        attempts = delivery["attempts"] + (status != "dropped")
        with self._documents.transaction():
            self._documents.delete("queued", key)
            settled = {**delivery, "status": status, "attempts": attempts, "response": response}
            self._documents.put("delivery", delivery["guid"], settled)
