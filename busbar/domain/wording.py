"""How sentences count and list, and what a long text comes to."""

from collections.abc import Iterable


def counted(number: int, noun: str) -> str:
    """`1 circuit`, `6 circuits`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def listed(names: Iterable[str]) -> str:
    """`one`, `one and two`, `one, two and three`."""
    *before, last = list(names) or [""]
    return f"{', '.join(before)} and {last}" if before else last


def shortened(text: str, most: int) -> str:
    """The text in at most so many characters; `…` says that it goes on."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def gist(text: str) -> str:
    """A log's end in a line: what it begins with, and its last line, where the error stands."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return f"{lines[0]} … {lines[-1]}"[:1000] if len(lines) > 1 else "".join(lines)[:1000]
