"""Release sets as pages and as JSON: all of them, one, and what differs between two."""

import re
from collections.abc import Mapping
from typing import Any

from busbar import pages
from busbar.codec import to_wire
from busbar.domain.errors import BadRequest, NotFound
from busbar.domain.release import ReleaseSet
from busbar.domain.release_diff import Diff, diff
from busbar.domain.release_status import OnRecord
from busbar.web.reply import Reply, unless_known
from busbar.web.shapes import ApprovalReader, RecordReader, ReleaseReader

PAGE, MOST = 50, 200
NOTHING: Mapping[str, str] = {}
_ID = re.compile(r"r-[0-9a-f]{12}")


def list_page(
    query: Mapping[str, str] = NOTHING, headers: Mapping[str, str] = NOTHING, *, releases: ReleaseReader
) -> Reply:
    """GET /releases?after=ID: newest first, a page at a time."""
    try:
        found = releases.newest(PAGE + 1, _after(query))
    except (BadRequest, NotFound) as error:
        return Reply.message(404, "No such page of release sets", str(error))
    view = pages.ReleaseList(tuple(found[:PAGE]), found[PAGE - 1].id if len(found) > PAGE else "")
    return unless_known(Reply.html(200, pages.releases(view)), headers)


def list_json(
    query: Mapping[str, str] = NOTHING, headers: Mapping[str, str] = NOTHING, *, releases: ReleaseReader
) -> Reply:
    """GET /api/releases?after=ID&limit=N: newest first, with the id that the next page comes after."""
    limit = _limit(query)
    found = releases.newest(limit + 1, _after(query))
    after = found[limit - 1].id if len(found) > limit else None
    return unless_known(
        Reply.json(200, {"releases": [to_wire(one) for one in found[:limit]], "next": after}), headers
    )


def one_page(
    id: str,
    headers: Mapping[str, str] = NOTHING,
    *,
    records: RecordReader,
    releases: ReleaseReader,
    approvals: ApprovalReader,
) -> Reply:
    """GET /releases/{id}, and GET /releases/A...B for what differs."""
    try:
        if "..." in id:
            return unless_known(Reply.html(200, pages.release_diff(_diff(id, records))), headers)
        view = _view(id, records, releases, approvals)
    except NotFound as error:
        return Reply.message(404, "No such release set", str(error))
    except BadRequest as error:
        return Reply.message(400, "Nothing to compare", str(error))
    return unless_known(Reply.html(200, pages.release(view)), headers)


def one_json(
    id: str,
    headers: Mapping[str, str] = NOTHING,
    *,
    records: RecordReader,
    releases: ReleaseReader,
    approvals: ApprovalReader,
) -> Reply:
    """GET /api/releases/{id}: pins and where each stands. GET /api/releases/A...B: what differs."""
    if "..." in id:
        return unless_known(Reply.json(200, _diff_document(_diff(id, records))), headers)
    view = _view(id, records, releases, approvals)
    document = to_wire(view.known.record) | {
        "pins": [to_wire(line.pin) | {"circuit": str(line.pin.key)} for line in view.lines],
        "standings": {
            str(line.pin.key): {
                one.place: {"state": one.state, "sentence": one.sentence} for one in line.standings
            }
            for line in view.lines
        },
    }
    return unless_known(Reply.json(200, document), headers)


def _view(
    id: str, records: RecordReader, releases: ReleaseReader, approvals: ApprovalReader
) -> pages.ReleaseView:
    release, record = _stored(id, records), releases.get(id)
    if record is None:
        raise NotFound(f"release set {id} is not in the index: it was never offered")
    serving = {(one.stage, one.key): one for one in records.deployments()}
    asked = tuple(approvals.of_release(id))
    before = next((one.id for one in releases.newest(1, after=id)), "")
    return pages.ReleaseView(release, OnRecord(record, asked, serving), before)


def _diff(id: str, records: RecordReader) -> Diff:
    before, _, after = id.partition("...")
    if before == after:
        raise BadRequest("releases", f"{before} does not differ from itself: name two release sets")
    return diff(_stored(before, records), _stored(after, records))


def _stored(id: str, records: RecordReader) -> ReleaseSet:
    release = records.release(id) if _ID.fullmatch(id) else None
    if release is None:
        raise NotFound(f"there is no release set {id[:100]!r}")
    return release


def _diff_document(found: Diff) -> dict[str, Any]:
    return {
        "before": found.before,
        "after": found.after,
        "sentence": found.sentence,
        "same": [str(key) for key in found.same],
        "changes": [
            {
                "circuit": str(change.key),
                "kind": change.kind,
                "sentence": change.sentence,
                "aspects": [to_wire(aspect) for aspect in change.aspects],
                "before": to_wire(change.before) if change.before else None,
                "after": to_wire(change.after) if change.after else None,
            }
            for change in found.changes
        ],
    }


def _after(query: Mapping[str, str]) -> str:
    after = query.get("after", "")
    if after and not _ID.fullmatch(after):
        raise BadRequest("after", f"{after[:100]!r} is not the id of a release set")
    return after


def _limit(query: Mapping[str, str]) -> int:
    text = query.get("limit", "") or str(PAGE)
    if not text.isdecimal() or len(text) > 4 or not 0 < int(text) <= MOST:
        raise BadRequest("limit", f"{text[:20]!r} is not a number from 1 to {MOST}")
    return int(text)
