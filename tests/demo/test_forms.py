"""The approvers' hands: link and form."""

import pytest

from demo.forms import approval_link, approve_form

URL = "http://127.0.0.1:7071/approvals/t0ken"
PAGE = """
<input type="checkbox" form="approve" name="exclude" value="PLANT1/CIRC1">
<form id="approve" method="post"><input type="hidden" name="csrf" value="a&amp;b">
  <button class="button yes" name="choice" value="approve">Approve<span> all</span></button></form>
<form id="reject" method="post"><input type="hidden" name="csrf" value="other">
  <label>Why?<textarea name="reason" required></textarea></label>
  <button name="choice" value="reject">Reject</button></form>
"""


def test_presses_approve_and_nothing_else() -> None:
    assert approve_form(URL, PAGE) == (URL, {"csrf": "a&b", "choice": "approve"})


def test_posts_where_the_form_says() -> None:
    page = PAGE.replace('<form id="approve"', '<form id="approve" action="/vote"')
    assert approve_form(URL, page) == ("http://127.0.0.1:7071/vote", {"csrf": "a&b", "choice": "approve"})


def test_a_decided_request_has_no_button() -> None:
    assert approve_form(URL, "<p>This is decided.</p><form><button name='choice' value='reject'>") is None


@pytest.mark.parametrize(
    ("text", "link"),
    [
        (f"Please decide: {URL}\n", URL),
        (f'<a href="{URL}?a=1&amp;b=2">Decide</a>', f"{URL}?a=1&b=2"),
        ("Your job runs long: http://127.0.0.1:7071/circuits/PLANT1/CIRC1", None),
        ("", None),
    ],
)
def test_finds_the_link(text: str, link: str | None) -> None:
    assert approval_link(text) == link
