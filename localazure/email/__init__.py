"""Azure Communication Services e-mail, and the mailbox in which everything it sends can be read."""

from localazure.email.service import Email

__all__ = ["Email"]
