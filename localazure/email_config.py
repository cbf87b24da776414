"""The `email` section of the configuration: one Communication Services resource and what it refuses."""

from pydantic import BaseModel, ConfigDict, Field


class EmailService(BaseModel):
    """`domains`: those linked, whose senders may be used (left out: any). Mail to `suppressed` addresses or `@domain`s
    is dropped. `per_minute` and `per_hour`: mails that may be sent (left out: any number; Azure begins with 30 and
    100). An operation runs for `operation_seconds`; clients are told to ask every `retry_after_seconds`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = "email"
    resource_group: str = "local-rg"
    domains: tuple[str, ...] | None = None
    suppressed: tuple[str, ...] = ()
    per_minute: int | None = Field(default=None, ge=1)
    per_hour: int | None = Field(default=None, ge=1)
    operation_seconds: float = Field(default=0.0, ge=0)
    retry_after_seconds: int = Field(default=1, ge=0)
