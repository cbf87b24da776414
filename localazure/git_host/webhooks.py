"""From a note left by the post-receive hook to a signed webhook at the functions host."""

import asyncio
import contextlib
import hashlib
import hmac
import json
import logging
import os
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from localazure.documents import Documents
from localazure.git_host import post_receive
from localazure.git_host.push import push_event
from localazure.git_host.repository import GitError, Repository

log = logging.getLogger(__name__)

_TIMEOUT_SECONDS = 10.0  # what GitHub grants
_UNREACHABLE_RETRY_SECONDS = 0.5
_GLANCE_SECONDS = 5.0  # a poke is a datagram and may be lost


def signature(secret: str, body: bytes) -> str:
    """The value of `X-Hub-Signature-256`."""
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


class Webhooks:
    """Announces pushes, in order. As on GitHub a refused delivery is not repeated by itself; unlike there, a host
    that cannot be reached at all is waited for. `hooks` is repository name → URL."""

    def __init__(
        self,
        repositories: Mapping[str, Repository],
        hooks: Mapping[str, str],
        documents: Documents,
        secret: str,
        base_url: str,
    ):
        self._repositories, self._hooks = repositories, hooks
        self._documents, self._secret, self._base_url = documents, secret, base_url
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._transport: asyncio.DatagramTransport | None = None

    @property
    def enabled(self) -> bool:
        """The administrator's switch, else LOCALAZURE_GIT_WEBHOOKS (`off` drops every webhook)."""
        setting = self._documents.get("setting", "webhooks")
        return setting["enabled"] if setting else os.environ.get("LOCALAZURE_GIT_WEBHOOKS", "on") != "off"

    def enable(self, enabled: bool) -> None:
        self._documents.put("setting", "webhooks", {"enabled": enabled})

    async def start(self, port_file: Path) -> None:
        loop = asyncio.get_running_loop()
        listen = loop.create_datagram_endpoint(lambda: _Poked(self.wake), local_addr=("127.0.0.1", 0))
        self._transport, _ = await listen
        port_file.write_text(str(self._transport.get_extra_info("sockname")[1]))
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        if self._transport:
            self._transport.close()
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def wake(self) -> None:
        self._wake.set()

    async def announce(self, repository: Repository, guid: str, before: str, after: str, ref: str) -> None:
        """Queue the webhook of one moved ref; on disk once this returns; the same `guid` is queued once."""
        if repository.name not in self._hooks:
            return
        body = await push_event(repository, before, after, ref, self._base_url)
        delivery = {
            "guid": guid,
            "created": time.time_ns(),
            "event": "push",
            "repository": repository.name,
            "ref": ref,
            "before": before,
            "after": after,
            "status": "queued" if self.enabled else "dropped",
            "attempts": 0,
            "response": None,
        }
        with self._documents.transaction():
            if self._documents.insert("delivery", guid, delivery):
                self._documents.put("payload", guid, body)
                if delivery["status"] == "queued":
                    self._queue(guid)
        self.wake()

    def deliveries(self) -> list[dict[str, Any]]:
        """Every delivery without its payload, newest first."""
        return sorted((body for _, body in self._documents.list("delivery")), key=lambda one: -one["created"])

    def payload(self, guid: str) -> dict[str, Any] | None:
        return self._documents.get("payload", guid)

    def redeliver(self, guid: str) -> bool:
        """Queue a delivery again, under the same guid; says whether there was one."""
        delivery = self._documents.get("delivery", guid)
        if delivery is None:
            return False
        with self._documents.transaction():
            self._documents.put("delivery", guid, delivery | {"status": "queued"})
            self._queue(guid)
        self.wake()
        return True

    def _queue(self, guid: str) -> None:
        self._documents.put("queued", f"{time.time_ns():020d}", {"guid": guid})

    async def _run(self) -> None:
        async with httpx.AsyncClient(timeout=_TIMEOUT_SECONDS, trust_env=False) as http:
            while True:
                self._wake.clear()
                try:
                    await self._collect()
                    pause = (
                        _GLANCE_SECONDS if await self._deliver_queued(http) else _UNREACHABLE_RETRY_SECONDS
                    )
                except Exception:
                    log.exception("webhooks are tried again in %s s", _GLANCE_SECONDS)
                    pause = _GLANCE_SECONDS
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), pause)

    async def _collect(self) -> None:
        """Turn the hook's notes into queued deliveries. A note that cannot be read is set aside, not lost."""
        for repository in self._repositories.values():
            for note in sorted((repository.path / post_receive.SPOOL).glob("[0-9]*")):
                try:
                    await self._announce_note(repository, note)
                except (GitError, ValueError, KeyError, IndexError) as error:
                    log.error("the push noted in %s cannot be announced: %s", note, error)
                    note.replace(note.with_name(f"unreadable-{note.name}"))
                else:
                    note.unlink()

    async def _announce_note(self, repository: Repository, note: Path) -> None:
        for line in note.read_text().splitlines():
            before, after, ref = line.split(" ", 2)
            guid = uuid.uuid5(uuid.NAMESPACE_URL, f"{repository.path}/{note.name}/{ref}")
            await self.announce(repository, str(guid), before, after, ref)

    async def _deliver_queued(self, http: httpx.AsyncClient) -> bool:
        """Deliver what is queued, oldest first; False when the functions host cannot be reached."""
        for key, queued in self._documents.list("queued"):
            delivery = self._documents.get("delivery", queued["guid"]) or {}  # written with the queue's entry
            try:
                response = await self._post(http, delivery)
            except httpx.ConnectError:
                return False
            except httpx.HTTPError as error:
                self._settle(key, delivery, "failed", type(error).__name__)
            else:
                status = "delivered" if response.is_success else "failed"
                self._settle(key, delivery, status, f"{response.status_code} {response.text[:500]}")
        return True

    async def _post(self, http: httpx.AsyncClient, delivery: Mapping[str, Any]) -> httpx.Response:
        body = json.dumps(self._documents.get("payload", delivery["guid"]), separators=(",", ":")).encode()
        return await http.post(
            self._hooks[delivery["repository"]],
            content=body,
            headers={
                "content-type": "application/json",
                "user-agent": "GitHub-Hookshot/localazure",
                "x-github-event": delivery["event"],
                "x-github-delivery": delivery["guid"],
                "x-github-hook-id": "1",
                "x-hub-signature-256": signature(self._secret, body),
            },
        )

    def _settle(self, key: str, delivery: Mapping[str, Any], status: str, response: str) -> None:
        attempts = delivery["attempts"] + 1
        if status == "failed":
            log.warning("webhook %s of %s: %s", delivery["guid"], delivery["repository"], response)
        settled = {**delivery, "status": status, "attempts": attempts, "response": response}
        with self._documents.transaction():
            self._documents.delete("queued", key)
            self._documents.put("delivery", delivery["guid"], settled)


class _Poked(asyncio.DatagramProtocol):
    def __init__(self, wake: Any):
        self._wake = wake

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self._wake()
