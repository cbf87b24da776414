"""A Functions app without durable functions: HTTP of every kind, timers, and triggers that are not served."""

import asyncio
import json
import os
from pathlib import Path

import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
NOTES = Path(os.environ["NOTES"])


def note(kind: str, value: object) -> None:
    with NOTES.open("a") as file:
        file.write(json.dumps([kind, value]) + "\n")


@app.route(route="echo/{name}/{*rest}")
def echo(req: func.HttpRequest) -> func.HttpResponse:
    seen = {
        "method": req.method,
        "url": req.url,
        "route": dict(req.route_params),
        "query": dict(req.params),
        "header": req.headers.get("x-twice"),
    }
    return func.HttpResponse(
        json.dumps(seen), mimetype="application/json", headers={"X-Size": str(len(req.get_body()))}
    )


@app.route(route="pages/{n:int:min(1)=1}", methods=["GET"])
def pages(req: func.HttpRequest) -> str:
    return f"page {req.route_params['n']}"


@app.route(route="pages/{name:alpha}", methods=["GET"])
def named_page(req: func.HttpRequest) -> str:
    return f"named {req.route_params['name']}"


@app.route(route="pages/{n:int}", methods=["DELETE", "OPTIONS"])
def other_methods(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(status_code=204, headers={"Allow": "DELETE, OPTIONS"})


@app.route(route="answers/{kind}")
def answers(req: func.HttpRequest) -> func.HttpResponse:
    kind = req.route_params["kind"]
    if kind == "bytes":
        return func.HttpResponse(bytes(range(256)), mimetype="application/octet-stream")
    if kind == "empty":
        return func.HttpResponse(status_code=202)
    if kind == "split":
        return func.HttpResponse("x", headers={"X-Name": "a\u0085\x0bb"})
    response = func.HttpResponse("ünïcode", mimetype="text/html", charset="utf-8")
    response.headers.add("Set-Cookie", "a=1; Path=/x; Max-Age=0; Secure; SameSite=Lax")
    response.headers.add("Set-Cookie", "b=2; Expires=Wed, 01 Jan 2031 00:00:00 GMT")
    return response


@app.function_name("by_output")
@app.generic_trigger(arg_name="req", type="httpTrigger", route="by_output", authLevel="anonymous")
@app.generic_output_binding(arg_name="res", type="http")
def by_output(req: func.HttpRequest, res: func.Out[func.HttpResponse]) -> None:
    res.set(func.HttpResponse("set", status_code=203))


@app.route(route="slow")
async def slow(req: func.HttpRequest) -> str:
    note("slow begins", req.params["seconds"])
    await asyncio.sleep(float(req.params["seconds"]))
    note("slow ends", req.params["seconds"])
    return "slept"


@app.route(route="mine", auth_level=func.AuthLevel.FUNCTION)
def mine(req: func.HttpRequest) -> str:
    return "mine"


@app.route(route="yours", auth_level=func.AuthLevel.FUNCTION)
def yours(req: func.HttpRequest) -> str:
    return "yours"


@app.route(route="top", auth_level=func.AuthLevel.ADMIN)
def top(req: func.HttpRequest) -> str:
    return "top"


@app.route(route="off")
def off(req: func.HttpRequest) -> str:
    return "on"


@app.event_grid_trigger(arg_name="event")
def on_event(event: func.EventGridEvent) -> None:
    note("event", event.id)


@app.timer_trigger(arg_name="timer", schedule="0 0 6 * * *")
def daily(timer: func.TimerRequest) -> None:
    note("daily", timer.past_due)


@app.timer_trigger(arg_name="timer", schedule="12:00:00", use_monitor=False)
def twice_a_day(timer: func.TimerRequest) -> None:
    note("twice", timer.past_due)


@app.queue_trigger(arg_name="message", queue_name="in", connection="Storage")
@app.blob_output(arg_name="copy", path="out/{id}", connection="Storage")
def from_queue(message: func.QueueMessage, copy: func.Out[str]) -> None:
    note("queue", message.get_body().decode())


@app.route(route="to_queue")
@app.queue_output(arg_name="message", queue_name="out", connection="Storage")
def to_queue(req: func.HttpRequest, message: func.Out[str]) -> str:
    message.set("lost")
    return "sent"
