"""Routes that durable HTTP calls reach, a history writer, and what durable clients outside need."""

import json
from collections.abc import Mapping

import azure.durable_functions as df
import azure.functions as func
from notes import NOTES, note, noted

bp = df.Blueprint()
OPEN = func.AuthLevel.ANONYMOUS


class FolderWriter:
    """Writes exported histories beside the notes."""

    def write(
        self,
        *,
        instance_id: str,
        container: str,
        blob_name: str,
        payload: bytes,
        content_type: str,
        content_encoding: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        path = NOTES.parent / "exports" / container / blob_name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(payload)


WRITER = FolderWriter()


@bp.route(route="slow/{key}", methods=["POST", "GET"], auth_level=OPEN)
def slow(req: func.HttpRequest) -> func.HttpResponse:
    """Accepts a job, then asks twice for patience."""
    key = req.route_params["key"]
    note("slow", [key, req.method, req.get_body().decode()])
    asked = sum(entry[0] == key for entry in noted("slow"))
    if asked < 3:
        return func.HttpResponse(status_code=202, headers={"Location": f"/slow/{key}", "Retry-After": "0"})
    return func.HttpResponse(json.dumps({"asked": asked}), mimetype="application/json")


@bp.route(route="teapot", auth_level=OPEN)
def teapot(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("short and stout", status_code=418)


@bp.route(route="binding", auth_level=OPEN)
@bp.durable_client_input(client_name="client")
async def binding(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """The configuration of the durable client binding, for clients in the test's process."""
    return func.HttpResponse(json.dumps(_configuration(client)), mimetype="application/json")


def _configuration(client: df.DurableFunctionsClient) -> dict:
    names = ("taskHubName", "rpcBaseUrl", "httpBaseUrl", "baseUrl", "requiredQueryStringParameters")
    return {name: getattr(client, name) for name in (*names, "maxGrpcMessageSizeInBytes")}


@bp.route(route="links/{id}", auth_level=OPEN)
@bp.durable_client_input(client_name="client")
async def links(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    payload = client.create_http_management_payload(req, req.route_params["id"])
    return func.HttpResponse(json.dumps(payload), mimetype="application/json")


@bp.route(route="blocking", auth_level=OPEN)
@bp.durable_client_input(client_name="client")
async def blocking(req: func.HttpRequest, client: df.DurableFunctionsClient) -> str:
    """Blocks the app's event loop until an orchestration has run."""
    with df.SyncDurableFunctionsClient(json.dumps(_configuration(client))) as blocked:
        started = blocked.schedule_new_orchestration("sleeper", input=0.01)
        return str(blocked.wait_for_orchestration_completion(started, timeout=20).get_output())


@bp.orchestration_trigger(context_name="context")
def beat(ctx, request):
    note("beat", [request, ctx.instance_id])
    return request
