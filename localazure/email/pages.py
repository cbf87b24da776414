"""The mailbox's pages for people and its API for programs."""

import base64
import re
from collections.abc import Sequence
from html import escape
from urllib.parse import quote, urlencode

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from localazure.email.mailbox import Mail, Mailbox, recipients
from localazure.web import azure_error, json_body, page

# The mail may style itself and link; it may not run scripts, submit forms or reach into the page around it.
_SANDBOX = (
    "sandbox allow-popups allow-popups-to-escape-sandbox; "
    "default-src 'none'; img-src data: https:; style-src 'unsafe-inline'"
)
_LINKS_OPEN_OUTSIDE = '<base target="_blank">'
_LINK = re.compile(r"https?://[^\s<>\"']+[^\s<>\"'.,;:!?)\]]")
_MAX_PATCH_BYTES = 1024


class Pages:
    """A mail is read once its page was opened; programs say so themselves (`PATCH {"read": true}`)."""

    def __init__(self, mailbox: Mailbox):
        self._mailbox = mailbox

    @property
    def routes(self) -> Sequence[BaseRoute]:
        messages = "/mailbox/api/messages"
        return [
            Route("/mailbox", self._list_page),
            Route(messages, self._list),
            Route(messages, self._clear, methods=["DELETE"]),
            Route(f"{messages}/{{id}}", self._get),
            Route(f"{messages}/{{id}}", self._mark, methods=["PATCH"]),
            Route(f"{messages}/{{id}}", self._delete, methods=["DELETE"]),
            Route("/mailbox/clear", self._clear_from_page, methods=["POST"]),
            Route("/mailbox/{id}", self._mail_page),
            Route("/mailbox/{id}/html", self._html),
            Route("/mailbox/{id}/delete", self._delete_from_page, methods=["POST"]),
            Route("/mailbox/{id}/unread", self._unread_from_page, methods=["POST"]),
            Route("/mailbox/{id}/attachments/{number:int}", self._attachment),
        ]

    # ---- for programs ----------------------------------------------------------------------------------------

    async def _list(self, request: Request) -> Response:
        """`to`, `since` (ISO 8601 with a zone), `text`, `unread=true` narrow the list."""
        asked = request.query_params
        try:
            mails = self._mailbox.messages(
                asked.get("to", ""),
                asked.get("since", ""),
                asked.get("text", ""),
                is_unread=asked.get("unread") == "true",
            )
        except (TypeError, ValueError) as error:
            raise azure_error(
                400, "BadRequest", f"since: an ISO 8601 time with a zone is needed ({error})."
            ) from None
        return JSONResponse({"messages": mails})

    async def _get(self, request: Request) -> Response:
        return JSONResponse(self._mail(request))

    async def _mark(self, request: Request) -> Response:
        mail, body = self._mail(request), await json_body(request, _MAX_PATCH_BYTES)
        if not isinstance(body, dict) or not isinstance(read := body.get("read"), bool):  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]  # JSON
            raise azure_error(400, "BadRequest", '`{"read": true}` or `{"read": false}` is expected.')
        self._mailbox.mark(mail["id"], read=read)
        return JSONResponse(self._mail(request))

    async def _delete(self, request: Request) -> Response:
        _same_site(request)
        self._mailbox.delete(self._mail(request)["id"])
        return Response(status_code=204)

    async def _clear(self, request: Request) -> Response:
        _same_site(request)
        return JSONResponse({"deleted": self._mailbox.clear()})

    # ---- for people ------------------------------------------------------------------------------------------

    async def _list_page(self, request: Request) -> Response:
        to, text = request.query_params.get("to", ""), request.query_params.get("text", "")
        is_unread = request.query_params.get("unread") == "true"
        mails = self._mailbox.messages(to, text=text, is_unread=is_unread)
        everything = self._mailbox.messages()
        return page(
            "mailbox.html",
            mails=mails,
            to=to,
            text=text,
            is_unread=is_unread,
            everyone=sorted({address for mail in everything for address in recipients(mail)}),
            total=len(everything),
            unread=sum(not mail.get("read") for mail in everything),
            narrowed=urlencode({"to": to, "text": text}),
        )

    async def _mail_page(self, request: Request) -> Response:
        mail = self._mail(request)
        self._mailbox.mark(mail["id"], read=True)
        return page(
            "mail.html",
            mail=mail,
            text=_linked(mail["text"] or ""),
            sizes=[len(base64.b64decode(one["contentInBase64"])) for one in mail["attachments"]],
            shows_text=request.query_params.get("show") == "text" or not mail["html"],
        )

    async def _html(self, request: Request) -> Response:
        mail = self._mail(request)
        html = mail["html"] or ""
        for one in mail["attachments"]:
            if one.get("contentId"):
                inline = f"data:{one['contentType']};base64,{one['contentInBase64']}"
                html = html.replace(f"cid:{one['contentId']}", inline)
        return HTMLResponse(_LINKS_OPEN_OUTSIDE + html, headers={"content-security-policy": _SANDBOX})

    async def _attachment(self, request: Request) -> Response:
        attachments, number = self._mail(request)["attachments"], request.path_params["number"]
        if number >= len(attachments):
            raise azure_error(404, "NotFound", f"The mail has no attachment {number}.")
        found = attachments[number]
        headers = {
            "content-disposition": f"attachment; filename*=UTF-8''{quote(found['name'], safe='')}",
            "x-content-type-options": "nosniff",
        }
        content = base64.b64decode(found["contentInBase64"])
        return Response(content, media_type=found["contentType"], headers=headers)

    async def _delete_from_page(self, request: Request) -> Response:
        _same_site(request)
        self._mailbox.delete(self._mail(request)["id"])
        return RedirectResponse("/mailbox", 303)

    async def _unread_from_page(self, request: Request) -> Response:
        _same_site(request)
        self._mailbox.mark(self._mail(request)["id"], read=False)
        return RedirectResponse("/mailbox", 303)

    async def _clear_from_page(self, request: Request) -> Response:
        _same_site(request)
        self._mailbox.clear()
        return RedirectResponse("/mailbox", 303)

    def _mail(self, request: Request) -> Mail:
        identifier = request.path_params["id"]
        mail = self._mailbox.mail(identifier)
        if mail is None:
            raise azure_error(404, "NotFound", f"There is no mail {identifier!r}.")
        return mail


def _same_site(request: Request) -> None:
    """Refuses what a page from elsewhere makes the browser send."""
    if request.headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        raise azure_error(403, "Forbidden", "Only the mailbox's own pages may change it.")


def _linked(text: str) -> str:
    """`text`, escaped, with its addresses as links."""
    parts: list[str] = []
    end = 0
    for match in _LINK.finditer(text):
        address = escape(match[0])
        parts += [
            escape(text[end : match.start()]),
            f'<a href="{address}" target="_blank" rel="noopener">{address}</a>',
        ]
        end = match.end()
    return "".join([*parts, escape(text[end:])])
