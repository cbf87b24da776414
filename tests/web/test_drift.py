"""The pages of drift, the plot, and the same as JSON."""

import json
import re
from dataclasses import replace
from typing import Any

import pytest

from busbar import pages
from busbar.domain.circuits import CircuitKey
from busbar.domain.drift import DriftRecord, DriftVerdict
from busbar.domain.errors import BadRequest
from busbar.domain.policies import Stage
from busbar.domain.records import ScoringRecord
from busbar.web import ballots, drift
from tests.fakes import NOON, FakeDrifts
from tests.pages import drift_samples, samples

KEY = CircuitKey("PLANT1", "CIRC1")
PROD = {"stage": "prod"}
SVG = b"<svg/>"


@pytest.fixture
def drifts() -> FakeDrifts:
    """A fleet in prod; PLANT2 drifts as one, and was asked about."""
    found = FakeDrifts()
    records, incidents = drift_samples.fleet()
    for record in records:
        put(found, record)
    for incident in incidents:
        found.add_incident(incident)
    return found


def put(drifts: FakeDrifts, record: DriftRecord) -> None:
    drifts.change_record(record.stage, record.key, lambda _: record)


def text(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html.partition("</style>")[2]).split())


def circuit(drifts: FakeDrifts, key: CircuitKey = KEY, query: Any = PROD) -> str:
    return drift.circuit_page(key.plant_id, key.circuit_id, query, drifts=drifts).body


def test_the_fleet_by_plant_with_verdicts_reasons_and_what_is_done(drifts: FakeDrifts):
    reply = drift.page({}, drifts=drifts)
    told = text(reply.body)
    assert reply.status == 200
    assert "Data drift 4" in told
    assert "Forecasts not sound 1" in told
    assert "PLANT2 8 circuits · 4 alerts" in told
    assert "flow reads 1.3 σ more than in the 364 days before the cutoff date, and 1 more" in told
    assert "a retrain is asked for: drift-prod-2025-12-09-" in told
    assert "committed PLANT2, plant-wide: data drift of CIRC1, CIRC2, CIRC3, CIRC4 on the same day" in told
    assert "left out: PLANT2/CIRC2" in told
    assert reply.body.count('class="marks"') == 48


def test_another_stage_has_its_own(drifts: FakeDrifts):
    told = text(drift.page({"stage": "test"}, drifts=drifts).body)
    assert "Nothing in test has been looked at yet" in told
    assert drift.page({"stage": "moon"}, drifts=drifts).status == 400


def test_a_circuits_page_shows_findings_figures_and_decisions(drifts: FakeDrifts):
    view = drift_samples.one()
    put(drifts, view.record)
    drifts.save_report(Stage.PROD, KEY, "2025-12-09", dict(view.report))
    drifts.add_incident(replace(view.incidents[0], id="drift-mine", circuits=(KEY,)))
    told = text(circuit(drifts))
    assert "data drift flow flow reads 1.3 σ more" in told
    assert "residual drift pressure" in told
    assert "flow – – 0.310 0.310 – 0.420 +12 % 1.42" in told
    assert "approved by ml-lead" in told
    assert "/drift/plot" not in circuit(drifts)
    drifts.save_plot(Stage.PROD, KEY, "2025-12-09", SVG)
    assert "Then: 2024-12-10 00:00 to 2025-11-26 00:00" in text(circuit(drifts))
    assert f"/circuits/{KEY}/drift/plot?stage=prod&amp;day=2025-12-09" in circuit(drifts)


@pytest.mark.parametrize("verdict", [DriftVerdict.SOUND, DriftVerdict.MODEL, DriftVerdict.DATA_QUALITY])
def test_a_circuit_whose_report_is_gone_still_has_its_verdict(drifts: FakeDrifts, verdict: DriftVerdict):
    put(drifts, drift_samples.record(KEY, verdict))
    assert str(verdict) in text(circuit(drifts))


def test_what_reports_say_is_text(drifts: FakeDrifts):
    found = drift_samples.record(KEY, DriftVerdict.DATA, forecasts="<script>x</script>")
    put(drifts, replace(found, response="<b>done</b>"))
    for body in (circuit(drifts), drift.page({}, drifts=drifts).body):
        assert "<script>x" not in body
        assert "<b>done" not in body


