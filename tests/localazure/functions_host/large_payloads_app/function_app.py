"""An app that keeps large payloads in a folder."""

import hashlib
import json
import os
import uuid
from pathlib import Path

import azure.durable_functions as df
import azure.functions as func
from durabletask.entities import EntityInstanceId
from durabletask.payload import LargePayloadStorageOptions, PayloadStore

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)


class FolderStore(PayloadStore):
    """One file for each payload, under its hash."""

    options = LargePayloadStorageOptions(threshold_bytes=100_000, enable_compression=False)

    def __init__(self, folder: Path):
        self._folder = folder

    def upload(self, data: bytes, *, instance_id: str | None = None) -> str:
        self._folder.mkdir(exist_ok=True)
        name = hashlib.sha256(data).hexdigest()
        draft = self._folder / f".{uuid.uuid4().hex}"
        draft.write_bytes(data)
        draft.replace(self._folder / name)  # equal payloads share a file, and another may be reading it
        return f"folder:{name}"

    def download(self, token: str) -> bytes:
        return (self._folder / token.removeprefix("folder:")).read_bytes()

    async def upload_async(self, data: bytes, *, instance_id: str | None = None) -> str:
        return self.upload(data, instance_id=instance_id)

    async def download_async(self, token: str) -> bytes:
        return self.download(token)

    def is_known_token(self, value: str) -> bool:
        return value.startswith("folder:")


app.configure_large_payloads(payload_store=FolderStore(Path(os.environ["NOTES"]).parent / "payloads"))


@app.activity_trigger(input_name="text")
def same(text: str) -> str:
    return text


@app.entity_trigger(context_name="context")
def box(ctx, text):
    if ctx.operation == "put":
        ctx.set_state(text)
    return ctx.get_state(str, "")


@app.orchestration_trigger(context_name="context")
def echo(ctx, text):
    returned = yield ctx.call_activity("same", input=text)
    yield ctx.call_entity(EntityInstanceId("box", ctx.instance_id), "put", returned)
    event = yield ctx.wait_for_external_event("more")
    return event


@app.route(route="echoes", methods=["POST"])
@app.durable_client_input(client_name="client")
async def start(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    text = req.get_body().decode()
    started = await client.schedule_new_orchestration("echo", input=text)
    await client.raise_orchestration_event(started, "more", data=text)
    await client.wait_for_orchestration_completion(started, timeout=20)
    return client.create_check_status_response(req, started)


@app.route(route="echoes/{id}", methods=["GET"])
@app.durable_client_input(client_name="client")
async def sizes(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """The sizes of what the client reads back."""
    started = req.route_params["id"]
    state = await client.get_orchestration_state(started)
    entity = await client.get_entity(EntityInstanceId("box", started))
    history = await client.get_orchestration_history(started)
    event = next(event for event in history if type(event).__name__ == "EventRaisedEvent")
    found = {
        "output": len(state.get_output()),
        "entity": len(entity.get_typed_state(str)),
        "event": len(json.loads(event.input)),
    }
    return func.HttpResponse(json.dumps(found), mimetype="application/json")
