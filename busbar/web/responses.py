"""From a reply to what the Functions host sends; an error says who can mend it, and is never a bare 500."""

import logging
from collections.abc import Callable

import azure.functions as func

from busbar.domain.errors import BadRequest, Conflict, NotFound, TemporarilyUnavailable
from busbar.web.reply import Reply

log = logging.getLogger("busbar")


def respond(handle: Callable[[], Reply]) -> func.HttpResponse:
    """Run a route's handler and send its reply."""
    reply = _reply(handle)
    return func.HttpResponse(
        reply.content or reply.body,
        status_code=reply.status,
        mimetype=None,
        headers={"Content-Type": reply.content_type, **reply.headers},
    )


def _reply(handle: Callable[[], Reply]) -> Reply:
    try:
        return handle()
    except BadRequest as error:
        return Reply.json(400, {"error": str(error), "field": error.field})
    except NotFound as error:
        return Reply.json(404, {"error": str(error)})
    except Conflict as error:
        return Reply.json(409, {"error": str(error)})
    except TemporarilyUnavailable as error:
        log.warning("answered 503: %s", error)
        return Reply.json(503, {"error": f"{error}: try again"}, {"Retry-After": "30"})