@pytest.mark.parametrize(
    ("plant", "name", "query"),
    [("PLANT9", "CIRC9", PROD), ("..", "CIRC1", PROD), ("PLANT1", "CIRC1", {"stage": "test"}),
     ("PLANT1", "CIRC1", {"stage": "moon"})],
)  # fmt: skip
def test_what_is_not_there_is_a_404(drifts: FakeDrifts, plant: str, name: str, query: dict[str, str]):
    assert drift.circuit_page(plant, name, query, drifts=drifts).status == 404


def test_the_plot_is_shown_in_a_sandbox_and_nothing_else_is(drifts: FakeDrifts):
    drifts.save_plot(Stage.PROD, KEY, "2025-12-09", SVG)
    day = PROD | {"day": "2025-12-09"}
    reply = drift.plot("PLANT1", "CIRC1", day, drifts=drifts)
    assert (reply.status, reply.content, reply.content_type) == (200, SVG, "image/svg+xml")
    assert "sandbox" in reply.headers["Content-Security-Policy"]
    for wrong in ({"day": "2025-12-08"}, {"day": "../secrets"}, {"day": ""}, {"stage": "moon"}):
        assert drift.plot("PLANT1", "CIRC1", day | wrong, drifts=drifts).status == 404
    assert drift.plot("PLANT1", "..", day, drifts=drifts).status == 404


def test_json_is_what_is_on_record_known_by_its_tag(drifts: FakeDrifts):
    reply = drift.drift_json({}, drifts=drifts)
    document = json.loads(reply.body)
    assert len(document["circuits"]) == 48
    assert document["circuits"][0]["circuit"] == "PLANT1/CIRC1"
    assert document["incidents"][-1]["status"] == "committed"
    assert drift.drift_json({}, {"If-None-Match": reply.headers["ETag"]}, drifts=drifts).status == 304
    with pytest.raises(BadRequest, match="stage"):
        drift.drift_json({"stage": "moon"}, drifts=drifts)


# --- forecasts that may not be relied on --------------------------------------------------------------------


def test_the_board_and_the_circuits_page_mark_forecasts_that_are_not_sound():
    record, told = samples.record(KEY, samples.metrics()), "PLANT1/CIRC1: flow is flat"
    scoring = ScoringRecord(KEY, Stage.PROD, "2025-12-09", "job", "completed", 24, NOON)
    for found, marked in ((scoring, False), (replace(scoring, problem=told), True)):
        board = pages.board(pages.Board((record,), scorings=(found,)))
        page = pages.circuit(pages.CircuitView(record, scorings=(found,)))
        assert ('<span class="v old">2025-12-09 prod</span>' in board) is marked
        assert (told in board, told in page) == (marked, marked)


# --- the approval of an incident ----------------------------------------------------------------------------


def ballot(view: pages.ApprovalView, *excluded: str) -> ballots.Ballot:
    fields = ["csrf=c", "choice=approve", *(f"exclude={one}" for one in excluded)]
    return ballots.read("&".join(fields).encode(), view)


def test_circuits_of_an_incident_can_be_left_out():
    view = drift_samples.question()
    assert ballot(view, "PLANT2/CIRC3").excluded == (CircuitKey("PLANT2", "CIRC3"),)
    with pytest.raises(BadRequest, match="PLANT9/CIRC1 is not in what is asked"):
        ballot(view, "PLANT9/CIRC1")
    with pytest.raises(BadRequest, match="nothing would be left"):
        ballot(view, *(str(one.key) for one in view.request.asked))


def test_the_question_shows_every_circuit_with_its_reason_and_page():
    body = pages.approval(drift_samples.question())
    for number in range(1, 5):
        assert f'href="/circuits/PLANT2/CIRC{number}/drift' in body
        assert f'value="PLANT2/CIRC{number}"' in body
    assert "4 of 4 circuits go on" in text(body)
    letter = pages.mail_approval(drift_samples.question(), "https://busbar.example.com/approvals/t")
    for part in (letter.html, letter.text):
        assert "PLANT2/CIRC4: data drift: flow reads 1.3 σ more" in part
