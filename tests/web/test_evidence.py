"""The page of a release set's notebook: shown in a sandbox, or the reason why there is none."""

import pytest

from busbar.domain.evidence import EvidenceNote, EvidenceStatus
from busbar.web.evidence import show
from busbar.web.reply import Reply
from tests.fakes import FakeEvidence

PAGE = b"<html><script>alert(1)</script></html>"


def shown(status: EvidenceStatus | None, page: bytes | None = None, **headers: str) -> Reply:
    evidence = FakeEvidence()
    if status is not None:
        evidence.save_note(EvidenceNote("r-1", status, "the <reason>"))
    if page is not None:
        evidence.save_page("r-1", page)
    return show("r-1", headers, evidence=evidence)


def test_a_notebook_may_run_nothing_and_load_nothing():
    reply = shown(EvidenceStatus.READY, PAGE)
    assert (reply.status, reply.body, reply.content_type) == (200, PAGE.decode(), "text/html; charset=utf-8")
    rules = dict(
        rule.strip().partition(" ")[::2] for rule in reply.headers["Content-Security-Policy"].split(";")
    )
    assert rules == {
        "sandbox": "",
        "default-src": "'none'",
        "img-src": "data:",
        "style-src": "'unsafe-inline'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    assert reply.headers["X-Content-Type-Options"] == "nosniff"


def test_one_that_the_browser_has_is_not_sent_again():
    first = shown(EvidenceStatus.READY, PAGE)
    again = shown(EvidenceStatus.READY, PAGE, **{"If-None-Match": first.headers["ETag"]})
    assert (again.status, again.body) == (304, "")


@pytest.mark.parametrize(
    ("status", "code", "told"),
    [
        (None, 404, "No evidence notebook was asked for release set r-1."),
        (EvidenceStatus.PENDING, 200, "It is being made: the &lt;reason&gt;."),
        (EvidenceStatus.MISSING, 404, "Release set r-1 has none: the &lt;reason&gt;."),
        (EvidenceStatus.READY, 404, "its page is gone from the container `releases`"),
    ],
)
def test_where_there_is_none_the_page_says_why(status: EvidenceStatus | None, code: int, told: str):
    reply = shown(status)
    assert (reply.status, told in reply.body) == (code, True)
    assert "script" not in reply.headers["Content-Security-Policy"].replace("script-src 'none'", "")
