"""What a person does on an approval page, done by a program: find the form, press the button."""

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urljoin

_LINK = re.compile(r"""https?://[^\s"'<>]+/approvals/[^\s"'<>]+""")


@dataclass
class Form:
    """A form of a page: where it posts to, what it sends by itself, and the named buttons it offers."""

    action: str
    fields: dict[str, str] = field(default_factory=dict[str, str])
    buttons: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._open: Form | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._open = Form(given.get("action", ""))
            self.forms.append(self._open)
        elif self._open is not None and tag in ("input", "button"):
            name, value, kind = given.get("name", ""), given.get("value", ""), given.get("type", "")
            if tag == "button" or kind in ("submit", "radio"):
                self._open.buttons.add((name, value))
            elif name and kind != "checkbox":
                self._open.fields[name] = value

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._open = None


def approval_link(text: str) -> str | None:
    """The approval link in a mail's text or HTML, or None in a mail of another kind."""
    match = _LINK.search(text)
    return match.group().replace("&amp;", "&") if match else None


def approve_form(url: str, page: str) -> tuple[str, dict[str, str]] | None:
    """Where to post and what, to approve on `page` (found at `url`); None if it offers no approve button."""
    parser = _Forms()
    parser.feed(page)
    for form in parser.forms:
        if ("choice", "approve") in form.buttons:
            return urljoin(url, form.action), form.fields | {"choice": "approve"}
    return None
