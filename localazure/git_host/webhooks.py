"""From a push, or a change of a pull request, to the events that both hosts send of it."""

import asyncio
import contextlib
import logging
import uuid
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from localazure.config import GitRepository
from localazure.documents import Documents
from localazure.git_host import post_receive
from localazure.git_host.devops import events as devops
from localazure.git_host.github import events as github
from localazure.git_host.hooks import Hook, Hooks
from localazure.git_host.outbox import Outbox
from localazure.git_host.pulls import PullChange, Pulls, RefUpdate, next_number, now
from localazure.git_host.repository import GitError, Repository
from localazure.service import Runtime

log = logging.getLogger(__name__)

_GLANCE_SECONDS = 5.0  # a poke is a datagram and may be lost
Message = tuple[Hook, str, str, Mapping[str, Any], Mapping[str, Any]]  # hook, guid, event, body, about


class Webhooks:
    """Announces what happens in the repositories, in order, once each."""

    def __init__(
        self,
        repositories: Mapping[str, Repository],
        documents: Documents,
        runtime: Runtime,
    ):
        self._repositories, self._documents = repositories, documents
        self._base_url, self._organization = runtime.addresses.azure, runtime.config.git_host.organization
        self._wake = asyncio.Event()
        self._moving = asyncio.Lock()
        self.pulls = Pulls(documents)
        self.hooks = Hooks(documents)
        self.outbox = Outbox(documents, self.hooks, runtime, self._wake.set)
        self._task: asyncio.Task[None] | None = None
        self._transport: asyncio.DatagramTransport | None = None

    async def start(self, port_file: Path, configured: Sequence[GitRepository]) -> None:
        for hook in self.hooks.configure(configured):
            self.ping(hook)
        loop = asyncio.get_running_loop()
        listen = loop.create_datagram_endpoint(lambda: _Poked(self._wake.set), local_addr=("127.0.0.1", 0))
        self._transport, _ = await listen
        port_file.write_text(str(self._transport.get_extra_info("sockname")[1]))
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        if self._transport:
            self._transport.close()
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self.outbox.stop()

    def ping(self, hook: Hook) -> None:
        """GitHub greets a hook that was made; Azure DevOps says nothing."""
        if hook.kind == "github":
            body = github.ping_event(hook, self._repositories[hook.repository], self._base_url)
            self.outbox.put(hook, str(uuid.uuid4()), "ping", body, {"ref": "", "before": "", "after": ""})
            self._wake.set()

    def redeliver(self, guid: str) -> bool:
        found = self.outbox.redeliver(guid)
        self._wake.set()
        return found

    async def pushed(
        self, repository: Repository, updates: Sequence[RefUpdate], identifier: str | None = None
    ) -> int:
        """Announce refs that have moved, and what that does to pull requests; the number of the push. On disk once
        this returns; the same `identifier` is announced once."""
        identifier = identifier or str(uuid.uuid4())
        async with self._moving:
            known = self._documents.get("announced", identifier)
            if known:
                return known["push"]
            number = next_number(self._documents, "push", repository.name)
            messages = await self._push_messages(repository, updates, identifier, number)
            changes = await self.pulls.after_push(repository, updates)
            for change in changes:
                messages += await self._pull_messages(repository, change)
            with self._documents.transaction():
                for change in changes:
                    self.pulls.put(change.pull)
                self._post(messages)
                pushed = {
                    "id": number,
                    "date": now(),
                    "updates": [[u.ref, u.before, u.after] for u in updates],
                }
                self._documents.put("push", f"{repository.name}/{number:010d}", pushed)
                self._documents.put("announced", identifier, {"push": number})
        self._wake.set()
        return number

    async def changed(self, repository: Repository, change: PullChange) -> None:
        """Store a pull request that has changed, and announce it."""
        async with self._moving:
            messages = await self._pull_messages(repository, change)
            with self._documents.transaction():
                self.pulls.put(change.pull)
                self._post(messages)
        self._wake.set()

    def _post(self, messages: Iterable[Message]) -> None:
        for hook, guid, event, body, about in messages:
            self.outbox.put(hook, guid, event, body, about)

    async def _push_messages(
        self, repository: Repository, updates: Sequence[RefUpdate], identifier: str, number: int
    ) -> list[Message]:
        messages: list[Message] = []
        hooks = [hook for hook in self.hooks.of(repository.name, "github") if hook.wants("push")]
        for update in updates if hooks else ():
            body = await github.push_event(repository, update, self._base_url)
            messages += [
                (hook, _guid(identifier, hook, update.ref), "push", body, _about(update)) for hook in hooks
            ]
        wanting = [hook for hook in self.hooks.of(repository.name, "azure-devops") if hook.wants("git.push")]
        for hook in wanting:
            guid = _guid(identifier, hook, "")
            body = await devops.push_event(repository, updates, number, self._base_url, self._organization)
            envelope = self._envelope(hook, guid, "git.push", body)
            messages.append((hook, guid, "git.push", envelope, _about(updates[0])))
        return messages

    async def _pull_messages(self, repository: Repository, change: PullChange) -> list[Message]:
        pull = change.pull
        about = {"ref": f"#{pull.number}", "before": change.before or "", "after": pull.head_sha}
        identifier, messages = str(uuid.uuid4()), list[Message]()
        hooks = [hook for hook in self.hooks.of(repository.name, "github") if hook.wants("pull_request")]
        if hooks:
            body = await github.pull_event(repository, change, self._base_url)
            told = about | {"action": change.action}
            messages += [(hook, _guid(identifier, hook, ""), "pull_request", body, told) for hook in hooks]
        for event in devops.events_of(change):
            for hook in self.hooks.of(repository.name, "azure-devops"):
                if hook.wants(event):
                    guid = _guid(identifier, hook, event)
                    body = await devops.pull_event(repository, change, self._base_url, self._organization)
                    messages.append((hook, guid, event, self._envelope(hook, guid, event, body), about))
        return messages

    def _envelope(self, hook: Hook, guid: str, event: str, body: Mapping[str, Any]) -> dict[str, Any]:
        number = next_number(self._documents, "notification", str(hook.id))
        return devops.envelope(hook, guid, event, number, body, self._organization)

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            pause = _GLANCE_SECONDS
            try:
                await self._collect()
                pause = min(pause, self.outbox.send_due() or pause)
            except Exception:  # what cannot be sent today is kept, and the loop has to live to send it
                log.exception("webhooks are tried again in %s s", _GLANCE_SECONDS)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), pause)

    async def _collect(self) -> None:
        """Turn the hook's notes into queued deliveries. A note that cannot be read is set aside, not lost."""
        for repository in self._repositories.values():
            for note in sorted((repository.path / post_receive.SPOOL).glob("[0-9]*")):
                try:
                    await self.pushed(repository, _read(note), _note_identifier(repository, note))
                except (GitError, ValueError, KeyError, IndexError) as error:
                    log.error("the push noted in %s cannot be announced: %s", note, error)
                    note.replace(note.with_name(f"unreadable-{note.name}"))
                else:
                    note.unlink()


def _read(note: Path) -> list[RefUpdate]:
    lines = [line.split(" ", 2) for line in note.read_text().splitlines()]
    return [RefUpdate(ref, before, after) for before, after, ref in lines]


def _note_identifier(repository: Repository, note: Path) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{repository.path}/{note.name}"))


def _guid(identifier: str, hook: Hook, part: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{identifier}/{hook.id}/{part}"))


def _about(update: RefUpdate) -> dict[str, str]:
    return {"ref": update.ref, "before": update.before, "after": update.after}


class _Poked(asyncio.DatagramProtocol):
    def __init__(self, wake: Any):
        self._wake = wake

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self._wake()
