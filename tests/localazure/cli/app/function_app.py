"""A Functions app that writes down what reaches it."""

import json
import os
from pathlib import Path

import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)


def note(kind: str, value: object) -> None:
    with Path(os.environ["NOTES"]).open("a") as notes:
        notes.write(json.dumps([kind, value]) + "\n")


@app.event_grid_trigger(arg_name="event")
def receive_event(event: func.EventGridEvent) -> None:
    note("event", event.id)


@app.route("webhooks/github", methods=["POST"])
def receive_push(req: func.HttpRequest) -> func.HttpResponse:
    note("push", req.get_json()["after"])
    return func.HttpResponse(status_code=202)
