"""A made-up fleet, seeded, for tests and for looking at the pages: `python -m tests.pages.samples FOLDER`."""

import hashlib
import sys
from dataclasses import replace
from pathlib import Path
from random import Random

from busbar import pages
from busbar.domain.approval import (
    ApprovalRequest,
    ApprovalVerdict,
    Choice,
    Dossier,
    EvidenceLink,
    Notice,
    NoticeKind,
    Outcome,
    StandIn,
    Vote,
)
from busbar.domain.changes import ConfigChange
from busbar.domain.circuits import CircuitKey, Person
from busbar.domain.evidence import EvidenceNote, EvidenceStatus
from busbar.domain.gates import GateInput, Metrics, evaluate, passed, summary
from busbar.domain.merges import MergeRecord
from busbar.domain.policies import GateName, ScaleFreePolicy, Stage, Thresholds
from busbar.domain.records import (
    Candidate,
    CircuitRecord,
    DeploymentRecord,
    RunRecord,
    RunStatus,
    ScoringRecord,
    Served,
)
from busbar.domain.release import Pin, ReleaseSet
from busbar.domain.training import Verdict

COMMIT = "c7fd1fc8a5e7e7a6b1c6b1a0f3e1d2c3b4a59687"
RUN = f"train-{COMMIT}"
LEAD = Person("ml-lead", "ml-lead@example.com", "object-lead", ("approvers",))
OPERATOR = Person("operator", "operator@example.com", "object-operator", ("approvers",))
SCIENTIST = Person("scientist", "scientist@example.com", "object-scientist", ("approvers",))
DEPUTY = Person("deputy", "deputy@example.com", "object-deputy", ("leads",))
GATES = (Thresholds(max_mae=6.0), ScaleFreePolicy())


def metrics(skill: float = 0.31, mae: float = 1.24, champion: float | None = 0.33) -> Metrics:
    naive = 0.45
    return Metrics(mae, mae * 1.5, 0.93, 0.81, None, None, naive * (1 - skill), naive, skill, champion)


def record(key: CircuitKey, measured: Metrics | None = None, version: str | None = "4") -> CircuitRecord:
    """A circuit whose verdict follows from `measured`; without, it is in training."""
    results = evaluate(GateInput(measured, *GATES)) if measured else ()
    verdict = Verdict.TRAINING if not measured else Verdict.TRAINED if passed(results) else Verdict.GATED_OUT
    hashed = hashlib.sha256(str(key).encode()).hexdigest()[:12]
    return CircuitRecord(
        key=key,
        training_hash=hashed,
        verdict=verdict,
        reason=summary(results) if measured else "cutoff_date 2025-12-01 → 2025-12-09",
        run=RUN,
        commit=COMMIT,
        cutoff_date="2025-12-09",
        updated_at="2025-12-09T14:03:11+00:00",
        job=f"train-{key.plant_id}-{key.circuit_id}-{hashed}-a1",
        model_version=version if verdict is Verdict.TRAINED else None,
        registry_version=version if verdict is Verdict.TRAINED else None,
        metrics=measured,
        gates=results,
    )


def served(key: CircuitKey, version: str) -> Served:
    return Served(
        deployment=f"{key.circuit_id.lower()}-v{version}",
        model_name=f"{key.plant_id}_{key.circuit_id}_model",
        model_version=version,
        cutoff_date="2025-12-09" if version == "4" else "2025-12-01",
        circuit_config="circuit.yaml",
        since="2025-12-09T14:20:00+00:00",
        release_id="r-0123456789ab",
        scoring_version="1.0.0",
    )


def deployment(key: CircuitKey, stage: Stage, version: str = "4") -> DeploymentRecord:
    endpoint = f"be-{key.plant_id.lower()}-{stage}-3f9c"
    before = served(key, str(int(version) - 1))
    return replace(DeploymentRecord.first(key, stage, endpoint, served(key, version)), previous=before)


def ramping(record: DeploymentRecord, share: int) -> DeploymentRecord:
    """The next version ramps up beside what serves."""
    after = served(record.key, str(int(record.model_version) + 1))
    progress = f"{share} % of windows: advance: 24 windows: max_error_percent passed: 0 (limit ≤ 5)"
    candidate = Candidate(**vars(replace(after, release_id="r-ba9876543210")), share=share, progress=progress)
    return replace(record, candidate=candidate, previous_stands=False)


def pin(record: CircuitRecord) -> Pin:
    assert record.metrics
    assert record.model_version
    assert record.job
    return Pin(
        record.key, f"{record.key.plant_id}_{record.key.circuit_id}_model", record.model_version, record.training_hash,
        record.cutoff_date, record.cutoff_date, "sensor-forecasting-env:1.0.0", "1.0.0", "1.0.0", record.job,
        "circuit.yaml", record.metrics,
    )  # fmt: skip


def release(records: tuple[CircuitRecord, ...]) -> ReleaseSet:
    trained = tuple(pin(record) for record in records if record.verdict is Verdict.TRAINED)
    return ReleaseSet(RUN, COMMIT, "scientist", trained, "sensor-forecasting-env")


