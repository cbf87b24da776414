"""The approvers of an unattended demonstration: each reads their mail, opens the link and posts the form."""

import ssl
from collections.abc import Mapping
from typing import Any

import httpx

from demo.forms import approval_link, approve_form

GONE = (404, 409, 410)  # the link is used up, or others have decided


class Approvers:
    """Acts for everybody who gets mail: one mail is one person. `azure` is where the mailbox answers."""

    def __init__(self, azure: str, ca_bundle: str):
        context = ssl.create_default_context(cafile=ca_bundle)
        self._mailbox = httpx.Client(base_url=azure, verify=context, timeout=30, trust_env=False)
        self._browser = httpx.Client(timeout=60, follow_redirects=True, trust_env=False)
        self._read: set[str] = set()
        self.trouble = ""

    def answer_mail(self) -> list[str]:
        """Approve whatever the mails that came since the last call ask for; a sentence per approval.

        What fails stays unread for the next call, with the reason in `trouble`.
        """
        done: list[str] = []
        try:
            for mail in reversed(self._get("/mailbox/api/messages")["messages"]):
                if mail["id"] not in self._read:
                    if self._answer(mail["id"]):
                        done.append(f"{', '.join(mail['to'])} approved “{mail['subject']}”")
                    self._read.add(mail["id"])
            self.trouble = ""
        except httpx.HTTPError as error:
            self.trouble = f"a mail could not be answered: {error or type(error).__name__}"
        return done

    def _answer(self, identifier: str) -> bool:
        mail = self._get(f"/mailbox/api/messages/{identifier}")
        link = approval_link(f"{mail.get('text') or ''}\n{mail.get('html') or ''}")
        if link is None:
            return False
        page = self._browser.get(link)
        if page.status_code in GONE:
            return False
        form = approve_form(link, page.raise_for_status().text)
        if form is None:
            return False
        action, fields = form
        answer = self._browser.post(action, data=fields, headers=_same_origin(action))
        if answer.status_code in GONE:
            return False
        answer.raise_for_status()
        return True

    def _get(self, path: str) -> Mapping[str, Any]:
        document: Mapping[str, Any] = self._mailbox.get(path).raise_for_status().json()
        return document


def _same_origin(url: str) -> dict[str, str]:
    """What a browser says when it posts a page's own form."""
    parts = httpx.URL(url)
    return {"origin": f"{parts.scheme}://{parts.netloc.decode()}"}
