"""Mail through Azure Communication Services."""

import uuid
from functools import cached_property
from typing import TYPE_CHECKING

from busbar.clients.session import credential, load, translated
from busbar.settings import Settings

if TYPE_CHECKING:
    from azure.communication.email import EmailClient

_NAMESPACE = uuid.UUID("6f0b6c0e-4c0f-5c38-9d0a-6a1d1f5d7c11")


class Mail:
    """Hands mails over; the service delivers them. Its quota is small: one mail says everything."""

    def __init__(self, settings: Settings):
        load("azure.communication.email")
        self._endpoint = settings.email_endpoint
        self._sender = settings.email_sender

    @cached_property
    def _client(self) -> "EmailClient":
        from azure.communication.email import EmailClient

        return EmailClient(self._endpoint, credential(), retry_total=2)

    def send(self, to: str, subject: str, html: str, text: str, *, operation_id: str) -> None:
        """Send once: a repeat with the same `operation_id` (any text) is accepted and lands once.

        Returns when the service has accepted the mail.
        """
        message = {
            "senderAddress": self._sender,
            "recipients": {"to": [{"address": to}]},
            "content": {"subject": subject, "html": html, "plainText": text},
        }
        operation = str(uuid.uuid5(_NAMESPACE, operation_id))  # the service takes a UUID only
        with translated(f"send mail {subject!r}"):
            self._client.begin_send(message, operation_id=operation, polling=False)
