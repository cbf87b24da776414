"""The git host's routes: REST, pages, and the administrator's hand on webhooks."""

import hmac
import uuid
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from localazure.config import GitRepository
from localazure.documents import Documents
from localazure.git_host.answers import Call, Handler, github_error, not_found
from localazure.git_host.commits import read_commit
from localazure.git_host.reading import READING
from localazure.git_host.repository import Repository
from localazure.git_host.webhooks import Webhooks
from localazure.git_host.writing import WRITING, combined, latest_by_context, statuses_of
from localazure.service import Runtime
from localazure.web import azure_error, json_body, page

PREFIX = "/api/v3"  # GitHub Enterprise's form


class GitHost:
    """The repositories of the configuration, below `state/git/<owner>/<name>.git`."""

    def __init__(self, runtime: Runtime):
        self._base_url = runtime.addresses.azure
        self._token = runtime.secrets["git_token"]
        self._folder = runtime.state / "git"
        self._folder.mkdir(exist_ok=True)
        self._documents = Documents(runtime.state / "git.db")
        configured = runtime.config.repositories
        self._repositories = {one.name: _repository(self._folder, one) for one in configured}
        hooks = {one.name: f"{runtime.addresses.functions}{one.webhook}" for one in configured if one.webhook}
        self._webhooks = Webhooks(
            self._repositories, hooks, self._documents, runtime.secrets["webhook"], self._base_url
        )

    @property
    def routes(self) -> Sequence[BaseRoute]:
        rest = [
            Route(f"{PREFIX}/repos/{{owner}}/{{name}}{path}", self._answer(handler), methods=[method])
            for method, path, handler in (*WRITING, *READING)
        ]
        return [
            *rest,
            Route("/git", self._page),
            Route("/admin/git/deliveries", self._deliveries),
            Route("/admin/git/deliveries/{guid}", self._delivery),
            Route("/admin/git/deliveries/{guid}/redeliver", self._redeliver, methods=["POST"]),
            Route("/admin/git/webhooks", self._switch, methods=["POST"]),
        ]

    async def start(self) -> None:
        port_file = self._folder / "port"
        for repository in self._repositories.values():
            await repository.create(port_file)
        await self._webhooks.start(port_file)

    async def stop(self) -> None:
        await self._webhooks.stop()

    def _answer(self, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            self._authorise(request)
            repository = self._repositories.get("{owner}/{name}".format(**request.path_params))
            if repository is None:
                raise not_found()
            return await handler(Call(request, repository, self._documents, self._base_url, self._announce))

        return answer

    def _authorise(self, request: Request) -> None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if not token:
            raise github_error(401, "Requires authentication")
        if scheme.lower() not in ("bearer", "token") or not hmac.compare_digest(
            token.encode(), self._token.encode()
        ):
            raise github_error(401, "Bad credentials")

    async def _announce(self, repository: Repository, before: str, after: str, ref: str) -> None:
        await self._webhooks.announce(repository, str(uuid.uuid4()), before, after, ref)

    async def _page(self, _: Request) -> Response:
        repositories = [await self._overview(one) for one in self._repositories.values()]
        return page("git.html", repositories=repositories, enabled=self._webhooks.enabled)

    async def _overview(self, repository: Repository) -> dict[str, Any]:
        branches: list[dict[str, Any]] = []
        for name, sha in (await repository.branches()).items():
            statuses = latest_by_context(statuses_of(self._documents, repository.name, sha))
            state = combined([one["state"] for one in statuses]) if statuses else ""
            commit = await read_commit(repository, sha)
            branches.append({"name": name, "commit": commit, "statuses": statuses, "state": state})
        return {"name": repository.name, "path": repository.path, "branches": branches}

    async def _deliveries(self, request: Request) -> Response:
        deliveries = self._webhooks.deliveries()
        if "text/html" in request.headers.get("accept", ""):
            return page("deliveries.html", deliveries=deliveries, enabled=self._webhooks.enabled)
        return JSONResponse({"enabled": self._webhooks.enabled, "deliveries": deliveries})

    async def _delivery(self, request: Request) -> Response:
        payload = self._webhooks.payload(request.path_params["guid"])
        if payload is None:
            raise azure_error(404, "NotFound", "There is no such delivery.")
        return JSONResponse(payload)

    async def _redeliver(self, request: Request) -> Response:
        guid = request.path_params["guid"]
        if not self._webhooks.redeliver(guid):
            raise azure_error(404, "NotFound", f"There is no delivery {guid!r}.")
        return JSONResponse({"queued": guid}, 202)

    async def _switch(self, request: Request) -> Response:
        body = await json_body(request, limit=1024)
        if not isinstance(body, dict) or not isinstance(body.get("enabled"), bool):
            raise azure_error(400, "BadRequest", "enabled: true or false is required.")
        self._webhooks.enable(body["enabled"])
        return JSONResponse({"enabled": body["enabled"]})


def _repository(folder: Path, configured: GitRepository) -> Repository:
    return Repository(configured.name, folder / f"{configured.name}.git", configured.default_branch)
