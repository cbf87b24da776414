"""What the REST handlers share: the call they answer, GitHub's errors, pagination."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from starlette.responses import JSONResponse, Response

from localazure.git_host.call import RepositoryCall
from localazure.git_host.pulls import RefUpdate
from localazure.web import Refusal

DOCUMENTATION = "https://docs.github.com/rest"
MAX_PER_PAGE = 100


@dataclass(frozen=True)
class Call(RepositoryCall):
    """The call in GitHub's dialect."""

    @property
    def url(self) -> str:
        """The repository's own URL."""
        return f"{self.base_url}/api/v3/repos/{self.repository.name}"

    def query(self, name: str, default: str) -> str:
        return self.request.query_params.get(name) or default

    def accepts(self, media: str) -> bool:
        """Whether one of GitHub's own media types (raw, object) is asked for."""
        return f".{media}" in self.request.headers.get("accept", "")

    async def commit(self, reference: str, status: int = 404) -> str:
        """The sha of the commit that `reference` names; refuses as GitHub does."""
        sha = await self.repository.resolve(reference)
        if sha is None and await self.repository.is_empty():
            raise github_error(409, "Git Repository is empty.")
        if sha is None:
            raise github_error(status, f"No commit found for the ref {reference}")
        return sha

    async def moved(self, ref: str, before: str, after: str) -> None:
        """Announce a ref that the server itself has moved."""
        await self.webhooks.pushed(self.repository, [RefUpdate(ref, before, after)])


Handler = Callable[[Call], Awaitable[Response]]


def github_error(status: int, message: str, errors: Sequence[dict[str, str]] = ()) -> Refusal:
    body: dict[str, Any] = {"message": message, "documentation_url": DOCUMENTATION, "status": str(status)}
    return Refusal(status, body | ({"errors": list(errors)} if errors else {}))


def not_found() -> Refusal:
    return github_error(404, "Not Found")


def invalid(resource: str, field: str, message: str, code: str = "invalid") -> Refusal:
    """422 that names the field."""
    error = {"resource": resource, "field": field, "code": code, "message": message}
    return github_error(422, f"Validation Failed: {field}: {message}", [error])


async def json_object(call: Call) -> dict[str, Any]:
    """The request's body; refuses with 400 as GitHub does."""
    try:
        body = await call.request.json()
    except ValueError:
        raise github_error(400, "Problems parsing JSON") from None
    if not isinstance(body, dict):
        raise github_error(400, "Body should be a JSON object")
    return body


def boolean(body: dict[str, Any], resource: str, field: str, default: bool) -> bool:
    value = body.get(field, default)
    if not isinstance(value, bool):
        raise invalid(resource, field, "must be true or false")
    return value


def text(body: dict[str, Any], resource: str, field: str) -> str:
    """A required string of the body; refuses with 422."""
    value = body.get(field)
    if not isinstance(value, str) or not value:
        raise invalid(resource, field, "a string is required", "missing_field")
    return value


def paginated(call: Call, items: Sequence[Any]) -> Response:
    """The page asked for (`per_page` 30, at most 100) with GitHub's `Link` header."""
    shown, headers = page_of(call, items)
    return JSONResponse(list(shown), headers=headers)


def page_of[T](call: Call, items: Sequence[T]) -> tuple[Sequence[T], dict[str, str]]:
    """The items of the page asked for, and the headers that go with them."""
    size = min(_positive(call.query("per_page", "30"), 30), MAX_PER_PAGE)
    number = _positive(call.query("page", "1"), 1)
    last = max(1, -(-len(items) // size))
    pages = {"prev": number - 1, "next": number + 1, "last": last, "first": 1}
    told = [*(("next", "last") if number < last else ()), *(("prev", "first") if number > 1 else ())]
    links = [_link(call, size, pages[relation], relation) for relation in told]
    return items[(number - 1) * size : number * size], {"link": ", ".join(links)} if links else {}


def _link(call: Call, size: int, number: int, relation: str) -> str:
    others = {
        name: value for name, value in call.request.query_params.items() if name not in ("page", "per_page")
    }
    query = urlencode(others | {"per_page": size, "page": number})
    return f'<{call.base_url}{quote(call.request.url.path)}?{query}>; rel="{relation}"'


def _positive(text: str, default: int) -> int:
    return int(text) if text.isdecimal() and int(text) > 0 else default
