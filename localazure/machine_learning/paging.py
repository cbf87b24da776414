"""Lists as the SDK follows them: a page at a time, each with the address of the next; views and tag filters."""

from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import urlencode

from localazure.machine_learning.routing import Call, Json
from localazure.web import azure_error

PAGE_SIZE = 100


def paged(azure: str, call: Call, items: Sequence[Json], size: int = PAGE_SIZE) -> Json:
    """The page that `$skip` asks for, of at most `$top` items in all; `nextLink` leads on. Refuses with 400."""
    skip, top = _number(call.query, "$skip", 0), _number(call.query, "$top", len(items))
    page, reached = items[skip:][: min(size, top)], skip + min(size, top)
    if reached >= len(items) or top <= size:
        return {"value": list(page)}
    query = {**call.query, "$skip": str(reached)}
    if "$top" in query:
        query["$top"] = str(top - len(page))
    return {"value": list(page), "nextLink": f"{azure}{call.url_path}?{urlencode(query)}"}


def in_view(resource: Json, query: Mapping[str, str]) -> bool:
    """Whether `listViewType` (ActiveOnly unless it says otherwise) shows the resource."""
    archived = bool(resource["properties"].get("isArchived"))
    return {"ActiveOnly": not archived, "ArchivedOnly": archived}.get(
        query.get("listViewType", "ActiveOnly"), True
    )


def has_tags(tags: Mapping[str, str], wanted: str | None) -> bool:
    """Whether `tags` has each of `wanted`: a comma-separated list of `name` or `name=value`."""
    return all(_has(tags, *part.strip().partition("=")) for part in (wanted or "").split(",") if part.strip())


def _has(tags: Mapping[str, str], name: str, equals: str, value: str) -> bool:
    return name in tags and (not equals or tags[name] == value)


def newest_first(items: Iterable[Json], key: str = "createdAt") -> list[Json]:
    return sorted(items, key=lambda item: item["systemData"][key], reverse=True)


def _number(query: Mapping[str, str], name: str, default: int) -> int:
    text = query.get(name)
    if text is None:
        return default
    if not text.isdigit():
        raise azure_error(
            400, "UserError", f"The query parameter {name} is {text!r}: a whole number is expected."
        )
    return int(text)
