"""The mailbox: pages for people, an API for programs."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route

from localazure.documents import Documents
from localazure.email.message import Message
from localazure.web import azure_error, page

# The mail may style itself and link; it may not run scripts, submit forms or reach into the page around it.
_SANDBOX = (
    "sandbox allow-popups allow-popups-to-escape-sandbox; "
    "default-src 'none'; img-src data: https:; style-src 'unsafe-inline'"
)
_LINKS_OPEN_OUTSIDE = '<base target="_blank">'


class Mailbox:
    """Everything that was sent, newest first. Documents: `mail` holds what a list shows, `content` the texts."""

    def __init__(self, documents: Documents):
        self._documents = documents

    @property
    def routes(self) -> Sequence[BaseRoute]:
        return [
            Route("/mailbox", self._list_page),
            Route("/mailbox/api/messages", self._list),
            Route("/mailbox/api/messages/{id}", self._get),
            Route("/mailbox/{id}", self._mail_page),
            Route("/mailbox/{id}/html", self._html),
        ]

    def deliver(self, identifier: str, message: Message, received: datetime) -> bool:
        """Keep `message`, unless one of that identifier is here already; says whether it was kept."""
        with self._documents.transaction():
            if not self._documents.insert("mail", identifier, message.summary(identifier, received)):
                return False
            self._documents.put("content", identifier, message.body())
            return True

    def has(self, identifier: str) -> bool:
        return self._documents.get("mail", identifier) is not None

    def messages(self, to: str | None = None, since: str | None = None) -> list[dict[str, Any]]:
        """Mails newest first; to one address, received after `since` (ISO 8601). Raises `ValueError` for a bad time."""
        after = datetime.fromisoformat(since) if since else None
        mails = [mail for _, mail in self._documents.list("mail")]
        if to:
            mails = [mail for mail in mails if to.lower() in _recipients(mail)]
        if after:
            mails = [mail for mail in mails if datetime.fromisoformat(mail["received"]) > after]
        return sorted(mails, key=lambda mail: mail["received"], reverse=True)

    def _mail(self, request: Request) -> dict[str, Any]:
        identifier = request.path_params["id"]
        mail = self._documents.get("mail", identifier)
        content = self._documents.get("content", identifier)
        if mail is None or content is None:
            raise azure_error(404, "NotFound", f"There is no mail {identifier!r}.")
        return mail | content

    async def _list(self, request: Request) -> Response:
        try:
            mails = self.messages(request.query_params.get("to"), request.query_params.get("since"))
        except (TypeError, ValueError) as error:
            raise azure_error(
                400, "BadRequest", f"since: an ISO 8601 time with a zone is needed ({error})."
            ) from None
        return JSONResponse({"messages": mails})

    async def _get(self, request: Request) -> Response:
        return JSONResponse(self._mail(request))

    async def _list_page(self, request: Request) -> Response:
        to = request.query_params.get("to", "")
        everyone = sorted({address for mail in self.messages() for address in _recipients(mail)})
        return page("mailbox.html", mails=self.messages(to), to=to, everyone=everyone)

    async def _mail_page(self, request: Request) -> Response:
        return page("mail.html", mail=self._mail(request))

    async def _html(self, request: Request) -> Response:
        html = self._mail(request)["html"] or ""
        return HTMLResponse(_LINKS_OPEN_OUTSIDE + html, headers={"content-security-policy": _SANDBOX})


def _recipients(mail: dict[str, Any]) -> set[str]:
    return {address.lower() for kind in ("to", "cc", "bcc") for address in mail[kind]}
