"""What the pages say, and that nothing written by others gets out of its place."""

import base64
import hashlib
import re
import time
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from busbar import pages
from busbar.domain.approval import ApprovalVerdict, Choice, Dossier, NoticeKind, Outcome, Vote
from busbar.domain.circuits import CircuitKey, Person
from busbar.domain.evidence import EvidenceNote, EvidenceStatus
from busbar.domain.policies import Demands, ScaleFreePolicy, Stage, Thresholds
from busbar.domain.records import DeploymentRecord, RunRecord, RunStatus
from busbar.domain.training import Verdict
from busbar.pages import LinkState, evidence
from busbar.pages.ramps import rollouts
from busbar.pages.render import moment, number, opening, percent, short, tone
from busbar.pages.rows import BAR_END, in_order, skill_bar
from tests.pages import samples

HOSTILE = "<script>alert('x')</script>\"'&"
KEY = CircuitKey("PLANT1", "CIRC1")


def squeezed(html: str) -> str:
    """The page's text, tags away, blanks single."""
    return " ".join(re.sub(r"<[^>]+>", " ", html.partition("</style>")[2]).split())


def line_of(html: str, key: CircuitKey) -> str:
    """The text of a circuit's row on the board."""
    start = html.index(f'href="/circuits/{key.plant_id}/{key.circuit_id}"')
    return squeezed("</style>" + html[html.index(">", start) + 1 : html.index("</tr>", start)])


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (float("nan"), "–"),
        (0, "0"),
        (1240.4, "1240"),
        (12.345, "12.3"),
        (0.1239, "0.124"),
        (3e-9, "3.00e-09"),
    ],
)
def test_numbers_have_three_digits(value: float | None, text: str):
    assert number(value) == text


@pytest.mark.parametrize(("value", "text"), [(0.314, "+31 %"), (-0.042, "−4 %"), (0.001, "0 %"), (None, "–")])
def test_shares_have_a_sign(value: float | None, text: str):
    assert percent(value) == text


@pytest.mark.parametrize(
    ("iso", "text"),
    [
        ("2025-12-09T14:03:11+00:00", "2025-12-09 14:03"),
        ("2025-12-09T15:03:11+01:00", "2025-12-09 14:03"),
        ("soon", "soon"),
    ],
)
def test_times_are_utc(iso: str, text: str):
    assert moment(iso) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [(samples.COMMIT, "c7fd1fc8"), (samples.RUN, "train-c7fd1fc8"), (None, "–"), ("", "–")],
)
def test_identifiers_are_cut(text: str | None, expected: str):
    assert short(text) == expected


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("trained", "good"),
        ("gated out", "warn"),
        ("Quarantined", "bad"),
        ("training", "live"),
        ("waiting for approval", "live"),
        ("nothing", "calm"),
    ],
)
def test_states_have_a_tone(status: str, expected: str):
    assert tone(status) == expected


def test_circuits_are_ordered_as_people_count():
    keys = [CircuitKey("P10", "C1"), CircuitKey("P2", "C10"), CircuitKey("P2", "C9")]
    assert sorted(keys, key=in_order) == [keys[2], keys[1], keys[0]]


@given(st.floats())
def test_a_skill_bar_stays_in_its_picture(skill: float):
    bar = skill_bar(skill)
    assert bar is None or (bar.start >= 0 and bar.width >= 0 and bar.start + bar.width <= BAR_END + 0.2)


def test_the_board_counts_and_says_why():
    html = pages.board(samples.fleet(20, 10))
    board = samples.fleet(20, 10)
    gated = next(record for record in board.circuits if record.verdict == "gated out")
    text = squeezed(html)
    assert f"Circuits 200 in 20 plants Trained {sum(r.verdict == 'trained' for r in board.circuits)}" in text
    assert gated.reason.replace(">", "&gt;") in html
    assert "1 of 2 votes · until 2025-12-12 14:30" in text
    assert "operator ✓" in text
    assert len(html) < 400_000


@pytest.mark.parametrize(
    ("test_version", "marked"),
    [("4", '<span class="v same">v4</span>'), ("3", '<span class="v old">v3</span>')],
)
def test_the_board_marks_a_version_that_differs(test_version: str, marked: str):
    board = pages.Board(
        (samples.record(KEY, samples.metrics()),), (samples.deployment(KEY, Stage.TEST, test_version),)
    )
    assert marked in pages.board(board)


