"""Azure DevOps' routes: /{organization}/{project}/_apis/git/…, for whoever has the token."""

import base64
import binascii
import hmac
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route

from localazure.documents import Documents
from localazure.git_host.devops.answers import Call, Handler, check_version, collection, devops_error
from localazure.git_host.devops.history import HISTORY
from localazure.git_host.devops.items import ITEMS
from localazure.git_host.devops.locations import locations
from localazure.git_host.devops.pulls import PULLS
from localazure.git_host.devops.pulls import get as get_pull
from localazure.git_host.devops.pushes import PUSHES
from localazure.git_host.devops.shapes import project_guid, project_json, repository_json
from localazure.git_host.devops.subscriptions import Subscriptions
from localazure.git_host.devops.threads import THREADS
from localazure.git_host.repository import Repository
from localazure.git_host.smart_http import SmartHttp
from localazure.git_host.webhooks import Webhooks

_TABLE = (*ITEMS, *HISTORY, *PUSHES, *PULLS, *THREADS)
_SIGN_IN = (
    "<!doctype html><title>Azure DevOps Services | Sign In</title><p>Sign in: the git token is the PAT.</p>"
)
Answer = Callable[[Request], Awaitable[Response]]


async def _repository(call: Call) -> Response:
    return JSONResponse(repository_json(call.repository, call.base_url, call.organization))


