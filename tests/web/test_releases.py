"""Release sets' routes: lists by pages, one with where each circuit stands, differences, and what is not there."""

import json
import re
from dataclasses import replace
from html import unescape
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from busbar.domain.errors import BadRequest, NotFound
from busbar.domain.policies import GateName, Stage
from busbar.domain.records import Candidate
from busbar.domain.release import ReleaseSet
from busbar.domain.release_record import Leg, Origin, Place, ReleaseRecord
from busbar.web import releases, rollbacks
from tests.activities.bench import SETTINGS
from tests.domain.pins import pin, release
from tests.fakes import FakeApprovals, FakeRecords, FakeReleases
from tests.pages import samples


class Store:
    """The clients that the routes read, with release sets put into them."""

    def __init__(self, *sets: ReleaseSet):
        self.records, self.releases, self.approvals = FakeRecords(), FakeReleases(), FakeApprovals()
        for minute, one in enumerate(sets):
            self.records.save_release(one)
            self.releases.add(ReleaseRecord.of(one, Origin.HAND, f"2025-12-09T12:{minute:02d}:00.000+00:00"))

    @property
    def clients(self) -> Any:
        return {"records": self.records, "releases": self.releases, "approvals": self.approvals}


OLD = release(pin("CIRC1"), pin("CIRC2"))
NEW = release(pin("CIRC1"), pin("CIRC2", "4", mae=0.9), run="hand-20251209T1200")


def test_the_list_is_bounded_and_leads_on():
    sets = [release(pin("CIRC1"), run=f"train-{number}") for number in range(60)]
    store = Store(*sets)
    first = releases.list_page({}, releases=store.releases).body
    assert first.count('<td class="id mono">') == 50
    assert f'href="/releases?after={sets[10].id}"' in first
    second = releases.list_page({"after": sets[10].id}, releases=store.releases).body
    assert second.count('<td class="id mono">') == 10
    assert "Older release sets" not in second


def test_the_list_as_json():
    store = Store(OLD, NEW)
    said = json.loads(releases.list_json({"limit": "1"}, releases=store.releases).body)
    assert ([one["id"] for one in said["releases"]], said["next"]) == ([NEW.id], NEW.id)
    said = json.loads(releases.list_json({"after": NEW.id}, releases=store.releases).body)
    assert ([one["id"] for one in said["releases"]], said["next"]) == ([OLD.id], None)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"limit": "0"}, "limit"),
        ({"limit": "201"}, "limit"),
        ({"limit": "x"}, "limit"),
        ({"after": "../x"}, "after"),
    ],
)
def test_a_wrong_question_is_refused_by_name(query: dict[str, str], field: str):
    with pytest.raises(BadRequest) as refused:
        releases.list_json(query, releases=FakeReleases())
    assert refused.value.field == field
    assert releases.list_page({"after": "<x>"}, releases=FakeReleases()).status == 404


def test_a_page_that_follows_nothing_known_is_not_there():
    with pytest.raises(NotFound):
        releases.list_json({"after": "r-000000000000"}, releases=FakeReleases())
    assert releases.list_page({"after": "r-000000000000"}, releases=FakeReleases()).status == 404


def test_one_release_says_where_each_circuit_stands():
    store = Store(OLD, NEW)
    store.approvals.create(replace(samples.request(NEW, GateName.TEST_DEPLOYMENT, 1), digest=NEW.digest), {})
    reached = Leg(Place.REGISTRY, "2 of 2 models promoted", "2025-12-09T13:00:00+00:00", (pin("CIRC1").key,))
    store.releases.update(NEW.id, lambda record: record.after(reached))
    said = json.loads(releases.one_json(NEW.id, **store.clients).body)
    first = said["standings"]["PLANT1/CIRC1"]
    assert (first["registry"]["state"], first["test"]["state"], first["prod"]["state"]) == (
        "promoted",
        "waiting",
        "ahead",
    )
    assert [one["circuit"] for one in said["pins"]] == ["PLANT1/CIRC1", "PLANT1/CIRC2"]
    page = releases.one_page(NEW.id, **store.clients).body
    assert "waits for test-deployment: 0 of 1 votes, until 2025-12-12 14:30" in page
    assert f'href="/releases/{OLD.id}...{NEW.id}"' in page
    assert "example.com" not in json.dumps(said)


