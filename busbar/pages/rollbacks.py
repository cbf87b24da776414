"""The pages of a rollback: what would go back, and how one stands."""

from datetime import datetime, timedelta

from busbar.domain.rollback import PROMISE_SECONDS, RollbackPlan
from busbar.domain.steps import RollbackReport
from busbar.pages.render import render
from busbar.pages.views import Desk

REFRESH_SECONDS = 2


def rollback_plan(plan: RollbackPlan, desk: Desk) -> str:
    """Every circuit's way back in a line, and the button."""
    return render("rollback_plan.html", plan=plan, desk=desk, promise=PROMISE_SECONDS // 60)


def rollback_report(report: RollbackReport, back: int) -> str:
    """How a rollback stands: `back` circuits are back by now; at its end each one's seconds."""
    return render(
        "rollback_report.html",
        report=report,
        back=back,
        percent=round(100 * back / report.wanted) if report.wanted else 100,
        due=_due(report),
        promise=PROMISE_SECONDS // 60,
        slowest=sorted(report.moved, key=lambda moved: (moved.done, -moved.seconds)),
        forward={moved.key: moved for moved in report.forward},
        refresh=REFRESH_SECONDS,
    )


def _due(report: RollbackReport) -> str:
    """Until when the promise runs."""
    return (datetime.fromisoformat(report.run.asked_at) + timedelta(seconds=PROMISE_SECONDS)).isoformat()
