"""A Functions app that writes down what reaches it."""

import json
import os
import socket
from pathlib import Path
from urllib.parse import urlsplit

import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)


def note(kind: str, value: object) -> None:
    with Path(os.environ["NOTES"]).open("a") as notes:
        notes.write(json.dumps([kind, value]) + "\n")


def azure_answers() -> bool:
    address = urlsplit(os.environ["LOCALAZURE_URL"])
    try:
        socket.create_connection((address.hostname, address.port), timeout=5).close()
    except OSError:
        return False
    return True


with Path(os.environ["NOTES"]).with_name("starts").open("a") as starts:
    starts.write(f"{'with' if azure_answers() else 'without'} Azure\n")


@app.event_grid_trigger(arg_name="event")
def receive_event(event: func.EventGridEvent) -> None:
    note("event", event.id)


@app.route("webhooks/github", methods=["POST"])
def receive_push(req: func.HttpRequest) -> func.HttpResponse:
    note("push", req.get_json()["after"])
    return func.HttpResponse(status_code=202)
