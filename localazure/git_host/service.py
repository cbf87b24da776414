"""The git host's routes: both REST APIs, git over HTTP, pages, and the administrator's hand on webhooks."""

from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from localazure.documents import Documents
from localazure.git_host.commits import read_commit
from localazure.git_host.devops.routes import DevOps
from localazure.git_host.github.routes import GitHub, RateLimit
from localazure.git_host.github.statuses import combined, latest_by_context, statuses_of
from localazure.git_host.repository import Repository
from localazure.git_host.smart_http import SmartHttp
from localazure.git_host.webhooks import Webhooks
from localazure.service import Runtime
from localazure.web import azure_error, json_body, page

_PAGE = 100  # deliveries
_HTTP = "/git/{owner}/{name}.git/{service:path}"


class GitHost:
    """The repositories of the configuration, below `state/git/<owner>/<name>.git`."""

    def __init__(self, runtime: Runtime):
        self._base_url, self._ca = runtime.addresses.azure, runtime.ca_bundle
        self._configured = runtime.config.repositories
        self._folder = runtime.state / "git"
        self._folder.mkdir(exist_ok=True)
        self._repositories = {
            one.name: Repository(one.name, self._folder / f"{one.name}.git", one.default_branch)
            for one in self._configured
        }
        documents = self._documents = Documents(runtime.state / "git.db")
        self._webhooks = Webhooks(self._repositories, documents, runtime)
        token, hosting = runtime.secrets["git_token"], runtime.config.git_host
        limit = RateLimit(hosting.requests_per_hour)
        shared = (self._repositories, documents, self._base_url, self._webhooks, token)
        self._github = GitHub(*shared, limit)
        self._devops = DevOps(*shared, hosting.organization)
        self._http = SmartHttp(self._named, token)

    @property
    def routes(self) -> Sequence[BaseRoute]:
        return [
            *self._github.routes,
            *self._devops.routes,
            Route(_HTTP, self._http.__call__, methods=["GET", "POST"]),
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
        await self._webhooks.start(port_file, self._configured)

    async def stop(self) -> None:
        await self._webhooks.stop()

    def _named(self, request: Request) -> Repository | None:
        return self._repositories.get("{owner}/{name}".format(**request.path_params))

    async def _page(self, _: Request) -> Response:
        repositories = [await self._overview(one) for one in self._repositories.values()]
        enabled = self._webhooks.outbox.enabled
        return page("git.html", repositories=repositories, enabled=enabled, ca=self._ca)

    async def _overview(self, repository: Repository) -> dict[str, Any]:
        branches: list[dict[str, Any]] = []
        for name, sha in (await repository.branches()).items():
            statuses = latest_by_context(statuses_of(self._documents, repository.name, sha))
            state = combined([one["state"] for one in statuses]) if statuses else ""
            commit = await read_commit(repository, sha)
            branches.append({"name": name, "commit": commit, "statuses": statuses, "state": state})
        return {
            "name": repository.name,
            "path": repository.path,
            "url": repository.clone_url(self._base_url),
            "branches": branches,
            "pulls": self._webhooks.pulls.all(repository)[::-1],
            "hooks": [hook for hook in self._webhooks.hooks.all() if hook.repository == repository.name],
        }

    async def _deliveries(self, request: Request) -> Response:
        outbox = self._webhooks.outbox
        if "text/html" in request.headers.get("accept", ""):
            return self._deliveries_page(request.query_params.get("page", ""))
        return JSONResponse({"enabled": outbox.enabled, "deliveries": outbox.deliveries()})

    def _deliveries_page(self, asked: str) -> Response:
        outbox, number = self._webhooks.outbox, max(1, int(asked) if asked.isdecimal() else 1)
        found = outbox.deliveries()
        shown = found[(number - 1) * _PAGE : number * _PAGE]
        more = len(found) > number * _PAGE
        return page("deliveries.html", deliveries=shown, enabled=outbox.enabled, number=number, more=more)

    async def _delivery(self, request: Request) -> Response:
        payload = self._webhooks.outbox.payload(request.path_params["guid"])
        if payload is None:
            raise azure_error(404, "NotFound", "There is no such delivery.")
        return JSONResponse(payload)

    async def _redeliver(self, request: Request) -> Response:
        guid = request.path_params["guid"]
        if not self._webhooks.redeliver(guid):
            raise azure_error(404, "NotFound", f"There is no delivery {guid!r}.")
        if "text/html" in request.headers.get("accept", ""):
            return RedirectResponse("/admin/git/deliveries", 303)
        return JSONResponse({"queued": guid}, 202)

    async def _switch(self, request: Request) -> Response:
        body = await json_body(request, limit=1024)
        if not isinstance(body, dict) or not isinstance(body.get("enabled"), bool):
            raise azure_error(400, "BadRequest", "enabled: true or false is required.")
        self._webhooks.outbox.enable(body["enabled"])
        return JSONResponse({"enabled": body["enabled"]})
