"""GitHub's routes: who may call, how often, and what has not changed since."""

import hashlib
import hmac
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from localazure.documents import Documents
from localazure.git_host.edits import LOGIN
from localazure.git_host.github.answers import Call, Handler, github_error, not_found
from localazure.git_host.github.comments import COMMENTS
from localazure.git_host.github.contents import CONTENTS
from localazure.git_host.github.files import FILES
from localazure.git_host.github.history import HISTORY
from localazure.git_host.github.hooks import HOOKS
from localazure.git_host.github.pulls import PULLS
from localazure.git_host.github.refs import REFS
from localazure.git_host.github.statuses import STATUSES
from localazure.git_host.repository import Repository
from localazure.git_host.webhooks import Webhooks
from localazure.web import Refusal, refuse

PREFIX = "/api/v3"  # GitHub Enterprise's form
_HOUR = 3600
_TABLE = (*STATUSES, *FILES, *PULLS, *COMMENTS, *HOOKS, *REFS, *HISTORY, *CONTENTS)


class RateLimit:
    """Requests of an hour; a new hour begins with the first request after the last one's end."""

    def __init__(self, limit: int, clock: Callable[[], float] = time.time):
        self._limit, self._clock = limit, clock
        self._used, self._reset = 0, 0.0

    def spend(self) -> None:
        """Count a request; refuses the one too many."""
        if self._clock() >= self._reset:
            self._used, self._reset = 0, self._clock() + _HOUR
        if self._used >= self._limit:
            raise github_error(403, f"API rate limit exceeded for user {LOGIN}.")
        self._used += 1

    def give_back(self) -> None:
        """A request that found nothing new does not count."""
        self._used -= 1

    @property
    def headers(self) -> dict[str, str]:
        return {
            "x-ratelimit-limit": str(self._limit),
            "x-ratelimit-remaining": str(self._limit - self._used),
            "x-ratelimit-used": str(self._used),
            "x-ratelimit-reset": str(int(self._reset)),
            "x-ratelimit-resource": "core",
        }

    def json(self) -> dict[str, object]:
        core = {name.removeprefix("x-ratelimit-"): value for name, value in self.headers.items()}
        numbers = {name: int(value) for name, value in core.items() if name != "resource"}
        return {"resources": {"core": numbers}, "rate": numbers}


@dataclass(frozen=True)
class GitHub:
    repositories: Mapping[str, Repository]
    documents: Documents
    base_url: str
    webhooks: Webhooks
    token: str
    limit: RateLimit

    @property
    def routes(self) -> Sequence[BaseRoute]:
        repositories = [
            Route(f"{PREFIX}/repos/{{owner}}/{{name}}{path}", self._answer(handler), methods=[method])
            for method, path, handler in _TABLE
        ]
        return [
            *repositories,
            Route(f"{PREFIX}/user", self._user),
            Route(f"{PREFIX}/rate_limit", self._rate_limit),
        ]

    async def _user(self, request: Request) -> Response:
        self._authorise(request)
        return JSONResponse({"login": LOGIN, "id": 1, "type": "User", "url": f"{self.base_url}{PREFIX}/user"})

    async def _rate_limit(self, request: Request) -> Response:
        self._authorise(request)
        return JSONResponse(self.limit.json(), headers=self.limit.headers)

    def _answer(self, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            try:
                self._authorise(request)
                self.limit.spend()
                response = self._unless_known(request, await handler(self._call(request)))
            except Refusal as refusal:
                response = await refuse(request, refusal)
            response.headers.update(self.limit.headers)
            response.headers["x-github-request-id"] = uuid.uuid4().hex.upper()
            response.headers["x-github-media-type"] = "github.v3; format=json"
            return response

        return answer

    def _call(self, request: Request) -> Call:
        repository = self.repositories.get("{owner}/{name}".format(**request.path_params))
        if repository is None:
            raise not_found()
        return Call(request, repository, self.documents, self.base_url, self.webhooks)

    def _unless_known(self, request: Request, response: Response) -> Response:
        """304 where the caller has this answer already; streams carry no tag."""
        body = getattr(response, "body", None)
        if request.method != "GET" or not isinstance(body, bytes) or response.status_code != 200:
            return response
        tag = f'W/"{hashlib.sha256(body).hexdigest()}"'
        headers = {"etag": tag, "cache-control": "private, max-age=60, s-maxage=60"}
        known = [
            one.strip().removeprefix("W/") for one in request.headers.get("if-none-match", "").split(",")
        ]
        if tag.removeprefix("W/") in known or "*" in known:
            self.limit.give_back()
            return Response(status_code=304, headers=headers)
        response.headers.update(headers)
        return response

    def _authorise(self, request: Request) -> None:
        if not request.headers.get("user-agent"):
            raise github_error(
                403,
                "Request forbidden by administrative rules. Please make sure your request has a User-Agent header",
            )
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if not token:
            raise github_error(401, "Requires authentication")
        known = hmac.compare_digest(token.encode(), self.token.encode())
        if scheme.lower() not in ("bearer", "token") or not known:
            raise github_error(401, "Bad credentials")
