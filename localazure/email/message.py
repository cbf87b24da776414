"""A mail as Communication Services' REST takes it, validated, and as the mailbox keeps it."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel

MAX_BYTES = 10 * 1024 * 1024  # of one request, attachments included


class _Part(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, extra="ignore")


class Address(_Part):
    address: str = Field(pattern=r"^[^@\s<>]+@[^@\s<>]+$")
    display_name: str | None = None


class Recipients(_Part):
    to: list[Address] = []
    cc: list[Address] = []
    bcc: list[Address] = []

    @model_validator(mode="after")
    def _someone(self) -> "Recipients":
        if not (self.to or self.cc or self.bcc):
            raise ValueError("at least one recipient is required")
        return self


class Content(_Part):
    subject: str = Field(min_length=1)
    html: str | None = None
    plain_text: str | None = None

    @model_validator(mode="after")
    def _some_text(self) -> "Content":
        if not (self.html or self.plain_text):
            raise ValueError("html or plainText is required")
        return self


class Attachment(_Part):
    name: str
    content_type: str
    content_in_base64: str
    content_id: str | None = None


class Message(_Part):
    sender_address: str = Field(pattern=r"^[^@\s<>]+@[^@\s<>]+$")
    content: Content
    recipients: Recipients
    headers: dict[str, str] = {}
    attachments: list[Attachment] = []
    reply_to: list[Address] = []

    def summary(self, identifier: str, received: datetime) -> dict[str, Any]:
        """What a list of mails shows."""
        return {
            "id": identifier,
            "from": self.sender_address,
            "to": [one.address for one in self.recipients.to],
            "cc": [one.address for one in self.recipients.cc],
            "bcc": [one.address for one in self.recipients.bcc],
            "subject": self.content.subject,
            "received": received.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        }

    def body(self) -> dict[str, Any]:
        """The rest of the mail: texts exactly as sent."""
        return {
            "html": self.content.html,
            "text": self.content.plain_text,
            "headers": self.headers,
            "attachments": [one.model_dump(by_alias=True) for one in self.attachments],
        }


def first_error(error: ValidationError) -> str:
    """The first thing that is wrong, as `field: why`."""
    first = error.errors()[0]
    return f"{'.'.join(str(part) for part in first['loc']) or 'the body'}: {first['msg']}"
