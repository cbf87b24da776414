"""Dead letters as Event Grid writes them: a JSON array of one subscription's events, under the hour of writing."""

import json
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from localazure.event_grid.outbox import Delivery
from localazure.event_grid.schema import converted, is_cloud_event
from localazure.event_grid_config import EventSchema
from localazure.service import STORAGE_KEY


class ContainerMissingError(Exception):
    """The dead-letter container does not exist: Event Grid drops what was meant for it."""


class BlobUnavailableError(Exception):
    """The storage account cannot be reached now: to be tried again."""


def blob_name(subscription: str, at: datetime) -> str:
    """`NAME/year/month/day/hour/guid.json`, the numbers without leading zeros, in UTC."""
    return f"{subscription.upper()}/{at.year}/{at.month}/{at.day}/{at.hour}/{uuid.uuid4()}.json"


def letter(delivery: Delivery, schema: EventSchema | None) -> dict[str, Any]:
    """The event as it would have been delivered, with why it was not; CloudEvents' attributes are lower-case."""
    event = converted(delivery.event, schema)
    end = {
        "deadLetterReason": delivery.reason,
        "deliveryAttempts": delivery.attempts,
        "lastDeliveryOutcome": delivery.last_outcome,
        "publishTime": _time(delivery.published),
        "lastDeliveryAttemptTime": _time(delivery.last_attempt) if delivery.last_attempt else None,
    }
    return event | ({key.lower(): value for key, value in end.items()} if is_cloud_event(event) else end)


def write(
    storage_ip: str, ca_bundle: Path, container: str, name: str, letters: Sequence[dict[str, Any]]
) -> None:
    """Write the blob. Raises `ContainerMissingError` and `BlobUnavailableError`."""
    from azure.core.exceptions import AzureError, ResourceNotFoundError
    from azure.storage.blob import BlobServiceClient, ContentSettings

    settings = ContentSettings(content_type="application/json")
    try:
        with BlobServiceClient(
            storage_ip, credential=STORAGE_KEY, connection_verify=str(ca_bundle), retry_total=0
        ) as service:
            service.get_blob_client(container, name).upload_blob(
                json.dumps(letters), content_settings=settings
            )
    except ResourceNotFoundError as error:
        raise ContainerMissingError(container) from error
    except AzureError as error:
        raise BlobUnavailableError(str(error)) from error


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
