"""What becomes of a mail that was accepted: its operation runs, then it is in the mailbox, or it was dropped."""

from collections.abc import Callable, Collection
from datetime import UTC, datetime
from typing import Any

from localazure.documents import Documents
from localazure.email.mailbox import Mailbox
from localazure.email.message import Message
from localazure.email.quota import Quota
from localazure.email_config import EmailService
from localazure.faults import Faults
from localazure.web import Refusal, azure_error

_SUPPRESSED = {
    "code": "EmailDroppedAllRecipientsSuppressed",
    "message": "Message dropped because all recipients were suppressed",
}


class Operations:
    """Documents `operation`: {due: seconds since 1970 when it ends, error: why it then failed, or null}."""

    def __init__(
        self,
        settings: EmailService,
        documents: Documents,
        mailbox: Mailbox,
        now: Callable[[], float],
        faults: Faults,
    ):
        self._settings, self._documents, self._mailbox, self._now = settings, documents, mailbox, now
        self._faults = faults
        self._quota = Quota(settings.per_minute, settings.per_hour)

    def accept(self, identifier: str, message: Message) -> None:
        """Take the mail, unless one of that identifier was taken: a repeat, whatever it says, is that mail.

        Refuses with 404 a sender of a domain that is not linked and with 429 more mails than the quota.
        """
        linked = self._settings.domains
        if linked is not None and message.domain not in {domain.lower() for domain in linked}:
            raise azure_error(404, "DomainNotLinked", "The specified sender domain has not been linked.")
        with self._documents.transaction():
            if self._documents.get("operation", identifier) is None:
                self._check_quota()
                self._take(identifier, message)

    def status(self, identifier: str) -> dict[str, Any] | None:
        """The operation as the service shows it; None if there is none of that name."""
        operation = self._documents.get("operation", identifier)
        if operation is None:
            return None
        ended = "Failed" if operation["error"] else "Succeeded"
        is_running = self._now() < operation["due"]
        return {
            "id": identifier,
            "status": "Running" if is_running else ended,
            "error": None if is_running else operation["error"],
        }

    def _take(self, identifier: str, message: Message) -> None:
        due = self._now() + self._settings.operation_seconds
        dropped = [address for address in message.recipients.all if self._is_suppressed(address)]
        is_lost = len(dropped) == len(message.recipients.all)
        self._documents.put("operation", identifier, {"due": due, "error": _SUPPRESSED if is_lost else None})
        gone = [*dropped, *self._bounced(message, dropped)]
        if len(gone) < len(message.recipients.all):
            self._mailbox.deliver(identifier, message, datetime.fromtimestamp(due, UTC), gone)

    def _bounced(self, message: Message, dropped: Collection[str]) -> list[str]:
        """Whose servers send the mail back, when a fault asks for it: the operation has succeeded all the same."""
        subject = message.content.subject
        others = [one for one in message.recipients.all if one not in dropped]
        return [one for one in others if self._faults.meet("bounce", recipient=one, subject=subject)]

    def _check_quota(self) -> None:
        now = self._now()
        if wait := self._quota.wait(now):
            error = {
                "code": "TooManyRequests",
                "message": f"Too many requests. Try again after {wait} seconds.",
            }
            raise Refusal(429, {"error": error}, {"Retry-After": str(wait)})
        self._quota.count(now)

    def _is_suppressed(self, address: str) -> bool:
        whole, domain = address.lower(), f"@{address.lower().rpartition('@')[2]}"
        return any(one.lower() in (whole, domain) for one in self._settings.suppressed)
