"""The pages."""

from busbar.domain.environments import EnvironmentRelease
from busbar.domain.policies import Stage, gate_stage
from busbar.domain.records import CircuitRecord, RunRecord
from busbar.domain.recovery import Control
from busbar.pages import evidence, rows
from busbar.pages.ramps import rollouts
from busbar.pages.render import content_security_policy, render
from busbar.pages.views import ApprovalView, AuditView, Board, CircuitView, Desk
from busbar.pages.voters import Ask, voters

__all__ = [
    "approval",
    "audit",
    "board",
    "circuit",
    "content_security_policy",
    "control",
    "environment",
    "message",
    "run",
]

RUNS_SHOWN, PENDING_SHOWN = 8, 12
LIVE_SECONDS, IDLE_SECONDS = 5, 30
_DOES = {
    Control.PAUSE: "Nothing new starts in it. Jobs under way end; what happens meanwhile waits until it is resumed.",
    Control.RESUME: "It goes on where it was paused, with what has happened since.",
    Control.CANCEL: "It ends at once: its jobs are cancelled, candidates that ramp up are taken out, open questions "
    "are closed. What serves goes on serving. It can be retried.",
    Control.RETRY: "It starts again under its own id and takes up only what is missing: what was trained, registered, "
    "promoted or deployed is found and not done again.",
}


def board(records: Board) -> str:
    """Circuits × stages on one page, with the runs and whom Busbar waits for. Looks again by itself."""
    running = rows.live(records)
    times = [record.updated_at for record in (*records.circuits, *records.runs, *records.scorings)]
    return render(
        "board.html",
        plants=rows.plants(records),
        totals=rows.totals(records),
        runs=records.runs[:RUNS_SHOWN],
        pending=[Ask(dossier) for dossier in records.pending[:PENDING_SHOWN]],
        more=max(0, len(records.pending) - PENDING_SHOWN),
        rollouts=rollouts(records.deployments),
        live=running,
        refresh=LIVE_SECONDS if running else IDLE_SECONDS,
        updated_at=max(times, default=""),
    )


def circuit(view: CircuitView) -> str:
    """One circuit: verdict, metrics, gates, lineage, deployments, scoring."""
    deployments = {(record.stage, record.key): record for record in view.deployments}
    running = rows.live(Board((view.record,), view.deployments, view.scorings))
    return render(
        "circuit.html",
        view=view,
        row=rows.row(view.record, deployments, view.scorings),
        stages=tuple(Stage),
        deployed={record.stage: record for record in view.deployments},
        scored={record.stage: record for record in view.scorings},
        live=running,
        refresh=LIVE_SECONDS if running else IDLE_SECONDS,
    )


def run(
    record: RunRecord,
    circuits: tuple[CircuitRecord, ...],
    controls: tuple[Control, ...] = (),
) -> str:
    """One run and the circuits whose latest training is of it, with the controls that make sense now."""
    shown = Board(circuits, runs=(record,))
    running = rows.live(shown)
    return render(
        "run.html",
        run=record,
        controls=controls,
        plants=rows.plants(shown),
        totals=rows.totals(shown),
        live=running,
        refresh=LIVE_SECONDS if running else IDLE_SECONDS,
    )


def control(action: Control, id: str, sentence: str, desk: Desk) -> str:
    """What a control would do with a run, and the button."""
    return render("control.html", action=action, id=id, sentence=sentence, desk=desk, does=_DOES[action])


def approval(view: ApprovalView) -> str:
    """The evidence and, while the request is open to this person, the form that votes on it."""
    lines = evidence.lines(view)
    return render(
        "approval.html",
        view=view,
        lines=lines,
        plants=evidence.by_plant(lines),
        going=sum(not line.excluded_by for line in lines),
        left_out=evidence.left_out(view),
        digest=evidence.digest(view),
        voters=voters(view.request, view.votes, view.notices),
        stage=gate_stage(view.request.gate),
    )


def audit(view: AuditView) -> str:
    """Who decided what, newest first."""
    return render("audit.html", view=view)


def environment(release: EnvironmentRelease) -> str:
    """Which models stay the same in a new environment, the worst first."""
    ordered = sorted(release.matrix, key=lambda one: (one.compatible, rows.in_order(one.key)))
    live = not release.status.ended
    return render(
        "environment.html",
        release=release,
        matrix=ordered,
        bad=sum(not one.compatible for one in ordered),
        olds=sorted({one.comparison.before for one in ordered}),
        live=live,
        refresh=LIVE_SECONDS,
    )


def message(title: str, text: str, status: int) -> str:
    """A page that says one thing: what happened, and what to do."""
    return render("message.html", title=title, text=text, status=status)
