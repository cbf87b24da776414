"""A fleet whose circuits drift, seeded, for tests and for looking at: `python -m tests.pages.drift_samples FOLDER`."""

import sys
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import Any

from busbar import pages
from busbar.domain.approval import ApprovalRequest, AskedCircuit, EvidenceLink
from busbar.domain.circuits import CircuitKey
from busbar.domain.drift import CircuitDrift, DriftMark, DriftRecord, DriftVerdict, judge
from busbar.domain.drift_plan import Action, Incident, IncidentStatus, Occasion, Seen, plan
from busbar.domain.policies import AlertPolicy, GateName, MonitoringPolicy, Stage
from tests.domain.drifts import finding, report
from tests.pages.samples import LEAD, OPERATOR

NEWEST = date(2025, 12, 9)
AT = "2025-12-10T02:40:00+00:00"
ERRORS = {
    "models": [
        {
            "deployment": "circ1-v3",
            "model_version": "3",
            "circuit": {"ratio": 1.31},
            "sensors": {"flow": {"mae": 0.42, "skill_seasonal_naive": 0.12, "ratio": 1.42}},
        }
    ]
}
_FINDINGS: dict[DriftVerdict, tuple[dict[str, Any], ...]] = {
    DriftVerdict.SOUND: (),
    DriftVerdict.WATCH: (finding("data drift", severity="watch", sentence="flow reads 0.4 σ more than it did"),),
    DriftVerdict.DATA: (
        finding("data drift", sentence="flow reads 1.3 σ more than in the 364 days before the cutoff date"),
        finding("residual drift", "pressure", sentence="pressure has left what the other sensors let expect"),
    ),
    DriftVerdict.MODEL: (
        finding("model drift", None, measured=1.31, limit=1.1,
                sentence="the error of the days up to 2025-12-09 is 1.31 times that of training (limit 1.10)"),
    ),
    DriftVerdict.PREDICTION: (finding("prediction drift", sentence="flow is forecast 0.8 σ lower than before"),),
    DriftVerdict.DATA_QUALITY: (
        finding("data-quality", "temperature", measured=31, limit=24, sentence="temperature stood still for 31 hours"),
    ),
}  # fmt: skip


def judged(key: CircuitKey, verdict: DriftVerdict, forecasts: str = "") -> CircuitDrift:
    validation = {"valid": not forecasts, "sentence": forecasts}
    found = report(*_FINDINGS[verdict], ratio=1.31 if verdict is DriftVerdict.MODEL else 0.97)
    return judge(key, NEWEST.isoformat(), found | {"validation": validation}, AlertPolicy())


def record(key: CircuitKey, verdict: DriftVerdict, seed: int = 0, forecasts: str = "") -> DriftRecord:
    """A circuit that came to its verdict over the last days; a few days nobody looked."""
    random = Random(seed)
    marks = list[DriftMark]()
    for back in range(29, -1, -1):
        if back and random.random() < 0.06:
            continue
        late = (
            verdict if back < 3 else DriftVerdict.WATCH if back < 5 and verdict.alert else DriftVerdict.SOUND
        )
        ratio = round(
            0.9 + random.random() * 0.2 + (0.3 if verdict is DriftVerdict.MODEL and back < 8 else 0), 3
        )
        marks.append(DriftMark((NEWEST - timedelta(days=back)).isoformat(), late, ratio))
    return DriftRecord(Stage.PROD, judged(key, verdict, forecasts), AT, tuple(marks))


def fleet(plants: int = 6, circuits: int = 8) -> tuple[tuple[DriftRecord, ...], tuple[Incident, ...]]:
    """One plant drifts as one, some circuits by themselves; what follows from it."""
    random = Random(7)
    records = list[DriftRecord]()
    for plant in range(1, plants + 1):
        for circuit in range(1, circuits + 1):
            odd = random.choices(list(_FINDINGS), [30, 3, 1, 1, 1, 1])[0]
            verdict = DriftVerdict.DATA if plant == 2 and circuit < 5 else odd
            unsound = "flow is flat" if (plant, circuit) == (3, 2) else ""
            key = CircuitKey(f"PLANT{plant}", f"CIRC{circuit}")
            records.append(record(key, verdict, plant * 100 + circuit, unsound))
    occasion = Occasion(Stage.PROD, NEWEST.isoformat(), "monitor-prod-2025-12-09", AT)
    made = plan([Seen(one.judged) for one in records], [], MonitoringPolicy(retrains_a_day=8), occasion)
    responses = {one.key: one for one in made.responses if one.action is not Action.NOTHING}
    told = tuple(
        replace(one, response=responses[one.key].sentence) if one.key in responses else one for one in records
    )
    first, *others = made.incidents
    ended = replace(
        first, status=IncidentStatus.COMMITTED, commit="c7fd1fc8a5e7", excluded=first.circuits[1:2],
        said="approved by ml-lead; Move the cutoff dates of 3 circuits", opened="2025-11-20T02:40:00+00:00",
    )  # fmt: skip
    return told, (*(replace(one, status=IncidentStatus.WAITING) for one in others), ended)


def one(verdict: DriftVerdict = DriftVerdict.DATA) -> pages.CircuitDriftView:
    key = CircuitKey("PLANT1", "CIRC1")
    found = report(*_FINDINGS[verdict]) | {"errors": ERRORS}
    found["drift"] |= {
        "reference": {"start": "2024-12-10T00:00:00+00:00", "end": "2025-11-26T00:00:00+00:00"},
        "current": {"start": "2025-11-26T00:00:00+00:00", "end": "2025-12-10T00:00:00+00:00", "days": 14},
    }
    _, incidents = fleet()
    told = replace(record(key, verdict), response=f"a retrain is asked for: {incidents[0].id}")
    return pages.CircuitDriftView(told, found, incidents[-1:], plot=True)


def question() -> pages.ApprovalView:
    """What an approver is asked when a plant drifts as one."""
    _, incidents = fleet()
    wide = next(one for one in incidents if one.plant_wide)
    asked = tuple(
        AskedCircuit(key, line, f"/circuits/{key}/drift")
        for key, line in zip(wide.circuits, wide.lines, strict=True)
    )
    request = ApprovalRequest(
        id="approve-drift-retrain-1", gate=GateName.DRIFT_RETRAIN,
        subject=f"Train again in prod: {wide.scope}, {wide.verdict}", summary=f"{wide.sentence}.",
        digest=wide.digest, requester="busbar", approvers=(LEAD, OPERATOR), quorum=1,
        expires_at="2025-12-13T02:40:00+00:00", circuits=len(asked), asked=asked,
        evidence=(EvidenceLink("Drift of the fleet", "/drift"),),
    )  # fmt: skip
    return pages.ApprovalView(request, LEAD, pages.LinkState.OPEN, csrf="c")


def write(folder: Path) -> None:
    documents = {
        "drift": pages.drift(*fleet(), Stage.PROD),
        "nothing": pages.drift((), (), Stage.PROD),
        "circuit": pages.circuit_drift(one()),
        "model": pages.circuit_drift(one(DriftVerdict.MODEL)),
        "question": pages.approval(question()),
        "mail": pages.mail_approval(question(), "https://busbar.example.com/approvals/t").html,
        "news": pages.mail_drift(
            Stage.PROD,
            "2025-12-09",
            tuple(one.judged.sentence for one in fleet()[0][8:11]),
            "https://b.example.com",
        ).html,
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in documents.items():
        (folder / f"{name}.html").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
