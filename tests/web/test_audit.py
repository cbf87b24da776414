"""The audit log's routes: bounded, paged, and clear about what was asked wrongly."""

import json
from collections.abc import Mapping

import pytest

from busbar.domain.errors import BadRequest
from busbar.web import audit
from tests.fakes import FakeAudit


def a_log(count: int) -> FakeAudit:
    log = FakeAudit()
    for number in range(1, count + 1):
        said = {"kind": "vote", "subject": f"r-{number % 7}", "actor": "<b>ml-lead</b>"}
        log.append(
            id=str(number), **said, sentence=f"step {number}", details={"excluded": ["P/C"], "why": ""}
        )
    return log


LOG = a_log(450)


def numbers(query: Mapping[str, str]) -> list[int]:
    said = json.loads(audit.entries_json(query, audit=LOG).body)
    assert said["head"] == {"sequence": 450, "digest": LOG.head().digest}
    return [entry["sequence"] for entry in said["entries"]]


@pytest.mark.parametrize(
    ("query", "first", "last", "count"),
    [
        ({}, 251, 450, 200),
        ({"limit": "3"}, 448, 450, 3),
        ({"limit": "1000"}, 1, 450, 450),
        ({"first": "1", "limit": "2"}, 1, 2, 2),
        ({"first": "449"}, 449, 450, 2),
        ({"subject": "r-3"}, 3, 444, 64),
        ({"subject": "r-3", "limit": "2"}, 437, 444, 2),
        ({"subject": "r-3", "limit": "2", "first": "4"}, 10, 17, 2),
    ],
)
def test_what_is_asked_for(query: Mapping[str, str], first: int, last: int, count: int):
    found = numbers(query)
    assert (found[0], found[-1], len(found)) == (first, last, count)


def test_beyond_the_end_is_nothing():
    assert numbers({"first": "451"}) == []


@pytest.mark.parametrize(
    "query",
    [
        {"limit": "0"},
        {"limit": "1001"},
        {"limit": "-1"},
        {"first": "x"},
        {"first": "9" * 5000},
        {"first": "²"},
    ],
)
def test_what_is_no_number_is_refused_by_name(query: Mapping[str, str]):
    with pytest.raises(BadRequest) as refused:
        audit.entries_json(query, audit=LOG)
    assert refused.value.field == next(iter(query))


def test_the_page_is_bounded_and_leads_to_what_is_older():
    first = audit.page({}, audit=LOG).body
    assert first.count('<tr id="e') == 200
    assert 'href="/audit?before=251"' in first
    last = audit.page({"before": "51"}, audit=LOG).body
    assert last.count('<tr id="e') == 50
    assert "Older entries" not in last
    assert "&lt;b&gt;ml-lead" in first
    assert "<b>ml-lead" not in first


def test_the_page_of_a_subject_and_of_nothing():
    assert audit.page({"subject": "r-3"}, audit=LOG).body.count('<tr id="e') == 64
    assert "Nothing in the audit log is about &lt;r-9" in audit.page({"subject": "<r-9"}, audit=LOG).body
    assert "Nobody has decided anything yet" in audit.page({}, audit=FakeAudit()).body
    assert audit.page({"before": "x"}, audit=LOG).status == 400


def test_an_unchanged_log_is_304():
    tag = audit.page({}, audit=LOG).headers["ETag"]
    assert audit.page({}, {"If-None-Match": tag}, audit=LOG).status == 304
