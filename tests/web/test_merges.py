"""The pages of merges, and the same as JSON."""

import json
import re
from dataclasses import replace

import pytest

from busbar.pages.render import opening
from busbar.web import merges
from tests.fakes import FakeRecords
from tests.pages import samples

GOOD, FAILED = samples.merge(), samples.failed_merge()


@pytest.fixture
def records() -> FakeRecords:
    found = FakeRecords()
    found.save_merge(GOOD)
    found.save_merge(FAILED)
    return found


def text(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html.partition("</style>")[2]).split())


def test_the_list_tells_figures_reasons_and_failures(records: FakeRecords):
    reply = merges.page(records=records)
    told = text(reply.body)
    assert reply.status == 200
    assert "2025-12-09 09:00 completed 12 of 40 3456 120 4 9 12 → 13" in told
    assert "5 is no number, 2 is no time, 1 has too few cells" in told
    assert "2025-12-09 12:00 failed no space left on device" in told
    assert told.index("12:00 failed") < told.index("09:00 completed")


def test_without_merges_the_page_says_how_to_begin():
    assert "Nothing has been merged yet" in text(merges.page(records=FakeRecords()).body)


def test_a_merges_page_tells_everything(records: FakeRecords):
    told = text(merges.one(GOOD.id, records=records).body)
    for said in (GOOD.sentence, *GOOD.problems, *GOOD.drift, *GOOD.remarks):
        assert said.replace("'", "&#39;") in told
    assert "PLANT2/CIRC1 2025-12-08 23:00" in told


def test_a_failed_merges_page_has_no_figures(records: FakeRecords):
    told = text(merges.one(FAILED.id, records=records).body)
    assert opening(FAILED.sentence) in told
    assert "Newest readings" not in told


def test_what_files_say_is_text(records: FakeRecords):
    records.save_merge(
        replace(GOOD, problems=("<script>x</script>",), drift=("<b>d</b>",), remarks=("<i>r</i>",))
    )
    body = merges.one(GOOD.id, records=records).body
    assert "<script>x" not in body
    assert "<b>d</b>" not in body
    assert "<i>r</i>" not in body


def test_a_merge_that_is_not_on_record(records: FakeRecords):
    assert merges.one("nobody", records=records).status == 404


def test_json_is_the_records_newest_first_and_known_by_its_tag(records: FakeRecords):
    reply = merges.merges_json(records=records)
    assert [one["id"] for one in json.loads(reply.body)["merges"]] == [FAILED.id, GOOD.id]
    assert merges.merges_json({"If-None-Match": reply.headers["ETag"]}, records=records).status == 304