def test_a_board_row_reads_across_the_stages():
    board = pages.Board(
        (samples.record(KEY, samples.metrics()),),
        (samples.deployment(KEY, Stage.DEV), samples.deployment(KEY, Stage.TEST, "3")),
    )
    assert line_of(pages.board(board), KEY) == "CIRC1 trained 2025-12-09 1.24 +31 % v4 v4 v4 v3 – –"


@pytest.mark.parametrize(
    ("board", "seconds"),
    [
        (pages.Board(), 30),
        (pages.Board((samples.record(KEY, samples.metrics()),)), 30),
        (pages.Board((samples.record(KEY),)), 5),
        (pages.Board(runs=(RunRecord("r", "c", "b", "p", RunStatus.RUNNING, "s", "t"),)), 5),
    ],
)
def test_the_board_looks_again_soon_while_something_runs(board: pages.Board, seconds: int):
    assert f'<meta http-equiv="refresh" content="{seconds}">' in pages.board(board)


def test_an_empty_board_says_what_to_do():
    assert "Push a commit" in squeezed(pages.board(pages.Board()))


def test_a_circuit_page_shows_gates_and_lineage():
    record = samples.record(KEY, samples.metrics())
    deployed = (samples.deployment(KEY, Stage.PROD, "3"),)
    text = squeezed(pages.circuit(pages.CircuitView(record, deployed, pin=samples.pin(record))))
    for expected in (
        "max_mae 1.24 ≤ 6.00 passed",
        f"Training hash {record.training_hash}",
        "Environment sensor-forecasting-env:1.0.0",
        f"Commit {samples.COMMIT}",
        "prod v3 2025-12-01 circ1-v3 be-plant1-prod-3f9c 2025-12-09 14:20 circ1-v2",
    ):
        assert expected in text


def test_a_run_page_lists_its_circuits():
    board = samples.fleet(2, 3)
    text = squeezed(pages.run(board.runs[0], board.circuits))
    assert "PLANT2 CIRC1 training" in text
    assert opening(board.runs[0].sentence) in text


def view(state: LinkState = LinkState.OPEN, plants: int = 2) -> pages.ApprovalView:
    return samples.approval_view(samples.fleet(plants, 3), state)


def test_an_open_approval_shows_evidence_and_a_form():
    html = pages.approval(view())
    text = squeezed(html)
    assert "CIRC1 left out by operator v3 v3 2025-12-09 1.72" in text
    assert "PLANT2/CIRC3 quarantined etl_merge left 12" in text
    assert "1 of 2 needed" in text
    assert html.count('name="csrf" value="csrf"') == 2
    assert html.count('name="exclude"') == len(view().release.pins)  # type: ignore[union-attr] - the sample has one
    assert "action=" not in html  # the form posts to the page's own address


def test_an_approval_says_who_is_asked_why_and_what_they_did():
    text = squeezed(pages.approval(view()))
    asked = text.partition("Who was asked, and what they said ")[2]
    assert asked.startswith(
        "ml-lead no vote yet reminded once "
        "operator (for shift-lead) approved 2025-12-10 16:02 left out PLANT1/CIRC1 "
        "deputy (escalated) no vote yet "
        "2025-12-09 14:30 asked ml-lead, operator "
        "2025-12-10 14:30 reminded ml-lead, operator "
        "2025-12-11 14:30 escalated to deputy not reached: ghost: no such mailbox"
    )


def test_an_approval_compares_configurations_and_shows_plots_of_its_release_only():
    shown = view()
    html = pages.approval(shown)
    release, plots = (
        shown.request.release_id,
        re.findall(r'<img loading="lazy" width="900" src="([^"]+)"', html),
    )
    assert shown.release
    assert sorted(plots) == sorted(f"/releases/{release}/forecasts/{pin.key}" for pin in shown.release.pins)
    assert "cutoff_date 2025-12-01 → 2025-12-09, epochs 8 → 12, limits.flow.high – → 80.0" in html
    assert "configuration changed 3" in squeezed(html)
    assert f'href="/releases/{release}/evidence">Evidence notebook</a>' in html


