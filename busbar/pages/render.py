"""Templates and the formats of numbers, times and states, shared by all pages and mails."""

import base64
import hashlib
import math
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).parent / "templates"
NOTHING = "–"


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=select_autoescape(enabled_extensions=("html",), default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": number,
        "percent": percent,
        "moment": moment,
        "short": short,
        "tone": tone,
        "opening": opening,
    }
    environment.globals["stylesheet"] = stylesheet
    return environment


def render(template: str, **values: Any) -> str:
    """A template of this package, filled in."""
    return _environment().get_template(template).render(**values)


@cache
def stylesheet() -> str:
    """The one stylesheet; every page carries it inline."""
    return (TEMPLATES / "style.css").read_text(encoding="utf-8").replace("</", "<\\/")


@cache
def content_security_policy() -> str:
    """Nothing but our own stylesheet, forms and images, and the icon: no script at all, no frame around us."""
    digest = base64.b64encode(hashlib.sha256(stylesheet().encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src 'self' data:; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )


def number(value: float | None) -> str:
    """Three significant digits, as people write them: 1240, 12.4, 0.124."""
    if value is None or not math.isfinite(value):
        return NOTHING
    if value == 0:
        return "0"
    decimals = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:.2e}" if abs(value) >= 1e6 or decimals > 6 else f"{value:.{decimals}f}"


def percent(value: float | None) -> str:
    """A share with its sign: +31 %, −4 %."""
    if value is None or not math.isfinite(value):
        return NOTHING
    rounded = round(value * 100)
    return f"{'−' if rounded < 0 else '+' if rounded > 0 else ''}{abs(rounded)} %"


def moment(iso: str) -> str:
    """`2025-12-09 14:03` in UTC; text that is no time stays as it is."""
    try:
        when = datetime.fromisoformat(iso)
    except ValueError:
        return iso
    return (when if when.tzinfo is None else when.astimezone(UTC)).strftime("%Y-%m-%d %H:%M")


def short(identifier: str | None) -> str:
    """Commits and digests by their first eight characters, wherever they stand: `train-9f1c…` keeps its prefix."""
    if not identifier:
        return NOTHING
    head, _, tail = identifier.rpartition("-")
    return f"{head}-{tail[:8]}" if head else identifier[:8]


_TONES = {
    "good": (
        *("trained", "approved", "completed", "succeeded", "success", "scored", "finished", "done"),
        *("promoted", "deployed", "released", "committed", "no drift"),
    ),
    "warn": (
        *("gated out", "partial", "expired", "superseded", "canceled", "cancelled", "skipped"),
        *("held back", "excluded", "replaced", "watch", "prediction drift"),
    ),
    "bad": (
        *("quarantined", "failed", "failure", "rejected", "error", "refused", "terminated"),
        *("rolled back", "data drift", "model drift", "data quality"),
    ),
    "live": (
        *("training", "running", "pending", "queued", "waiting", "planning", "promoting", "deploying"),
        *("scoring", "open", "on its way", "ramping", "detected"),
    ),
}


def opening(sentence: str) -> str:
    """A sentence as it begins: names further on keep their capitals, which `capitalize` would take."""
    return sentence[:1].upper() + sentence[1:]


def tone(status: str) -> str:
    """The colour of a state: good, warn, bad, live, or calm for a word we do not know."""
    word = status.strip().lower()
    return next((name for name, words in _TONES.items() if word.startswith(words)), "calm")
