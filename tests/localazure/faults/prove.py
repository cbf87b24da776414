"""Kills the host again and again over a workload: `python -m tests.localazure.faults.prove --kills 100`."""

import argparse
import asyncio
import contextlib
import random
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from tests.localazure.faults.books import Books, snapshot
from tests.localazure.faults.customers import Customers
from tests.localazure.faults.host import Client, Host
from tests.localazure.task_hub.consistency import outstanding

SCENARIOS = ("journey", "ledger", "transfer", "notices")
CUSTOMERS = 16
KILLS_A_PERIOD = 10


@dataclass(frozen=True)
class Plan:
    kills: int
    seed: int
    options: tuple[str, ...] = ()  # of the host
    scenarios: tuple[str, ...] = SCENARIOS


async def prove(plan: Plan, folder: Path, say: Callable[[str], None] = print) -> dict[str, int]:
    """Carry out `plan`; gives the counts. Raises AssertionError, in a group, for whatever went wrong."""
    host = Host(folder, plan.options)
    books = Books(host.database, host.effects)
    async with httpx.AsyncClient(timeout=30) as http, _ended(host):
        customers = Customers(Client(host, http), random.Random(plan.seed + 1), plan.scenarios)
        await host.start()
        async with asyncio.TaskGroup() as group:
            for _ in range(CUSTOMERS):
                group.create_task(customers.serve())
            await _kill_repeatedly(host, books, customers, plan, say)
            customers.closing = True
        await _check_accounts(customers, Client(host, http))
        await _until_nothing_is_outstanding(host)
        await host.kill()
    books.turn_the_page()
    return {
        "kills": plan.kills,
        **customers.counts,
        "activity results": books.committed,
        "run again in flight": books.run_again,
    }


async def _kill_repeatedly(
    host: Host, books: Books, customers: Customers, plan: Plan, say: Callable[[str], None]
) -> None:
    chance = random.Random(plan.seed)
    for kill in range(plan.kills):
        customers.period = kill // KILLS_A_PERIOD
        if chance.random() < 0.2:  # while it starts
            await asyncio.sleep(chance.uniform(0, 2))
        else:
            await host.until_listening()
            await asyncio.sleep(chance.uniform(0, 1.5))
        await host.kill()
        books.turn_the_page()
        if (kill + 1) % 10 == 0:
            say(f"{kill + 1} kills, {dict(customers.counts)}, {books.committed} activity results")
        await host.start()
    await host.until_listening()


async def _check_accounts(customers: Customers, client: Client) -> None:
    """Wait for the signals that are still on their way, then check every account."""
    for key, account in customers.accounts.items():
        if account.changes:
            await client.settled(key, account.changes.keys())
            account.check(key, await client.account(key))


async def _until_nothing_is_outstanding(host: Host) -> None:
    deadline = time.monotonic() + 20
    while True:
        with snapshot(host.database) as db:
            rows = outstanding(db)
        if not any(rows.values()):
            return
        assert time.monotonic() < deadline, f"still to be done after everything finished: {rows}"
        await asyncio.sleep(0.2)


@contextlib.asynccontextmanager
async def _ended(host: Host):
    try:
        yield
    finally:
        if host.process is not None and host.process.returncode is None:
            await host.kill()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=None, help="repeats the moments of a run")
    parser.add_argument("--scenario", nargs="+", choices=SCENARIOS, default=SCENARIOS)
    arguments, options = parser.parse_known_args()
    seed = random.SystemRandom().randrange(10**6) if arguments.seed is None else arguments.seed
    print(f"{arguments.kills} kills, --seed {seed} {' '.join(options)}", flush=True)
    plan = Plan(arguments.kills, seed, tuple(options), tuple(arguments.scenario))
    begun = time.monotonic()
    with TemporaryDirectory() as folder:
        counts = asyncio.run(prove(plan, Path(folder), lambda text: print(text, flush=True)))
    for name, count in counts.items():
        print(f"{count:8} {name}")
    print(f"{time.monotonic() - begun:8.0f} seconds")


if __name__ == "__main__":
    sys.exit(main())