NOTEBOOKS = [
    (
        EvidenceNote("r", EvidenceStatus.PENDING, "job e is making the notebook"),
        "The evidence notebook is being made: job e is making",
    ),
    (
        EvidenceNote("r", EvidenceStatus.MISSING, "the job failed"),
        "There is no evidence notebook: the job failed",
    ),
]


@pytest.mark.parametrize(("note", "said"), NOTEBOOKS)
def test_a_notebook_that_is_not_there_is_explained(note: EvidenceNote, said: str):
    assert said in squeezed(pages.approval(replace(view(), notebook=note)))


def test_a_question_about_something_else_shows_its_evidence():
    html = pages.approval(samples.other_question())
    assert '<a href="/environments/sensor-forecasting-env/1.2.0">Compatibility matrix</a>' in html
    assert "Evidence per circuit" not in html
    assert 'value="approve"' in html


def many() -> pages.ApprovalView:
    """A release of 200 circuits, the last of them the worst, one with a failed gate."""
    keys = [CircuitKey(f"PLANT{1 + number // 10}", f"CIRC{1 + number % 10}") for number in range(200)]
    records = [
        samples.record(key, samples.metrics(0.6 - number / 500, champion=0.5))
        for number, key in enumerate(keys)
    ]
    failing = samples.record(keys[7], samples.metrics(mae=9.0, champion=0.5))
    records[7] = replace(failing, verdict=Verdict.TRAINED, model_version="4")
    board = pages.Board(tuple(records))
    return replace(samples.approval_view(board), votes=())


def test_the_worst_come_first():
    lines = [line for plant in evidence.by_plant(evidence.lines(many())) for line in plant.lines]
    assert str(lines[0].pin.key) == "PLANT1/CIRC8"  # a gate failed
    assert [str(line.pin.key) for line in lines[1:3]] == ["PLANT1/CIRC10", "PLANT1/CIRC9"]
    plants = [plant.id for plant in evidence.by_plant(evidence.lines(many()))]
    assert plants[:3] == ["PLANT1", "PLANT20", "PLANT19"]
    assert plants[-1] == "PLANT2"


def test_200_circuits_are_folded_small_and_quick():
    shown = many()
    assert len(shown.release.pins) == 200  # type: ignore[union-attr] - the sample has one
    pages.approval(shown)
    start = time.process_time()
    html = pages.approval(shown)
    assert time.process_time() - start < 0.3
    assert len(html.encode()) < 1_000_000
    assert html.count('class="fold" aria-label') == 20
    assert 'class="fold" checked' in pages.approval(view())


def test_the_board_names_a_dozen_requests_and_counts_the_rest():
    ask = Dossier(view().request)
    text = squeezed(pages.board(pages.Board(pending=tuple(ask for _ in range(1000)))))
    assert text.count("of 2 votes · until") == 12
    assert "and 988 more, that expire later: busbar approvals lists them" in text


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {
                "state": LinkState.VOTED,
                "votes": (Vote("r", "object-lead", "ml-lead", Choice.APPROVE, "", (KEY,)),),
            },
            "Your vote is recorded : approved. You left out PLANT1/CIRC1.",
        ),
        (
            {
                "state": LinkState.DECIDED,
                "verdict": ApprovalVerdict("r", Outcome.REJECTED, "operator rejected: late"),
            },
            "This is decided. operator rejected: late.",
        ),
        ({"state": LinkState.EXPIRED}, "This request has expired. Nobody decided until 2025-12-12 14:30 UTC"),
    ],
)
def test_a_closed_approval_says_why_and_has_no_form(changes: dict[str, object], said: str):
    html = pages.approval(replace(view(), **changes))  # type: ignore[arg-type] - a table of fields
    assert said.replace(" :", ":") in squeezed(html).replace(" :", ":").replace(" .", ".")
    assert "<form" not in html
    assert 'type="hidden"' not in html
    assert 'name="exclude"' not in html


def test_a_problem_keeps_what_was_filled_in():
    key = view().release.pins[1].key  # type: ignore[union-attr] - the sample has one
    html = pages.approval(
        replace(view(), problem="reason: a rejection needs one", reason="too", excluded=(str(key),))
    )
    assert "Not recorded. reason: a rejection needs one" in squeezed(html)
    assert f'value="{key}" checked' in html
    assert ">too</textarea>" in html


