"""Delivery to the functions host: at least once, several at a time, repeated on the configured schedule."""

import asyncio
import json
import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import batched, groupby
from typing import Any

import httpx

from localazure.config import EventGrid as Settings
from localazure.config import Subscription
from localazure.event_grid.outbox import Delivery, Outbox
from localazure.event_grid.schema import is_cloud_event

log = logging.getLogger(__name__)

NEVER_RETRIED = {400, 401, 403, 413}
UNREACHABLE_RETRY_SECONDS = (
    1.0  # the host is starting: nothing was attempted, so the schedule does not advance
)
_TIMEOUT_SECONDS = 30.0
_AT_ONCE = 16


class Dispatcher:
    """Delivers what the outbox holds to `functions` (the host's address) until it is stopped."""

    def __init__(self, settings: Settings, outbox: Outbox, functions: str, functions_key: str):
        self._settings, self._outbox = settings, outbox
        self._subscriptions = {subscription.name: subscription for subscription in settings.subscriptions}
        self._url = f"{functions}/runtime/webhooks/eventgrid"
        self._key = functions_key
        self._wake = asyncio.Event()
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._running: set[asyncio.Task[None]] = set()

    def wake(self) -> None:
        """Look at the outbox now (call on the event loop)."""
        self._wake.set()

    async def run(self) -> None:
        """Deliver for ever; cancel to stop. What is in flight then stays in the store and is delivered again."""
        async with httpx.AsyncClient(timeout=_TIMEOUT_SECONDS, trust_env=False) as http:
            try:
                while True:
                    self._wake.clear()
                    for batch in self._batches(self._outbox.take_due(time.time())):
                        await self._slots.acquire()
                        self._spawn(http, batch)
                    await self._sleep()
            finally:
                for task in self._running:
                    task.cancel()
                await asyncio.gather(*self._running, return_exceptions=True)

    async def _sleep(self) -> None:
        due = self._outbox.next_due()
        try:
            await asyncio.wait_for(self._wake.wait(), None if due is None else max(0.0, due - time.time()))
        except TimeoutError:
            return

    def _batches(self, due: Sequence[Delivery]) -> list[tuple[Delivery, ...]]:
        batches: list[tuple[Delivery, ...]] = []
        for name, deliveries in groupby(
            sorted(due, key=lambda one: one.subscription), lambda one: one.subscription
        ):
            subscription = self._subscriptions.get(name)
            batches += batched(
                deliveries, subscription.max_events_per_batch if subscription else 1, strict=False
            )
        return batches

    def _spawn(self, http: httpx.AsyncClient, batch: tuple[Delivery, ...]) -> None:
        task = asyncio.create_task(self._deliver(http, batch))
        self._running.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._slots.release()
        self._wake.set()  # what it put back may be due before anything else
        if not task.cancelled() and (error := task.exception()):
            log.error("a delivery failed inside the emulator", exc_info=error)

    async def _deliver(self, http: httpx.AsyncClient, batch: tuple[Delivery, ...]) -> None:
        subscription = self._subscriptions.get(batch[0].subscription)
        if subscription is None:
            for delivery in batch:
                self._outbox.give_up(delivery, "SubscriptionDeleted")
            return
        try:
            response = await self._post(http, subscription, batch)
        except httpx.ConnectError:
            self._wait_for_host(batch)
        except httpx.HTTPError as error:
            self._settle(batch, type(error).__name__, None)
        else:
            self._settle(batch, f"{response.status_code} {response.reason_phrase}", response.status_code)

    async def _post(
        self, http: httpx.AsyncClient, subscription: Subscription, batch: Sequence[Delivery]
    ) -> httpx.Response:
        events = [delivery.event for delivery in batch]
        single_cloud_event = len(events) == 1 and is_cloud_event(events[0])
        return await http.post(
            self._url,
            params={"functionName": subscription.function},
            content=json.dumps(events[0] if single_cloud_event else events),
            headers={
                "content-type": _content_type(events[0], single_cloud_event),
                "aeg-event-type": "Notification",
                "aeg-subscription-name": subscription.name.upper(),
                "aeg-delivery-count": str(batch[0].attempts),
                "aeg-data-version": str(events[0].get("dataVersion", "")),
                "aeg-metadata-version": str(events[0].get("metadataVersion", "")),
                "x-functions-key": self._key,
            },
        )

    def _wait_for_host(self, batch: Sequence[Delivery]) -> None:
        now = time.time()
        for delivery in batch:
            if now - delivery.published > self._settings.time_to_live_seconds:
                self._outbox.give_up(delivery, "TimeToLiveExceeded")
            else:
                waiting = replace(delivery, due=now + UNREACHABLE_RETRY_SECONDS, last_outcome="Unreachable")
                self._outbox.retry(waiting)

    def _settle(self, batch: Sequence[Delivery], outcome: str, status: int | None) -> None:
        if status is not None and 200 <= status < 300:
            for delivery in batch:
                self._outbox.done(delivery)
            return
        log.warning("%d event(s) to %s: %s", len(batch), batch[0].subscription, outcome)
        for delivery in batch:
            now = time.time()
            tried = replace(delivery, attempts=delivery.attempts + 1, last_attempt=now, last_outcome=outcome)
            if reason := self._given_up(tried, status):
                self._outbox.give_up(tried, reason)
            else:
                schedule = self._settings.retry_seconds
                self._outbox.retry(replace(tried, due=now + schedule[min(tried.attempts, len(schedule)) - 1]))

    def _given_up(self, tried: Delivery, status: int | None) -> str | None:
        if status in NEVER_RETRIED:
            return "UndeliverableDueToClientError"
        if tried.attempts >= self._settings.max_attempts:
            return "MaxDeliveryAttemptsExceeded"
        if time.time() - tried.published > self._settings.time_to_live_seconds:
            return "TimeToLiveExceeded"
        return None


def _content_type(event: dict[str, Any], single_cloud_event: bool) -> str:
    if single_cloud_event:
        return "application/cloudevents+json; charset=utf-8"
    if is_cloud_event(event):
        return "application/cloudevents-batch+json; charset=utf-8"
    return "application/json; charset=utf-8"
