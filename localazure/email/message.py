"""A mail as Communication Services' REST takes it, validated, and as the mailbox keeps it."""

import base64
import binascii
from collections.abc import Collection
from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from localazure.web import Refusal

MAX_BYTES = 10 * 1024 * 1024  # of one request, attachments included
MAX_RECIPIENTS = 50  # to, cc and bcc together
_ADDRESS = r"^[^@\s<>]+@[^@\s<>]+$"


class _Part(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, extra="ignore")


def _base64(text: str) -> str:
    try:
        base64.b64decode(text, validate=True)
    except binascii.Error:
        raise ValueError("the content is not base64") from None
    return text


class Address(_Part):
    address: str = Field(pattern=_ADDRESS)
    display_name: str | None = None


class Recipients(_Part):
    to: list[Address] = []
    cc: list[Address] = []
    bcc: list[Address] = []

    @model_validator(mode="after")
    def _some(self) -> Self:
        if not self.all:
            raise ValueError("at least one recipient is required")
        if len(self.all) > MAX_RECIPIENTS:
            raise ValueError(f"{len(self.all)} recipients: {MAX_RECIPIENTS} at most")
        return self

    @property
    def all(self) -> list[str]:
        return [one.address for one in (*self.to, *self.cc, *self.bcc)]


class Content(_Part):
    subject: str = Field(min_length=1)
    html: str | None = None
    plain_text: str | None = None

    @model_validator(mode="after")
    def _some_text(self) -> Self:
        if not (self.html or self.plain_text):
            raise ValueError("html or plainText is required")
        return self


class Attachment(_Part):
    name: str = Field(min_length=1)
    content_type: str = Field(pattern=r"^[\w.+-]+/[\w.+-]+")
    content_in_base64: Annotated[str, AfterValidator(_base64)]
    content_id: str | None = None


class Message(_Part):
    sender_address: str = Field(pattern=_ADDRESS)
    content: Content
    recipients: Recipients
    headers: dict[str, str] = {}
    attachments: list[Attachment] = []
    reply_to: list[Address] = []

    @property
    def domain(self) -> str:
        """The sender's, which must be linked to the service."""
        return self.sender_address.rpartition("@")[2].lower()

    def summary(self, identifier: str, received: datetime, dropped: Collection[str] = ()) -> dict[str, Any]:
        """What a list of mails shows; `dropped` recipients do not get it."""
        kept = {
            kind: [one.address for one in addresses if one.address not in dropped]
            for kind, addresses in (
                ("to", self.recipients.to),
                ("cc", self.recipients.cc),
                ("bcc", self.recipients.bcc),
            )
        }
        return {
            "id": identifier,
            "from": self.sender_address,
            **kept,
            "subject": self.content.subject,
            "received": received.isoformat(timespec="microseconds").replace("+00:00", "Z"),
            "read": False,
            "attached": len(self.attachments),
        }

    def body(self) -> dict[str, Any]:
        """The rest of the mail: texts exactly as sent."""
        return {
            "html": self.content.html,
            "text": self.content.plain_text,
            "headers": self.headers,
            "replyTo": [one.address for one in self.reply_to],
            "attachments": [one.model_dump(by_alias=True) for one in self.attachments],
        }


def refused(error: ValidationError) -> Refusal:
    """A 400 that says the first thing that is wrong in its message, and all of them in its details."""
    details = [
        {
            "code": "InvalidValue",
            "target": ".".join(str(part) for part in one["loc"]) or "the body",
            "message": one["msg"],
        }
        for one in error.errors()
    ]
    message = f"{details[0]['target']}: {details[0]['message']}"
    return Refusal(400, {"error": {"code": "BadRequest", "message": message, "details": details}})