class _Elements(HTMLParser):
    """The names of all elements and the attributes that could run something."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [tag, *(name for name, _ in attrs if name.startswith("on") or name == "style")]


def test_hostile_text_stays_text_and_no_page_needs_script_or_inline_style():
    person = Person(HOSTILE, HOSTILE, "object-lead")
    record = replace(
        samples.record(KEY, samples.metrics()), reason=HOSTILE, commit=HOSTILE, verdict="quarantined"
    )  # type: ignore[arg-type] - a plain string is a verdict too
    run = RunRecord(HOSTILE, HOSTILE, HOSTILE, HOSTILE, RunStatus.FAILED, HOSTILE, HOSTILE, HOSTILE)
    shown = view()
    request = replace(shown.request, subject=HOSTILE, summary=HOSTILE, requester=HOSTILE, approvers=(person,))
    vote = Vote("r", "x", HOSTILE, Choice.APPROVE, HOSTILE, (shown.release.pins[0].key,))  # type: ignore[union-attr] - the sample has one
    asked = replace(shown, request=request, person=person, problem=HOSTILE, reason=HOSTILE, votes=(vote,))
    board = pages.Board((record,), runs=(run,), pending=(Dossier(request, (vote,)),))
    documents = (
        pages.board(board),
        pages.circuit(pages.CircuitView(record, run=run)),
        pages.run(run, (record,)),
        pages.approval(asked),
        pages.message(HOSTILE, HOSTILE, 404),
    )
    for html in documents:
        elements = _Elements()
        elements.feed(html)
        assert "&lt;script&gt;" in html
        assert not {"script", "style=", "onclick"} & set(elements.found)
        assert elements.found.count("style") == 1  # the stylesheet's element; no attribute of that name
    mails = (
        pages.mail_approval(asked, "https://example.com/x"),
        pages.mail_run_finished(run, (record,), "https://example.com"),
    )
    for letter in mails:
        assert "<script" not in letter.html
        assert "\n" not in letter.subject


def test_the_policy_allows_exactly_our_stylesheet():
    style = re.search(r"<style>(.*?)</style>", pages.message("t", "x", 200), re.DOTALL)
    assert style
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in pages.content_security_policy()
    assert "script-src" not in pages.content_security_policy()


def test_the_approval_mail_says_it_all_twice():
    letter = pages.mail_approval(view(), "https://busbar.example.com/approvals/token")
    assert letter.subject == "[Busbar] prod-deployment: Deploy 4 circuits to prod"
    for part in (letter.html, letter.text):
        assert part.count("https://busbar.example.com/approvals/token") == 1
        for expected in (
            "4 in 2 plants",
            "PLANT1/CIRC2, skill +35 %",
            "2025-12-12 14:30 UTC",
            "PLANT2/CIRC3",
            "reject",
        ):
            assert expected in part


def test_other_mails():
    late = pages.mail_long_running(
        KEY, "train-PLANT1-CIRC1-abc-a1", 4.0, samples.COMMIT, "https://b.example.com/"
    )
    assert late.subject == "[Busbar] PLANT1/CIRC1 has been training for 4 hours"
    assert "https://b.example.com/circuits/PLANT1/CIRC1" in late.text
    board = samples.fleet(2, 3)
    run = replace(board.runs[1], sentence="endpoint be-plant1-dev would have 21 deployments. " * 5)
    done = pages.mail_run_finished(run, board.circuits, "https://b.example.com/")
    assert (len(done.subject), done.subject[-1]) == (140, "…")
    assert done.text.startswith(run.sentence.strip())
    assert f"Run: https://b.example.com/runs/{run.id}" in done.text
    assert "Trained: 4" in done.text
    assert "PLANT2/CIRC3, quarantined: etl_merge left 12" in done.text


# --- ramps ------------------------------------------------------------------------------------------------


def ramped(*shares: int | None) -> tuple[DeploymentRecord, ...]:
    """Prod's deployments of circuits, each with a candidate at its share, or served by the new release already."""
    found: list[DeploymentRecord] = []
    for index, share in enumerate(shares, 1):
        record = samples.deployment(CircuitKey("PLANT1", f"CIRC{index}"), Stage.PROD)
        found.append(replace(record, release_id=NEW) if share is None else samples.ramping(record, share))
    return tuple(found)


