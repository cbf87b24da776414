"""The host as a process that can be killed at any moment, and the client that keeps asking for it."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

APP = Path(__file__).with_name("app")
ROOT = Path(__file__).parents[3]
KEY = "test-key"
START_LIMIT = 60  # seconds; the machine may be busy


@dataclass
class Host:
    """At most one process at a time, over one state folder."""

    folder: Path
    options: tuple[str, ...] = ()
    process: asyncio.subprocess.Process | None = None
    listens: asyncio.Event = field(default_factory=asyncio.Event)
    address: str = ""

    @property
    def database(self) -> Path:
        return self.folder / "state" / "task_hub.sqlite"

    @property
    def effects(self) -> Path:
        return self.folder / "effects"

    async def start(self) -> None:
        """Start the process; `listens` is set later, when it serves."""
        command = ["-m", "localazure.functions_host", "start", "--port", "0", "--app", str(APP)]
        command += ["--state", str(self.folder / "state"), *self.options]
        environment = {"PYTHONPATH": str(ROOT), "EFFECTS": str(self.effects), "LOCALAZURE_FUNCTIONS_KEY": KEY}
        with (self.folder / "stderr").open("w") as stderr:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, *command, stderr=stderr, stdout=stderr, env=os.environ | environment
            )

    async def until_listening(self) -> None:
        """Raises AssertionError with what the host said when it ended by itself or does not come up."""
        async with asyncio.timeout(START_LIMIT):
            while not (found := re.search(r"listens on (\S+)\n", self._said())):
                self._running()
                await asyncio.sleep(0.02)
        self.address = found[1]
        self.listens.set()

    async def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        process = self._running()
        self.listens.clear()
        process.send_signal(number)
        await process.wait()

    def _running(self) -> asyncio.subprocess.Process:
        assert self.process is not None
        assert self.process.returncode is None, f"the host ended by itself: {self._said()}"
        return self.process

    def _said(self) -> str:
        return (self.folder / "stderr").read_text()


class Client:
    """Asks the host again and again while it is down, as a careful caller does."""

    def __init__(self, host: Host, http: httpx.AsyncClient):
        self._host, self._http = host, http

    async def send(self, method: str, path: str, body: Any = None) -> tuple[httpx.Response, int]:
        """The answer, and how many times the request may have had its effect (1 or more)."""
        tries = 0
        while True:
            await self._host.listens.wait()
            try:
                address = f"{self._host.address}{path}"
                response = await self._http.request(method, address, json=body, params={"code": KEY})
            except httpx.ConnectError:  # it cannot have arrived
                await asyncio.sleep(0.05)
            except httpx.TransportError:  # nobody knows
                tries += 1
            else:
                return response, tries + 1

    async def start(self, name: str, instance_id: str, value: Any) -> None:
        """Start an instance once, however often it takes: whoever is not sure looks first."""
        while True:
            await self._host.listens.wait()
            if (await self.status(instance_id)) is not None:
                return
            try:
                address = f"{self._host.address}/runs/{name}/{instance_id}"
                response = await self._http.post(address, json=value)
            except httpx.TransportError:
                continue
            assert response.status_code == 202, response.text
            return

    async def status(self, instance_id: str) -> dict[str, Any] | None:
        path = f"/runtime/webhooks/durabletask/instances/{instance_id}"
        response, _ = await self.send("GET", path)
        assert response.status_code in (200, 202, 404), response.text
        return None if response.status_code == 404 else response.json()

    async def account(self, key: str) -> dict[str, Any]:
        """The account's balance, the changes `by` whom, its `backlog` and who has it `locked`."""
        response, _ = await self.send("GET", f"/accounts/{key}")
        assert response.status_code == 200, response.text
        return response.json()

    async def settled(self, key: str, changes: Collection[str]) -> None:
        """Wait until the account has seen `changes` and has nothing more to do."""
        async with asyncio.timeout(START_LIMIT):
            while (state := await self.account(key))["backlog"] or not state["by"].keys() >= set(changes):
                await asyncio.sleep(0.1)
