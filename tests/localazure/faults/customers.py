"""Customers of the workload: each starts an instance, feeds it, and checks what came out of it."""

import asyncio
import itertools
import random
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.localazure.faults.host import Client

PATIENCE = 120  # seconds for one instance, kills included
ACCOUNTS = 4  # that are in use at a time


@dataclass
class Account:
    """What an account must show: changes by whom, their amount, and how many times at least and at most."""

    changes: dict[str, tuple[int, int, int]] = field(default_factory=dict[str, tuple[int, int, int]])

    def expect(self, by: str, amount: int, *, at_most: int = 1) -> None:
        self.changes[by] = (amount, 1, at_most)

    def check(self, key: str, state: dict[str, Any]) -> None:
        seen: dict[str, int] = state["by"]
        assert seen.keys() == self.changes.keys(), f"{key}: {seen.keys() ^ self.changes.keys()}"
        for by, (_, least, most) in self.changes.items():
            assert least <= seen[by] <= most, f"{key}: {by} {seen[by]} times, may be {least} to {most}"
        assert state["balance"] == sum(seen[by] * self.changes[by][0] for by in seen), key
        assert not state["locked"], f"{key} is still locked by {state['locked']}"
        assert not state["backlog"], f"{key} has {state['backlog']} operations waiting"


class Customers:
    """Runs instances until `closing`, a few at once."""

    def __init__(self, client: Client, chance: random.Random, scenarios: tuple[str, ...]):
        self._client, self._chance = client, chance
        self._scenarios = [getattr(self, f"_{name}") for name in scenarios]
        self._names = itertools.count(1)
        self.accounts = defaultdict[str, Account](Account)
        self.closing = False
        self.counts = Counter[str]()
        self.period = 0  # chooses the accounts in use, so that none grows without end

    async def serve(self) -> None:
        while not self.closing:
            scenario: Callable[[str], Any] = self._chance.choice(self._scenarios)
            instance_id = f"{scenario.__name__.strip('_')}-{next(self._names)}"
            try:
                async with asyncio.timeout(PATIENCE):
                    await scenario(instance_id)
            except TimeoutError:
                raise AssertionError(
                    f"{instance_id} is stuck: {await self._client.status(instance_id)}"
                ) from None
            self.counts["orchestrations"] += 1
            if self._chance.random() < 0.2:
                await self._purge(instance_id)

    async def _journey(self, instance_id: str) -> None:
        count = self._chance.randint(1, 4)
        await self._client.start("journey", instance_id, count)
        tries, _ = await asyncio.gather(self._events(instance_id, count), self._pause(instance_id))
        await self._check(instance_id, 211, tries)

    async def _ledger(self, instance_id: str) -> None:
        await self._client.start("ledger", instance_id, [])
        count = self._chance.randint(2, 8)
        tries, _ = await asyncio.gather(self._events(instance_id, count), self._pause(instance_id))
        await self._client.send("POST", f"/events/{instance_id}", "end")
        await self._check(instance_id, 0, tries)

    async def _transfer(self, instance_id: str) -> None:
        source, target = self._chance.sample(self._open_accounts(), 2)
        amount = self._chance.randint(1, 100)
        self.accounts[source].expect(instance_id, -amount)
        self.accounts[target].expect(instance_id, amount)
        request = {"source": source, "target": target, "amount": amount}
        await self._client.start("transfer", instance_id, request)
        await asyncio.gather(*(self._signal(f"{instance_id}/{n}") for n in range(3)))
        await self._check(instance_id, -amount, [])

    async def _notices(self, instance_id: str) -> None:
        account, also = self._chance.sample(self._open_accounts(), 2)
        for key, kind in ((key, kind) for key in (account, also) for kind in ("now", "later")):
            self.accounts[key].expect(f"{instance_id}/{kind}", 1)
        await self._client.start("notices", instance_id, {"account": account, "also": also})
        await self._check(instance_id, 0, [])

    def _open_accounts(self) -> list[str]:
        return [f"{self.period}-{n}" for n in range(ACCOUNTS)]

    async def _signal(self, by: str) -> None:
        key = self._chance.choice(self._open_accounts())
        account, amount = self.accounts[key], self._chance.randint(1, 100)
        response, tries = await self._client.send("POST", f"/accounts/{key}", {"by": by, "amount": amount})
        assert response.status_code == 202, response.text
        account.expect(by, amount, at_most=tries)
        self.counts["signals"] += 1

    async def _events(self, instance_id: str, count: int) -> list[int]:
        """Raise events 0, 1, … all at once or one by one; gives the number of tries of each."""
        paces = [0.0, 0.02, 0.3]
        return await asyncio.gather(
            *(self._event(instance_id, n, n * self._chance.choice(paces)) for n in range(count))
        )

    async def _event(self, instance_id: str, number: int, delay: float) -> int:
        await asyncio.sleep(delay)
        management = f"/runtime/webhooks/durabletask/instances/{instance_id}/raiseEvent/go"
        path = self._chance.choice([management, f"/events/{instance_id}"])
        response, tries = await self._client.send("POST", path, number)
        # The first try, not acknowledged, may have been the last event that the instance waited for.
        assert response.status_code == 202 or tries > 1, response.text
        self.counts["events"] += 1
        return tries

    async def _pause(self, instance_id: str) -> None:
        """Suspend the instance for a moment, some of the times; it may be over already."""
        if self._chance.random() < 0.3:
            for change in ("suspend", "resume"):
                await asyncio.sleep(self._chance.uniform(0, 0.3))
                path = f"/runtime/webhooks/durabletask/instances/{instance_id}/{change}"
                response, _ = await self._client.send("POST", path)
                assert response.status_code in (202, 410), response.text
            self.counts["suspended and resumed"] += 1

    async def _check(self, instance_id: str, total: int, tries: list[int]) -> None:
        status = await self._finished(instance_id)
        assert status["runtimeStatus"] == "Completed", status
        output = status["output"]
        assert output["total"] == total, status
        seen = Counter[int](output["seen"])
        assert seen.keys() == set(range(len(tries))), f"{status}: lost or invented events"
        for number, count in seen.items():
            assert count <= tries[number], (
                f"{status}: event {number} {count} times, sent {tries[number]} times"
            )
        self.counts["seen twice for want of an answer"] += sum(seen.values()) - len(seen)

    async def _purge(self, instance_id: str) -> None:
        await self._client.send("DELETE", f"/runtime/webhooks/durabletask/instances/{instance_id}")
        assert await self._client.status(instance_id) is None, f"{instance_id} was purged"
        self.counts["purged"] += 1

    async def _finished(self, instance_id: str) -> dict[str, Any]:
        while True:
            status = await self._client.status(instance_id)
            assert status is not None, f"{instance_id} is unknown"
            if status["runtimeStatus"] not in ("Pending", "Running"):
                return status
            await asyncio.sleep(0.1)