def request(
    release: ReleaseSet, gate: GateName = GateName.PROD_DEPLOYMENT, quorum: int = 2
) -> ApprovalRequest:
    return ApprovalRequest(
        id=f"{gate}-{release.id}",
        gate=gate,
        subject=f"Deploy {len(release.pins)} circuits to prod",
        summary=f"Release {release.id} of commit {COMMIT[:8]}: {len(release.pins)} models passed every gate.",
        digest=release.digest,
        requester=release.requester,
        approvers=(LEAD, OPERATOR, SCIENTIST),
        quorum=quorum,
        expires_at="2025-12-12T14:30:00+00:00",
        release_id=release.id,
        circuits=len(release.pins),
    )


def _run(commit: str, status: RunStatus, sentence: str, release_id: str | None = None) -> RunRecord:
    when = "2025-12-09T14:03:11Z" if status is RunStatus.RUNNING else "2025-12-08T09:40:00Z"
    return RunRecord(f"train-{commit}", commit, "develop", "scientist", status, sentence, when, release_id)


def fleet(plants: int, circuits: int, seed: int = 7) -> pages.Board:
    """`plants` × `circuits`, most of them well, with one request open."""
    random = Random(seed)
    keys = [
        CircuitKey(f"PLANT{plant}", f"CIRC{circuit}")
        for plant in range(1, plants + 1)
        for circuit in range(1, circuits + 1)
    ]
    records: list[CircuitRecord] = []
    for index, key in enumerate(keys):
        measured = metrics(random.gauss(0.28, 0.13), 10 ** random.uniform(-1, 0.9))
        one = record(key, None if index % 17 == 3 else measured, str(random.choice((3, 4, 4, 4))))
        if index % 41 == 5:
            reason = "etl_merge left 12 of 2160 rows for pressure: 0.6 % measured, at least 60 % needed"
            one = replace(
                one, verdict=Verdict.QUARANTINED, reason=reason, metrics=None, gates=(), model_version=None
            )
        records.append(one)
    deployments, scorings = [], []
    for index, one in enumerate(records):
        version = one.model_version or "2"
        behind = str(max(1, int(version) - (random.random() < 0.15)))
        deployments.append(deployment(one.key, Stage.DEV, version))
        deployments.append(deployment(one.key, Stage.TEST, behind))
        if random.random() < 0.85:
            served_by = deployment(one.key, Stage.PROD, behind)
            deployments.append(ramping(served_by, (10, 25, 50)[index % 3]) if index % 4 == 0 else served_by)
            status, reason = (
                ("failed", "no rows for 2025-12-09") if random.random() < 0.04 else ("completed", "")
            )
            scorings.append(
                ScoringRecord(
                    one.key, Stage.PROD, "2025-12-09", "score-1", status, 24, "2025-12-09T15:00:00Z", reason
                )
            )
    released = release(tuple(records))
    runs = (
        _run(
            COMMIT,
            RunStatus.RUNNING,
            f"train {len(keys)} of {len(keys)} circuits: cutoff_date 2025-12-01 → 2025-12-09",
        ),
        _run(
            "6113728f27ae82c7b1a177c8", RunStatus.COMPLETED, "trained 1 of 1 circuits; 1 passed", released.id
        ),
        _run(
            "99aa728f27ae82c7b1a177c8",
            RunStatus.FAILED,
            "config/circuits.yaml line 14: '2025-13-01' is not a date",
        ),
    )
    vote = Vote("x", OPERATOR.object_id, OPERATOR.login, Choice.APPROVE)
    return pages.Board(
        tuple(records),
        tuple(deployments),
        tuple(scorings),
        runs,
        (Dossier(request(released), (vote,)),),
    )


def approval_view(board: pages.Board, state: pages.LinkState = pages.LinkState.OPEN) -> pages.ApprovalView:
    """As ml-lead sees it: operator has voted, both were reminded, a deputy may vote as well by now."""
    released = release(board.circuits)
    asked = replace(
        request(released),
        asked_at="2025-12-09T14:30:00+00:00",
        escalate_at="2025-12-11T14:30:00+00:00",
        escalation=(DEPUTY,),
        stand_ins=(StandIn(OPERATOR.login, "shift-lead"),),
    )
    exclude = (released.pins[0].key,)
    vote = Vote(
        asked.id, OPERATOR.object_id, OPERATOR.login, Choice.APPROVE, "", exclude, "2025-12-10T16:02:00+00:00"
    )
    notices = (
        Notice(NoticeKind.ASKED, 0, "2025-12-09T14:30:04+00:00", ("ml-lead", "operator")),
        Notice(NoticeKind.REMINDED, 1, "2025-12-10T14:30:02+00:00", ("ml-lead", "operator")),
        Notice(
            NoticeKind.ESCALATED,
            0,
            "2025-12-11T14:30:01+00:00",
            ("deputy",),
            ("ghost: no such mailbox",),
        ),
    )
    return pages.ApprovalView(
        asked, LEAD, state, "csrf", released, board.circuits, board.deployments, (vote,), None, notices,
        tuple(change(pin.key, index) for index, pin in enumerate(released.pins)),
        EvidenceNote(released.id, EvidenceStatus.READY, "made by job evidence-r-1"),
    )  # fmt: skip