def test_what_serves_is_told():
    store = Store(OLD)
    store.records.save_deployment(
        replace(samples.deployment(pin("CIRC1").key, Stage.PROD, "3"), release_id=OLD.id)
    )
    said = json.loads(releases.one_json(OLD.id, **store.clients).body)["standings"]
    assert said["PLANT1/CIRC1"]["prod"]["sentence"] == "v3 serves prod since 2025-12-09 14:20"
    assert said["PLANT1/CIRC2"]["prod"]["state"] == "ahead"


def rollback_links(page: str) -> list[str]:
    return [unescape(link) for link in re.findall(r'href="(/rollbacks[^"]*)"', page)]


def test_a_release_sets_page_leads_to_its_rollback_where_it_serves_or_ramps():
    store = Store(OLD)
    assert rollback_links(releases.one_page(OLD.id, **store.clients).body) == []
    key = pin("CIRC1").key
    before, after = (samples.deployment(key, Stage.PROD, version) for version in ("2", "3"))
    store.records.save_deployment(
        before.serving(replace(after, release_id=OLD.id).active, "2025-12-09T14:20:00")
    )
    ramping = Candidate(
        **vars(replace(samples.deployment(key, Stage.TEST, "3"), release_id=OLD.id).active), share=25
    )
    store.records.save_deployment(replace(samples.deployment(key, Stage.TEST, "2"), candidate=ramping))

    links = rollback_links(releases.one_page(OLD.id, **store.clients).body)

    assert links == [f"/rollbacks?stage={stage}&scope={OLD.id}" for stage in ("test", "prod")]
    query = dict(parse_qsl(urlsplit(links[1]).query))
    given: Any = {"records": store.records, "settings": SETTINGS}
    confirm = rollbacks.show(query, {}, **given).body
    assert "PLANT1/CIRC1: v3 → v2 in prod" in confirm
    assert f'name="scope" value="{OLD.id}"' in confirm
    for field in ("reason", "key"):
        assert f'name="{field}" required' in confirm


def test_two_are_compared():
    store = Store(OLD, NEW)
    said = json.loads(releases.one_json(f"{OLD.id}...{NEW.id}", **store.clients).body)
    assert said["sentence"] == f"{OLD.id} → {NEW.id}: 1 changed, 1 as before"
    (change,) = said["changes"]
    assert (change["circuit"], change["kind"]) == ("PLANT1/CIRC2", "changed")
    assert {"name": "MAE", "before": "1", "after": "0.9"} in change["aspects"]
    assert (change["before"]["model_version"], change["after"]["model_version"]) == ("3", "4")
    page = releases.one_page(f"{OLD.id}...{NEW.id}", **store.clients)
    assert page.status == 200
    assert "v3 → v4" in page.body


@pytest.mark.parametrize(
    ("id", "status"),
    [
        ("r-000000000000", 404),
        ("../../etc", 404),
        ("<script>", 404),
        (f"{OLD.id}...r-000000000000", 404),
        (f"...{OLD.id}", 404),
        (f"{OLD.id}...", 404),
        (f"{OLD.id}...{NEW.id}...{OLD.id}", 404),
        (f"{OLD.id}...{OLD.id}", 400),
        ("...", 400),
    ],
)
def test_what_is_not_there_or_no_question(id: str, status: int):
    store = Store(OLD, NEW)
    page = releases.one_page(id, **store.clients)
    assert page.status == status
    assert "<script>" not in page.body
    with pytest.raises(NotFound if status == 404 else BadRequest):
        releases.one_json(id, **store.clients)


def test_a_release_that_was_never_offered_is_not_in_the_index():
    store = Store()
    store.records.save_release(OLD)
    assert "was never offered" in releases.one_page(OLD.id, **store.clients).body


def test_looking_again_is_cheap():
    store = Store(OLD)
    tag = releases.one_page(OLD.id, **store.clients).headers["ETag"]
    assert releases.one_page(OLD.id, {"If-None-Match": tag}, **store.clients).status == 304


def test_two_hundred_circuits_on_one_page():
    pins = [pin(f"CIRC{number}", plant=f"PLANT{plant}") for plant in range(20) for number in range(10)]
    store = Store(release(*pins))
    page = releases.one_page(store.releases.newest(1)[0].id, **store.clients).body
    assert page.count('<td class="id">') == 200
    assert len(page) < 250_000
