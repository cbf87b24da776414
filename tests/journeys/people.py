"""The approvers: mails with links, pages with forms."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import httpx

from busbar.api import PendingApproval
from busbar.domain.policies import GateName
from demo.forms import approval_link, approve_form
from tests.journeys.stack import STEP_SECONDS, Stack


@dataclass(frozen=True)
class Link:
    """One person's link to one question."""

    person: str
    subject: str
    url: str

    def look(self) -> httpx.Response:
        return httpx.get(self.url, timeout=60, trust_env=False)

    def form(self) -> dict[str, str]:
        """What the page's own approve button sends."""
        page = self.look()
        form = approve_form(self.url, page.text)
        assert form, (
            f"{self.person} finds no way to approve {self.subject!r} on a page of status {page.status_code}"
        )
        return form[1]

    def approve(self, **changed: str) -> int:
        """Press that button; `changed` replaces fields of the form. The status of the answer."""
        return self.post(self.form() | changed)

    def post(self, fields: dict[str, str]) -> int:
        parts = httpx.URL(self.url)
        origin = f"{parts.scheme}://{parts.netloc.decode()}"
        return httpx.post(
            self.url, data=fields, headers={"origin": origin}, timeout=60, trust_env=False
        ).status_code


def mails(stack: Stack) -> list[dict[str, Any]]:
    """Every mail that was sent, with its text."""
    listed = stack.pages.get("/mailbox/api/messages").raise_for_status().json()["messages"]
    return [stack.pages.get(f"/mailbox/api/messages/{one['id']}").raise_for_status().json() for one in listed]


def links(stack: Stack, question: PendingApproval) -> list[Link]:
    """The links to a question, once all who were asked have their mail; in the order of their names."""

    def all_mailed() -> list[Link] | None:
        found = list(_links(mails(stack), question.subject))
        return found if len(found) >= len(question.approvers) else None

    return stack.until(f"the mails about {question.subject!r}", all_mailed, 60)


def _links(sent: list[dict[str, Any]], subject: str) -> Iterable[Link]:
    for mail in sorted(sent, key=lambda one: one["to"]):
        url = approval_link(mail["text"] or "")
        if url and subject in mail["subject"]:
            yield Link(mail["to"][0], subject, url)


def question(stack: Stack, gate: GateName, about: str = "", seconds: float = STEP_SECONDS) -> PendingApproval:
    """The question that waits at a gate."""

    def asked() -> PendingApproval | None:
        return next((one for one in stack.api.approvals() if one.gate == gate and about in one.subject), None)

    return stack.until(f"the question {gate} {about}", asked, seconds)


def asked(stack: Stack, gate: GateName, about: str = "") -> list[Link]:
    """The links to the question that waits at a gate."""
    return links(stack, question(stack, gate, about))