def change(key: CircuitKey, index: int) -> ConfigChange:
    """Most circuits moved on by a day, some changed more, some are new."""
    serves = "v3 in prod, of commit 6113728f"
    if index % 11 == 4:
        return ConfigChange(key, "", "nothing serves this circuit yet")
    if index % 5 == 1:
        return ConfigChange(key, serves, "unchanged", changed=False)
    more = ", epochs 8 → 12, limits.flow.high – → 80.0" if index % 7 == 2 else ""
    return ConfigChange(key, serves, f"cutoff_date 2025-12-01 → 2025-12-09{more}")


def other_question() -> pages.ApprovalView:
    """A question about something that is no release set."""
    asked = ApprovalRequest(
        "approve-environment-update-env-1.2.0", GateName.ENVIRONMENT_UPDATE, "Update sensor-forecasting-env to 1.2.0",
        "New predictions of all 200 models are within tolerance of the old ones.", "c0ffee" * 10 + "beef", "scientist",
        (LEAD, OPERATOR), 1, "2025-12-12T14:30:00+00:00",
        evidence=(EvidenceLink("Compatibility matrix", "/environments/sensor-forecasting-env/1.2.0"),),
    )  # fmt: skip
    return pages.ApprovalView(asked, LEAD, pages.LinkState.OPEN, "csrf")


def write(folder: Path) -> None:
    small, large = fleet(2, 3), fleet(20, 10)
    view = approval_view(large)
    link = "https://busbar.example.com/approvals/token"
    documents = {
        "board": pages.board(small),
        "board200": pages.board(large),
        "empty": pages.board(pages.Board()),
        "circuit": pages.circuit(
            pages.CircuitView(
                small.circuits[0],
                tuple(one for one in small.deployments if one.key == small.circuits[0].key),
                tuple(one for one in small.scorings if one.key == small.circuits[0].key),
                small.runs[0],
                pin(small.circuits[0]),
            )
        ),
        "approval": pages.approval(approval_view(small)),
        "approval200": pages.approval(view),
        "voted": pages.approval(replace(approval_view(small), state=pages.LinkState.VOTED)),
        "wrong": pages.approval(
            replace(approval_view(small), problem="reason: a rejection needs one", excluded=("PLANT1/CIRC3",))
        ),
        "run": pages.run(small.runs[0], small.circuits),
        "message": pages.message(
            "No such approval", "The link is not known. Use the one in your own mail.", 404
        ),
        "other": pages.approval(other_question()),
        "decided": pages.approval(
            replace(
                approval_view(small),
                state=pages.LinkState.DECIDED,
                verdict=ApprovalVerdict(
                    "x", Outcome.APPROVED, "approved by operator (for shift-lead) and ml-lead"
                ),
            )
        ),
        "mail": pages.mail_approval(view, link).html,
        "reminder": pages.mail_approval(view, link, NoticeKind.REMINDED, 2).html,
        "escalated": pages.mail_approval(replace(view, person=DEPUTY), link, NoticeKind.ESCALATED).html,
        "standin": pages.mail_approval(replace(approval_view(small), person=OPERATOR), link).html,
        "finished": pages.mail_run_finished(large.runs[1], large.circuits, "https://busbar.example.com").html,
    }
    for name, text in documents.items():
        (folder / f"{name}.html").write_text(text, encoding="utf-8")
    (folder / "mail.txt").write_text(pages.mail_approval(view, link).text, encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))


def merge() -> MergeRecord:
    """A merge that went well, with something of everything to tell."""
    return MergeRecord(
        id="merge-0123456789ab-a1",
        run="merge-aaaaaaaaaaaa-20251209T0900",
        commit="a" * 40,
        at="2025-12-09T09:00:12+00:00",
        files=40,
        files_read=12,
        rows=3456,
        inserted=120,
        updated=4,
        unchanged=6786,
        duplicates=2,
        quarantined=9,
        reasons=(("is no number", 5), ("is no time", 2), ("has too few cells", 1), ("is not finite", 1)),
        problems=("PLANT1 b.csv: is empty", "PLANT2 x.csv:1: its columns are separated by ';', not by ','"),
        drift=("PLANT1 a.csv: column flow vanished: CIRC1.flow gets no readings from this file",),
        remarks=("PLANT1/CIRC1/flow: constant at 3",),
        version_before=12,
        version=13,
        seconds=4.2,
        latest={"PLANT1/CIRC1": "2025-12-09T08:00:00+00:00", "PLANT2/CIRC1": "2025-12-08T23:00:00+00:00"},
    )


def failed_merge() -> MergeRecord:
    at = "2025-12-09T12:00:00+00:00"
    return MergeRecord("merge-ba9876543210-a1", "merge-bbbbbbbbbbbb", "b" * 40, at, "no space left on device")