NEW = "r-ba9876543210"


@pytest.mark.parametrize(
    ("shares", "said"),
    [
        ((10,), "1 circuit ramps up (1 at 10 %)"),
        ((10, 25, 10, None), "3 circuits ramp up (2 at 10 %, 1 at 25 %), it serves 1 already"),
        ((None, None), ""),
    ],
)
def test_a_board_tells_how_far_a_release_is(shares: tuple[int | None, ...], said: str):
    assert "; ".join(one.sentence for one in rollouts(ramped(*shares))) == said
    page = pages.board(pages.Board(deployments=ramped(*shares)))
    assert ("Ramping up" in page) == bool(said)
    assert said in page
    assert (NEW in page) == bool(said)


def test_a_candidate_that_gets_copies_has_them_told():
    record = samples.ramping(samples.deployment(KEY, Stage.PROD), 0)
    assert record.candidate
    mirroring = replace(record, candidate=replace(record.candidate, mirrored=20))
    page = pages.board(pages.Board((samples.record(KEY, samples.metrics()),), (mirroring,)))
    assert "1 circuit ramps up (1 at 20 % mirrored)" in page
    assert "→ v5 20 % mirrored" in page


def test_a_candidate_and_its_share_stand_beside_what_serves():
    record = samples.record(CircuitKey("PLANT1", "CIRC1"), samples.metrics())
    deployments = ramped(25)
    board = pages.board(pages.Board((record,), deployments))
    assert "→ v5 25 %" in board
    assert "live, every 5 s" in board
    page = pages.circuit(pages.CircuitView(record, deployments))
    assert "25 % of windows: advance: 24 windows" in page
    assert "circ1-v3 <span" in page  # what served before has made room


MAILS = [
    (
        NoticeKind.REMINDED,
        samples.LEAD,
        "[Busbar] Reminder 2: prod-deployment: Deploy 4 circuits to prod",
        "You have not voted yet: 1 of 2 votes so far. This moves no deadline.",
    ),
    (
        NoticeKind.ESCALATED,
        samples.DEPUTY,
        "[Busbar] Escalated: prod-deployment: Deploy 4 circuits to prod",
        "ml-lead did not decide in time (1 of 2 votes so far): now you may, too.",
    ),
    (
        NoticeKind.ASKED,
        samples.OPERATOR,
        "[Busbar] prod-deployment: Deploy 4 circuits to prod",
        "You are asked in place of shift-lead, who named you in people.yaml.",
    ),
]


@pytest.mark.parametrize(("kind", "person", "subject", "sentence"), MAILS)
def test_a_mail_says_why_it_comes(kind: NoticeKind, person: Person, subject: str, sentence: str):
    letter = pages.mail_approval(replace(view(), person=person), "https://b.example.com/approvals/t", kind, 2)
    assert letter.subject == subject
    for part in (letter.html, letter.text):
        assert sentence in part
        assert part.count("https://b.example.com/approvals/t") == 1
        assert f"Evidence {view().request.digest[:8]}" in part


def test_an_approval_shows_the_gates_of_the_stage_that_is_asked_about():
    """All passed when they were trained; prod demands more, and one circuit has a limit of its own."""
    view = samples.approval_view(samples.fleet(1, 2))
    assert view.release
    first, second = (replace(pin, metrics=samples.metrics(mae=1.24)) for pin in view.release.pins[:2])
    own = replace(second, thresholds=Thresholds(max_mae=2.0))
    demands = Demands(Thresholds(max_mae=1.0), ScaleFreePolicy())
    shown = replace(
        view,
        release=replace(view.release, pins=(first, own)),
        request=replace(view.request, demands=demands),
        circuits=(),  # a newer training is on record
        votes=(),
    )
    text = squeezed(pages.approval(shown))
    assert "Gates of prod" in text
    assert "max_mae failed: 1.24 (limit ≤ 1)" in text
    assert [len(line.failed) for line in evidence.lines(shown)] == [1, 0]
    assert "not on record" not in text.partition("Configuration")[0]
