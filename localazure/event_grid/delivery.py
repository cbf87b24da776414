"""Delivery to functions and webhooks: at least once, several at a time, repeated on Event Grid's schedule."""

import asyncio
import json
import logging
import ssl
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

import httpx

from localazure.event_grid import dead_letters, policy
from localazure.event_grid.handshake import HandshakeError, validate
from localazure.event_grid.outbox import Delivery, Outbox
from localazure.event_grid.schema import content_type, converted, is_cloud_event
from localazure.event_grid.subscriptions import Registered, Subscriptions
from localazure.event_grid_config import EventGrid as Settings
from localazure.service import Runtime

log = logging.getLogger(__name__)

FUNCTIONS_PATH = "/runtime/webhooks/eventgrid"
NOT_READY_SECONDS = (
    1.0  # the app or the webhook is starting: nothing was attempted, so the schedule does not advance
)
_AT_ONCE = 16


@dataclass(frozen=True)
class Destination:
    """Where a subscription's events are posted, and what goes with them."""

    url: str
    params: dict[str, str]
    headers: dict[str, str]


class Dispatcher:
    """Delivers what the outbox holds until it is stopped."""

    def __init__(self, runtime: Runtime, outbox: Outbox, subscriptions: Subscriptions):
        self._settings: Settings = runtime.config.event_grid
        self._runtime, self._outbox, self._subscriptions = runtime, outbox, subscriptions
        self._wake = asyncio.Event()
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._running: set[asyncio.Task[None]] = set()

    def wake(self) -> None:
        """Look at the outbox now (call on the event loop)."""
        self._wake.set()

    def client(self) -> httpx.AsyncClient:
        """For one life of the loop: it waits as long as Event Grid waits, and follows no redirect."""
        trust = ssl.create_default_context(cafile=str(self._runtime.ca_bundle))
        return httpx.AsyncClient(timeout=self._settings.answer_within_seconds, verify=trust, trust_env=False)

    async def run(self) -> None:
        """Deliver for ever; cancel to stop. What is in flight then stays in the store and is delivered again."""
        async with self.client() as http:
            try:
                while True:
                    self._wake.clear()
                    for work in self._work(http, self._outbox.take_due(time.time())):
                        await self._slots.acquire()
                        self._spawn(work)
                    await self._sleep()
            finally:
                for task in self._running:
                    task.cancel()
                await asyncio.gather(*self._running, return_exceptions=True)

    def destination(self, one: Registered) -> Destination:
        """Where `one` delivers; the app's own key opens its webhook."""
        if url := one.settings.webhook:
            return Destination(url, {}, one.settings.delivery_headers)
        return Destination(
            f"{self._runtime.addresses.functions}{FUNCTIONS_PATH}",
            {"functionName": one.settings.function or ""},
            {"x-functions-key": self._runtime.secrets["functions_key"]},
        )

    async def _sleep(self) -> None:
        due = self._outbox.next_due()
        try:
            await asyncio.wait_for(self._wake.wait(), None if due is None else max(0.0, due - time.time()))
        except TimeoutError:
            return

    def _work(
        self, http: httpx.AsyncClient, due: Sequence[Delivery]
    ) -> Iterator[Callable[[], Coroutine[Any, Any, None]]]:
        ordered = sorted(due, key=lambda one: (one.subscription, one.kind))
        for (key, kind), group in groupby(ordered, lambda one: (one.subscription, one.kind)):
            deliveries, subscription = list(group), self._subscriptions.get(key)
            if subscription is None:
                for delivery in deliveries:
                    self._outbox.drop(delivery, "SubscriptionDeleted")
            elif kind == "undeliverable":
                yield lambda one=subscription, letters=deliveries: self._dead_letter(one, letters)
            else:
                for batch in batches(deliveries, subscription):
                    yield lambda one=subscription, batch=batch: self._deliver(http, one, batch)

    def _spawn(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        task = asyncio.create_task(work())
        self._running.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._slots.release()
        self._wake.set()  # what it put back may be due before anything else
        if not task.cancelled() and (error := task.exception()):
            log.error("a delivery failed inside the emulator", exc_info=error)

    async def _deliver(self, http: httpx.AsyncClient, one: Registered, batch: Sequence[Delivery]) -> None:
        now = time.time()
        lifetime = one.settings.event_time_to_live_in_minutes * 60 * self._settings.time_scale
        fresh = [delivery for delivery in batch if now - delivery.published <= lifetime]
        for delivery in batch:
            if delivery not in fresh:
                self._give_up(one, delivery, "TimeToLiveExceeded", attempted=False)
        if fresh and await self._is_ready(http, one, fresh):
            await self._attempt(http, one, fresh)

    async def _is_ready(self, http: httpx.AsyncClient, one: Registered, batch: Sequence[Delivery]) -> bool:
        if one.validated or one.settings.webhook is None:
            return True
        try:
            is_cloud = self._subscriptions.schema_of(one) == "CloudEventSchemaV1_0"
            agreed = await validate(http, one.settings.webhook, self._subscriptions.invitation(one), is_cloud)
        except HandshakeError as error:
            self._postpone(batch, f"Not validated: {error}")
            return False
        if agreed:
            self._subscriptions.put(replace(one, validated=True))
        else:
            self._postpone(batch, "Not validated: its validation URL was not asked for")
        return agreed

    async def _attempt(self, http: httpx.AsyncClient, one: Registered, batch: Sequence[Delivery]) -> None:
        try:
            status = await self._post(http, one, batch)
        except httpx.ConnectError as error:
            if one.is_webhook:
                self._failed(one, batch, error)
            else:
                self._postpone(batch, "The functions host is not there")
        except httpx.HTTPError as error:
            self._failed(one, batch, error)
        else:
            if status in policy.DELIVERED:
                self._outbox.done(batch)
            else:
                self._failed(one, batch, status)

    async def _post(self, http: httpx.AsyncClient, one: Registered, batch: Sequence[Delivery]) -> int:
        schema, destination = self._subscriptions.schema_of(one), self.destination(one)
        events = [converted(delivery.event, schema) for delivery in batch]
        is_batch = one.settings.max_events_per_batch > 1
        is_bare = is_cloud_event(events[0]) and not is_batch
        response = await http.post(
            destination.url,
            params=destination.params or None,
            content=json.dumps(events[0] if is_bare else events),
            headers={
                **destination.headers,
                "content-type": content_type(events, is_batch),
                "aeg-event-type": "Notification",
                "aeg-subscription-name": one.settings.name.upper(),
                "aeg-delivery-count": str(max(delivery.attempts for delivery in batch)),
                **_versions(events),
            },
        )
        return response.status_code

    def _postpone(self, batch: Sequence[Delivery], why: str) -> None:
        for delivery in batch:
            self._outbox.wait(replace(delivery, due=time.time() + NOT_READY_SECONDS, last_outcome=why))

    def _failed(self, one: Registered, batch: Sequence[Delivery], result: int | httpx.HTTPError) -> None:
        outcome, now = policy.outcome(result), time.time()
        status = result if isinstance(result, int) else None
        log.warning("%d event(s) to %s: %s (%s)", len(batch), one.settings.name, outcome, status or result)
        for delivery in batch:
            attempts = delivery.attempts + 1
            tried = replace(delivery, attempts=attempts, last_attempt=now, last_outcome=outcome)
            if status is not None and policy.is_final(status, one.is_webhook):
                self._give_up(one, tried, policy.dead_letter_reason(status))
            elif attempts >= one.settings.max_delivery_attempts:
                self._give_up(one, tried, "MaxDeliveryAttemptsExceeded")
            else:
                seconds = policy.retry_seconds(attempts, status, one.is_webhook) * self._settings.time_scale
                self._outbox.retry(replace(tried, due=now + seconds))

    def _give_up(self, one: Registered, delivery: Delivery, reason: str, *, attempted: bool = True) -> None:
        if one.settings.dead_letter_container is None:
            self._outbox.drop(delivery, reason, attempted=attempted)
            return
        now = time.time()
        due = now + policy.DEAD_LETTER_SECONDS * self._settings.time_scale
        self._outbox.give_up(replace(delivery, reason=reason, given_up=now, due=due), attempted=attempted)

    async def _dead_letter(self, one: Registered, letters: Sequence[Delivery]) -> None:
        container = one.settings.dead_letter_container
        if container is None:
            self._drop_all(letters)
            return
        name = dead_letters.blob_name(one.settings.name, datetime.now(UTC))
        schema = self._subscriptions.schema_of(one)
        content = [dead_letters.letter(delivery, schema) for delivery in letters]
        where = (self._runtime.addresses.storage_ip, self._runtime.ca_bundle, container, name)
        try:
            await asyncio.to_thread(dead_letters.write, *where, content)
        except dead_letters.ContainerMissingError:
            log.warning("%d dead letter(s) dropped: there is no container %s", len(letters), container)
            self._drop_all(letters)
        except dead_letters.BlobUnavailableError as error:
            self._keep(letters, str(error))
        else:
            self._outbox.dead_lettered(letters, f"{container}/{name}")

    def _keep(self, letters: Sequence[Delivery], why: str) -> None:
        log.warning("%d dead letter(s) wait for their container: %s", len(letters), why)
        scale, now = self._settings.time_scale, time.time()
        for delivery in letters:
            if now - (delivery.given_up or now) > policy.DEAD_LETTER_PATIENCE_SECONDS * scale:
                self._outbox.drop(delivery, delivery.reason)
            else:
                self._outbox.wait(replace(delivery, due=now + policy.DEAD_LETTER_SECONDS * scale))

    def _drop_all(self, letters: Sequence[Delivery]) -> None:
        for delivery in letters:
            self._outbox.drop(delivery, delivery.reason)


def batches(deliveries: Sequence[Delivery], one: Registered) -> Iterator[list[Delivery]]:
    """`deliveries` in groups of at most the subscription's number of events, and of its preferred size where an event
    alone is not larger."""
    most, limit = one.settings.max_events_per_batch, one.settings.preferred_batch_size_in_kilobytes * 1024
    batch: list[Delivery] = []
    size = 0
    for delivery in deliveries:
        length = len(json.dumps(delivery.event))
        if batch and (len(batch) == most or size + length > limit):
            yield batch
            batch, size = [], 0
        batch.append(delivery)
        size += length
    if batch:
        yield batch


def _versions(events: Sequence[dict[str, Any]]) -> dict[str, str]:
    """What the headers say of the events; the id of one alone."""
    first = events[0]
    if is_cloud_event(first):
        said = {"aeg-metadata-version": str(first["specversion"])}
    else:
        said = {
            "aeg-data-version": str(first.get("dataVersion", "")),
            "aeg-metadata-version": str(first.get("metadataVersion", "")),
        }
    return said | ({"aeg-output-event-id": str(first["id"])} if len(events) == 1 else {})