@dataclass(frozen=True)
class DevOps:
    """One organization; its projects are the repositories' owners. A personal access token is the git token."""

    repositories: Mapping[str, Repository]
    documents: Documents
    base_url: str
    webhooks: Webhooks
    token: str
    organization: str

    @property
    def routes(self) -> Sequence[BaseRoute]:
        area = f"/{self.organization}"
        subscriptions = Subscriptions(self.webhooks.hooks, dict(self.repositories))
        hooks, one = f"{area}/_apis/hooks/subscriptions", f"{area}/_apis/hooks/subscriptions/{{subscription}}"
        return [
            *self._repository_routes(f"{area}/{{project}}/_apis/git"),
            *self._repository_routes(f"{area}/_apis/git"),
            Route(f"{area}/_apis", self._free(self._locations), methods=["OPTIONS"]),
            Route(f"{area}/_apis/resourceAreas", self._free(self._no_areas)),
            Route(f"{area}/_apis/projects", self._checked(self._projects)),
            Route(f"{area}/_apis/projects/{{project}}", self._checked(self._project)),
            Route(hooks, self._checked(subscriptions.listed)),
            Route(hooks, self._checked(subscriptions.create), methods=["POST"]),
            Route(one, self._checked(subscriptions.get)),
            Route(one, self._checked(subscriptions.update), methods=["PUT"]),
            Route(one, self._checked(subscriptions.delete), methods=["DELETE"]),
            Route(
                f"{area}/{{project}}/_git/{{repository}}/{{service:path}}",
                SmartHttp(self._find, self.token).__call__,
                methods=["GET", "POST"],
            ),
        ]

    def _repository_routes(self, area: str) -> list[BaseRoute]:
        repository = f"{area}/repositories/{{repository}}"
        spelled = [(method, path, handler) for method, path, handler in (*_TABLE, ("GET", "", _repository))]
        spelled += [
            (method, path.replace("/pullrequests", "/pullRequests"), handler)
            for method, path, handler in (*PULLS, *THREADS)
        ]
        return [
            Route(f"{area}/repositories", self._checked(self._repositories_of)),
            *(
                Route(f"{repository}{path}", self._checked(self._answer(handler)), methods=[method])
                for method, path, handler in spelled
            ),
            *(
                Route(f"{area}/{word}/{{number:int}}", self._checked(self._pull_anywhere))
                for word in ("pullrequests", "pullRequests")
            ),
        ]

    def _checked(self, answer: Answer) -> Answer:
        async def checked(request: Request) -> Response:
            refused = self._refused(request)
            if refused:
                return refused
            check_version(request)
            return await answer(request)

        return checked

    def _free(self, answer: Answer) -> Answer:
        """For what needs a token, and no version."""

        async def checked(request: Request) -> Response:
            return self._refused(request) or await answer(request)

        return checked

    def _refused(self, request: Request) -> Response | None:
        """Nobody is sent to a page that says 203, which careless clients take for success; a wrong token gets 401."""
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if not given:
            return HTMLResponse(_SIGN_IN, 203)
        if scheme.lower() == "basic":
            try:
                given = base64.b64decode(given).decode().partition(":")[2]
            except (binascii.Error, UnicodeDecodeError):
                given = ""
        if scheme.lower() in ("basic", "bearer") and hmac.compare_digest(given.encode(), self.token.encode()):
            return None
        headers = {"www-authenticate": f'Bearer, Basic realm="{self.base_url}/"'}
        return HTMLResponse(
            "<title>Access Denied: The Personal Access Token used has expired.</title>", 401, headers
        )

    def _answer(self, handler: Handler) -> Answer:
        async def answer(request: Request) -> Response:
            return await handler(self._call(request, self._named(request)))

        return answer

    def _call(self, request: Request, repository: Repository) -> Call:
        return Call(request, repository, self.documents, self.base_url, self.webhooks, self.organization)

    def _named(self, request: Request) -> Repository:
        self._project_of(request)
        name = request.path_params["repository"]
        found = self._find(request)
        if found is None:
            raise devops_error(
                404,
                "GitRepositoryNotFoundException",
                f"TF401019: The Git repository with name or identifier {name} does not exist or you do not have "
                "permissions for the operation you are attempting.",
            )
        return found

    def _find(self, request: Request) -> Repository | None:
        """By name or id, in a project by name or id; without a project by id alone. Case does not matter."""
        project = request.path_params.get("project", "").lower()
        name = request.path_params["repository"].lower()
        for one in self.repositories.values():
            if project and project not in (one.owner.lower(), project_guid(one.owner)):
                continue
            if name == one.guid or (project and name == one.short_name.lower()):
                return one
        return None

    def _project_of(self, request: Request) -> str | None:
        """The project that the URL names, None if it names none; refuses an unknown one."""
        name: str | None = request.path_params.get("project")
        owners = {one.owner for one in self.repositories.values()}
        if name is None:
            return None
        found = next((one for one in owners if name.lower() in (one.lower(), project_guid(one))), None)
        if found is None:
            raise devops_error(
                404,
                "ProjectDoesNotExistWithNameException",
                f"TF200016: The following project does not exist: {name}. Verify that the name of the project is "
                "correct and that the project exists on the specified Azure DevOps Server.",
            )
        return found

    async def _locations(self, _: Request) -> Response:
        return collection(locations())

    async def _no_areas(self, _: Request) -> Response:
        """All resources are at this address: SDKs then stay with it."""
        return collection([])

    async def _projects(self, _: Request) -> Response:
        owners = sorted({one.owner for one in self.repositories.values()})
        return collection([project_json(owner, self.base_url, self.organization) for owner in owners])

    async def _project(self, request: Request) -> Response:
        owner = self._project_of(request) or ""
        return JSONResponse(project_json(owner, self.base_url, self.organization))

    async def _repositories_of(self, request: Request) -> Response:
        owner = self._project_of(request)
        found = [one for one in self.repositories.values() if owner in (None, one.owner)]
        return collection([repository_json(one, self.base_url, self.organization) for one in found])

    async def _pull_anywhere(self, request: Request) -> Response:
        """A pull request by its number alone: the numbers are a repository's, so the first that has it answers."""
        owner, number = self._project_of(request), request.path_params["number"]
        for one in self.repositories.values():
            if owner in (None, one.owner) and self.webhooks.pulls.get(one, number):
                return await get_pull(self._call(request, one))
        raise devops_error(
            404, "GitPullRequestNotFoundException", "TF401180: The requested pull request was not found."
        )
