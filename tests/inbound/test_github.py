"""GitHub's webhooks: whose they are and what they say."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from busbar.domain.errors import BadRequest
from busbar.domain.events import ZERO_COMMIT, RepositoryPushed
from busbar.inbound.github import read_push, verify_signature

BEFORE, AFTER = "6" * 40, "c" * 40
SIGNATURE = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
SECRET = "It's a Secret to Everybody"


def payload(**changes: Any) -> dict[str, Any]:
    return {
        "ref": "refs/heads/develop",
        "before": BEFORE,
        "after": AFTER,
        "forced": False,
        "repository": {"full_name": "plants/fleet"},
        "pusher": {"name": "deploy-key"},
        "sender": {"login": "data-scientist"},
    } | changes


def read(document: Any, **headers: str) -> RepositoryPushed | None:
    return read_push({"X-GitHub-Event": "push"} | headers, json.dumps(document).encode())


def test_a_push():
    assert read(payload()) == RepositoryPushed("plants/fleet", "develop", BEFORE, AFTER, "data-scientist")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"ref": "refs/heads/release/1.0"}, {"branch": "release/1.0"}),
        ({"forced": True}, {"forced": True}),
        ({"before": ZERO_COMMIT}, {"before": ZERO_COMMIT}),
        ({"after": ZERO_COMMIT}, {"after": ZERO_COMMIT, "deleted": True}),
        ({"sender": None}, {"requester": "deploy-key"}),
        ({"sender": {}}, {"requester": "deploy-key"}),
        ({"commits": None, "head_commit": 7}, {}),
    ],
)
def test_variants(changes: dict[str, Any], expected: dict[str, Any]):
    push = read(payload(**changes))
    assert push is not None
    assert {key: getattr(push, key) for key in expected} == expected


@pytest.mark.parametrize("ref", ["refs/tags/v1.0.0", "refs/notes/commits", "refs/pull/1/head"])
def test_what_is_no_branch_is_no_push(ref: str):
    assert read(payload(ref=ref)) is None


@pytest.mark.parametrize("event", ["ping", "pull_request", "PUSH"])
def test_other_events(event: str):
    assert read_push({"x-github-EVENT": event}, b"not even JSON") is None


def test_header_names_have_no_case():
    body = json.dumps(payload()).encode()
    assert read_push({"x-github-event": "push"}, body) == read_push({"X-GitHub-Event": "push"}, body)


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ([], "body"),
        (payload(ref=None), "ref"),
        (payload(ref="refs/heads/"), "ref"),
        (payload(ref="refs/heads/a\nb"), "ref"),
        (payload(ref="refs/heads/\ud800"), "ref"),
        (payload(ref="refs/heads/" + "x" * 300), "ref"),
        (payload(before="6113728"), "before"),
        (payload(after=None), "after"),
        (payload(after=AFTER + "\n"), "after"),
        (payload(forced="yes"), "forced"),
        (payload(repository=None), "repository.full_name"),
        (payload(repository=[]), "repository"),
        (payload(repository={"full_name": "plants/fleet/../x"}), "repository.full_name"),
        (payload(sender={"login": 7}), "sender.login"),
        (payload(sender=None, pusher=None), "pusher.name"),
        (payload(sender=None, pusher={"name": ""}), "pusher.name"),
    ],
)
def test_what_is_wrong_is_named(document: Any, field: str):
    with pytest.raises(BadRequest) as caught:
        read(document)
    assert caught.value.field == field


@pytest.mark.parametrize("body", [b"", b"payload=%7B%7D", b"\xff", b"[" * 100_000, b"{", b"1" * 5000])
def test_what_is_no_json(body: bytes):
    with pytest.raises(BadRequest) as caught:
        read_push({"X-GitHub-Event": "push"}, body)
    assert caught.value.field == "body"


def test_the_event_must_be_named():
    with pytest.raises(BadRequest, match="X-GitHub-Event: is missing"):
        read_push({}, json.dumps(payload()).encode())


def test_githubs_own_test_vector():
    assert verify_signature(SECRET, b"Hello, World!", SIGNATURE)


@pytest.mark.parametrize(
    ("secret", "body", "header"),
    [
        (SECRET, b"Hello, World", SIGNATURE),
        ("another", b"Hello, World!", SIGNATURE),
        ("", b"Hello, World!", SIGNATURE),
        (SECRET, b"Hello, World!", None),
        (SECRET, b"Hello, World!", ""),
        (SECRET, b"Hello, World!", SIGNATURE.removeprefix("sha256=")),
        (SECRET, b"Hello, World!", SIGNATURE.upper()),
        (SECRET, b"Hello, World!", SIGNATURE[:-1]),
        (SECRET, b"Hello, World!", "sha256=é\udcff"),
        # an empty secret signs like any other: it must not count
        ("", b"", "sha256=b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad"),
    ],
)
def test_wrong_signatures(secret: str, body: bytes, header: str | None):
    assert not verify_signature(secret, body, header)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(payload(), JSON)), st.booleans())
def test_arbitrary_json_raises_nothing_but_bad_request(changes: dict[str, Any], whole: bool):
    try:
        assert isinstance(read(changes if whole else payload(**changes)), RepositoryPushed | None)
    except BadRequest as error:
        assert error.field  # noqa: PT017 - BadRequest is one of two right answers


@given(st.binary(), st.text())
def test_arbitrary_bytes_raise_nothing_but_bad_request(body: bytes, header: str):
    assert not verify_signature(SECRET, body, header)
    with pytest.raises(BadRequest):
        read_push({"X-GitHub-Event": "push"}, body)
