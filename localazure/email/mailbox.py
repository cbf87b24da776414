"""What was sent: kept, found, marked as read, deleted."""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any

from starlette.routing import BaseRoute

from localazure.documents import Documents
from localazure.email.message import Message

Mail = dict[str, Any]


class Mailbox:
    """Everything that was sent, newest first. Documents: `mail` holds what a list shows, `content` the texts."""

    def __init__(self, documents: Documents):
        self._documents = documents

    @property
    def routes(self) -> Sequence[BaseRoute]:
        from localazure.email.pages import Pages  # the pages know the mailbox

        return Pages(self).routes

    def deliver(
        self, identifier: str, message: Message, received: datetime, dropped: Collection[str] = ()
    ) -> None:
        """Keep `message`, which is seen from `received` on."""
        with self._documents.transaction():
            self._documents.put("mail", identifier, message.summary(identifier, received, dropped))
            self._documents.put("content", identifier, message.body())

    def messages(
        self, to: str = "", since: str = "", text: str = "", *, is_unread: bool = False
    ) -> list[Mail]:
        """Mails newest first: to one address, received after `since` (ISO 8601), with `text` in their addresses or
        subject, not yet read. Raises `ValueError` or `TypeError` for a bad time."""
        now, after = (
            datetime.now(UTC),
            datetime.fromisoformat(since) if since else datetime.min.replace(tzinfo=UTC),
        )
        found = [
            mail
            for _, mail in self._documents.list("mail")
            if after < datetime.fromisoformat(mail["received"]) <= now
            and (not to or to.lower() in recipients(mail))
            and (not text or _mentions(mail, text))
            and not (is_unread and mail.get("read"))
        ]
        return sorted(found, key=lambda mail: mail["received"], reverse=True)

    def mail(self, identifier: str) -> Mail | None:
        """The whole mail."""
        mail = self._documents.get("mail", identifier)
        content = self._documents.get("content", identifier)
        return mail | content if mail and content else None

    def mark(self, identifier: str, *, read: bool) -> None:
        with self._documents.transaction():
            if mail := self._documents.get("mail", identifier):
                self._documents.put("mail", identifier, mail | {"read": read})

    def delete(self, identifier: str) -> bool:
        """Says whether there was one. Its operation is remembered: a repeat does not bring the mail back."""
        with self._documents.transaction():
            self._documents.delete("content", identifier)
            return self._documents.delete("mail", identifier)

    def clear(self) -> int:
        """Delete every mail; how many there were."""
        with self._documents.transaction():
            return sum(self.delete(key) for key, _ in self._documents.list("mail"))


def recipients(mail: Mail) -> set[str]:
    return {address.lower() for kind in ("to", "cc", "bcc") for address in mail[kind]}


def _mentions(mail: Mail, text: str) -> bool:
    return any(text.lower() in one.lower() for one in (*recipients(mail), mail["from"], mail["subject"]))
