"""The scoring address of online endpoints: who may ask, which deployment answers, and how a failure looks."""

import asyncio
import hmac
import random
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence

from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from localazure.machine_learning.context import Context
from localazure.machine_learning.online.files import DeploymentFailed
from localazure.machine_learning.online.processes import NoAnswer, Request, Served
from localazure.machine_learning.online.serving import DEPLOYMENTS, ENDPOINTS, Serving
from localazure.machine_learning.routing import Json, not_found
from localazure.web import azure_error

KEYS = "onlineKeys"
DEPLOYMENT_HEADER = "azureml-model-deployment"
AUDIENCE = "https://ml.azure.com"
SCORE = "Microsoft.MachineLearningServices/workspaces/onlineEndpoints/score/action"
MAX_BODY_BYTES = 3 * 1024 * 1024 // 2

_FORWARDED = ("content-type", "accept", "x-request-id", "x-ms-request-id", "x-ms-client-request-id")
_RETURNED = ("content-type", "x-ms-run-function-failed", "x-ms-run-fn-exec-ms")


class OnlineScoring:
    """`/online/{workspace}/{endpoint}/score`, and what else the server of a deployment answers."""

    def __init__(self, context: Context, serving: Serving):
        self._context = context
        self._serving = serving
        self._pending: Counter[str] = Counter()
        self._mirroring: set[asyncio.Task[None]] = set()
        self._dice: dict[str, random.Random] = {}

    @property
    def routes(self) -> Sequence[BaseRoute]:
        return (Route("/online/{workspace}/{endpoint}/{path:path}", self.score, methods=["GET", "POST"]),)

    async def score(self, http: HttpRequest) -> Response:
        key = f"workspaces/{http.path_params['workspace']}/{http.path_params['endpoint']}"
        endpoint = self._context.documents.get(ENDPOINTS, key)
        if endpoint is None:
            raise not_found(f"The online endpoint {http.path_params['endpoint']}")
        self._authorize(http, key, endpoint)
        body = await http.body()
        if len(body) > MAX_BODY_BYTES:
            message = f"The payload is {len(body)} bytes; at most {MAX_BODY_BYTES} may be sent."
            raise azure_error(413, "PayloadTooLarge", message)
        request = _forwarded(http, body)
        if asked := http.headers.get(DEPLOYMENT_HEADER):
            return await self._answer(self._existing(key, asked), request)
        live, shadow = self._choose(key, endpoint["properties"])
        if shadow:
            self._mirror(f"{key}/{shadow}", request)
        return await self._answer(f"{key}/{live}", request)

    def _authorize(self, http: HttpRequest, key: str, endpoint: Json) -> None:
        """Refuses with 401 what is not the endpoint's key or token, and with 403 a person or app that may not score."""
        mode = endpoint["properties"]["authMode"].lower()
        if mode == "aadtoken":
            claims = self._context.tokens.authorize(http, AUDIENCE)
            self._context.tokens.access.check(claims, SCORE, endpoint["id"])
        elif mode == "amltoken":
            self._context.tokens.authorize(http, token_audience(endpoint))
        else:
            scheme, _, given = http.headers.get("authorization", "").partition(" ")
            known = (self._context.documents.get(KEYS, key) or {}).values()
            if scheme.lower() != "bearer" or not any(_same(given, one) for one in known):
                raise azure_error(
                    401, "Unauthorized", "key_auth_access_denied: a key of the endpoint is expected."
                )

    def _existing(self, key: str, deployment: str) -> str:
        """The key of the deployment that the caller names."""
        for found, _ in self._context.documents.list(DEPLOYMENTS, f"{key}/"):
            if found.rpartition("/")[2].lower() == deployment.lower():
                return found
        raise not_found(f"The deployment {deployment}")

    def _choose(self, key: str, properties: Json) -> tuple[str, str | None]:
        """The deployment that answers and the one that is sent a copy, by their shares of the traffic."""
        dice = self._dice.setdefault(key, self._new_dice(key))
        names = {name.lower(): name for name in self._names(key)}
        live = {names[name.lower()]: share for name, share in properties["traffic"].items() if share}
        if not live:
            raise azure_error(404, "ResourceNotFound", "The endpoint has no deployment with traffic.")
        chosen = dice.choices(list(live), weights=list(live.values()))[0]
        shadows = [(name, share) for name, share in properties["mirrorTraffic"].items() if share]
        if shadows and dice.random() * 100 < shadows[0][1]:
            return chosen, names[shadows[0][0].lower()]
        return chosen, None

    def _names(self, key: str) -> list[str]:
        return [found.rpartition("/")[2] for found, _ in self._context.documents.list(DEPLOYMENTS, f"{key}/")]

    def _new_dice(self, key: str) -> random.Random:
        seed = self._context.runtime.config.online.seed
        return random.Random(None if seed is None else f"{seed}/{key}")  # noqa: S311 - a split of traffic, no secret

    def _mirror(self, key: str, request: Request) -> None:
        """Send a copy beside the request; whatever becomes of it, nobody is told."""

        async def copy() -> None:
            await self._answer(key, request)

        task = asyncio.create_task(copy())
        self._mirroring.add(task)
        task.add_done_callback(self._forget_mirrored)

    def _forget_mirrored(self, task: asyncio.Task[None]) -> None:
        self._mirroring.discard(task)
        if not task.cancelled():
            task.exception()  # taken, so that it is not reported: the deployment's own log tells of it

    async def _answer(self, key: str, request: Request) -> Response:
        served = self._serving.served(key)
        name = key.rpartition("/")[2]
        if served is None:
            raise not_found(f"The deployment {name}, ready to serve,")
        if self._pending[key] >= served.deployment.max_pending:
            raise azure_error(
                429,
                "TooManyPendingRequests",
                f"{name} has {served.deployment.max_pending} requests pending, twice what its "
                "maxConcurrentRequestsPerInstance and instances can work on: retry later, or raise one of them.",
            )
        self._pending[key] += 1
        try:
            return await self._ask(key, served, request)
        finally:
            self._pending[key] -= 1

    async def _ask(self, key: str, served: Served, request: Request) -> Response:
        own = {DEPLOYMENT_HEADER: key.rpartition("/")[2], "x-ms-request-id": str(uuid.uuid4())}
        try:
            answer = await self._serving.processes.send(key, served, request)
        except TimeoutError:
            message = (
                f"The model took longer than its request timeout, {served.deployment.timeout:g} seconds."
            )
            return _failure(408, "RequestTimeout", message, own)
        except (NoAnswer, DeploymentFailed) as error:
            return _failure(424, "ModelError", str(error), own | _model_error(503))
        returned = own | {name: answer.headers[name] for name in _RETURNED if name in answer.headers}
        if answer.status_code == 200:
            return Response(answer.content, 200, headers=returned)
        return Response(answer.content, 424, headers=returned | _model_error(answer.status_code))


def scoring_uri(azure: str, workspace: str, endpoint: str) -> str:
    return f"{azure}/online/{workspace}/{endpoint}/score"


def token_audience(endpoint: Json) -> str:
    """Who a token of an endpoint with `amlToken` is for."""
    return endpoint["properties"]["scoringUri"]


def _forwarded(http: HttpRequest, body: bytes) -> Request:
    query = f"?{http.url.query}" if http.url.query else ""
    headers = {name: http.headers[name] for name in _FORWARDED if name in http.headers}
    return Request(http.method, f"/{http.path_params['path']}{query}", headers, body)


def _model_error(status: int) -> dict[str, str]:
    return {"ms-azureml-model-error-reason": "model_error", "ms-azureml-model-error-statuscode": str(status)}


def _failure(status: int, code: str, message: str, headers: Mapping[str, str]) -> Response:
    return JSONResponse({"error": {"code": code, "message": message}}, status, headers=dict(headers))


def _same(given: str, known: str) -> bool:
    return hmac.compare_digest(given.encode(), known.encode())
