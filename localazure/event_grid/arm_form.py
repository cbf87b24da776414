"""An event subscription in ARM's form: read into a `Subscription`, and written from one."""

import re
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from localazure.event_grid.subscriptions import Registered
from localazure.event_grid_config import EventSchema, Subscription, check_schemas
from localazure.service import STORAGE_ACCOUNT
from localazure.web import azure_error

Json = dict[str, Any]

_FUNCTION = re.compile(r"/providers/Microsoft\.Web/sites/[^/]+/functions/(?P<name>[^/]+)/?$", re.IGNORECASE)
_FILTER = {
    "includedEventTypes": "event_types",
    "subjectBeginsWith": "subject_begins_with",
    "subjectEndsWith": "subject_ends_with",
    "isSubjectCaseSensitive": "is_subject_case_sensitive",
    "enableAdvancedFilteringOnArrays": "enable_advanced_filtering_on_arrays",
    "advancedFilters": "advanced_filters",
}
_RETRY = {
    "maxDeliveryAttempts": "max_delivery_attempts",
    "eventTimeToLiveInMinutes": "event_time_to_live_in_minutes",
}
_BATCH = {
    "maxEventsPerBatch": "max_events_per_batch",
    "preferredBatchSizeInKilobytes": "preferred_batch_size_in_kilobytes",
}


def read(name: str, source: str, properties: Mapping[str, Any], input_schema: EventSchema) -> Subscription:
    """The subscription that ARM's `properties` describe; refuses with 400 what Event Grid, or this one, refuses."""
    kind, destination = _destination(properties)
    settings: Json = {"name": name, "source": source, "delivery_schema": _schema(properties, input_schema)}
    if kind == "AzureFunction":
        settings["function"] = _function(destination)
    else:
        settings["webhook"] = destination.get("endpointUrl")
    for section, names in (
        (properties.get("filter"), _FILTER),
        (properties.get("retryPolicy"), _RETRY),
        (destination, _BATCH),
    ):
        given = section if isinstance(section, dict) else {}
        settings |= {ours: given[theirs] for theirs, ours in names.items() if given.get(theirs) is not None}
    settings["dead_letter_container"] = _container(properties)
    settings["delivery_headers"] = _headers(destination)
    try:
        return Subscription.model_validate(settings)
    except ValidationError as error:
        raise _invalid(_first(error)) from None


def _destination(properties: Mapping[str, Any]) -> tuple[str, Json]:
    """Also where the topic's identity delivers: identities are not told apart here."""
    whole = properties.get("destination") or (properties.get("deliveryWithResourceIdentity") or {}).get(
        "destination"
    )
    whole = whole if isinstance(whole, dict) else {}
    kind = whole.get("endpointType")
    if kind not in ("AzureFunction", "WebHook"):
        raise _invalid(
            f"properties.destination.endpointType: localazure delivers to AzureFunction and WebHook, not to {kind!r}"
        )
    return kind, whole.get("properties") or {}


def _function(destination: Json) -> str:
    found = _FUNCTION.search(str(destination.get("resourceId")))
    if not found:
        raise _invalid(
            "properties.destination.properties.resourceId: must be the id of a function "
            "(…/providers/Microsoft.Web/sites/<app>/functions/<function>)"
        )
    return found["name"]


def _schema(properties: Mapping[str, Any], input_schema: EventSchema) -> EventSchema:
    schema: EventSchema = properties.get("eventDeliverySchema") or input_schema
    try:
        check_schemas(input_schema, schema)
    except ValueError as error:
        raise _invalid(str(error)) from None
    return schema


def _container(properties: Mapping[str, Any]) -> str | None:
    with_identity = properties.get("deadLetterWithResourceIdentity") or {}
    whole = properties.get("deadLetterDestination") or with_identity.get("deadLetterDestination")
    if whole is None:
        return None
    if whole.get("endpointType") != "StorageBlob" or not whole.get("properties", {}).get("blobContainerName"):
        raise _invalid(
            "properties.deadLetterDestination: must be a StorageBlob with resourceId and blobContainerName"
        )
    return whole["properties"]["blobContainerName"]


def _headers(destination: Json) -> dict[str, str]:
    mappings = destination.get("deliveryAttributeMappings") or []
    if any(one.get("type") != "Static" for one in mappings):
        raise _invalid("deliveryAttributeMappings: localazure sets headers of type Static alone")
    return {one["name"]: str(one.get("properties", {}).get("value", "")) for one in mappings}


def write(one: Registered, id: str, resource_group: str, *, with_secrets: bool = False) -> Json:
    """The resource as a GET answers it; the query of a webhook's URL is a secret, and left out of an answer."""
    given = dict(one.properties) or _properties(one.settings, id, resource_group)
    if one.is_webhook and not with_secrets:
        given = {**given, "destination": _without_secret(given["destination"])}
    return {
        "id": id,
        "name": one.settings.name,
        "type": _type_of(id),
        "properties": {
            "labels": None,
            "eventDeliverySchema": one.settings.delivery_schema or "EventGridSchema",
            "retryPolicy": {theirs: getattr(one.settings, ours) for theirs, ours in _RETRY.items()},
            **given,
            "topic": one.source_id,
            "provisioningState": one.state,
        },
    }


def _type_of(id: str) -> str:
    provider, _, rest = id.rpartition("/providers/")[2].partition("/")
    return "/".join((provider, *rest.split("/")[::2]))


def _without_secret(destination: Json) -> Json:
    properties = {name: value for name, value in destination["properties"].items() if name != "endpointUrl"}
    base = str(destination["properties"].get("endpointUrl", "")).partition("?")[0]
    return {**destination, "properties": {**properties, "endpointBaseUrl": base}}


def _properties(settings: Subscription, id: str, resource_group: str) -> Json:
    """What ARM would have been sent for a subscription of the configuration."""
    subscription = "/".join(id.split("/")[:3])
    group = f"{subscription}/resourceGroups/{resource_group}/providers"
    batch = {theirs: getattr(settings, ours) for theirs, ours in _BATCH.items()}
    if settings.webhook:
        destination = {"endpointType": "WebHook", "properties": {"endpointUrl": settings.webhook, **batch}}
    else:
        function = f"{group}/Microsoft.Web/sites/localazure/functions/{settings.function}"
        destination = {"endpointType": "AzureFunction", "properties": {"resourceId": function, **batch}}
    dumped = settings.model_dump(mode="json", by_alias=True)
    properties: Json = {
        "destination": destination,
        "filter": {theirs: dumped[ours] for theirs, ours in _FILTER.items()},
    }
    if settings.dead_letter_container:
        account = f"{group}/Microsoft.Storage/storageAccounts/{STORAGE_ACCOUNT}"
        blob = {"resourceId": account, "blobContainerName": settings.dead_letter_container}
        properties["deadLetterDestination"] = {"endpointType": "StorageBlob", "properties": blob}
    return properties


def _first(error: ValidationError) -> str:
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}".removeprefix(": ")


def _invalid(message: str) -> Exception:
    return azure_error(400, "InvalidRequest", message)
