"""Pages and mails: read models in, HTML out. Nothing here reads a clock, a store or the network."""

from busbar.pages.documents import (
    approval,
    audit,
    board,
    circuit,
    content_security_policy,
    control,
    environment,
    message,
    run,
)
from busbar.pages.drift import CircuitDriftView, circuit_drift, drift
from busbar.pages.mails import (
    Letter,
    mail_approval,
    mail_drift,
    mail_long_running,
    mail_release_ended,
    mail_run_finished,
)
from busbar.pages.merges import merge, merges
from busbar.pages.releases import (
    ReleaseLine,
    ReleaseList,
    ReleaseView,
    release,
    release_diff,
    releases,
)
from busbar.pages.retention import retention
from busbar.pages.rollbacks import rollback_plan, rollback_report
from busbar.pages.views import ApprovalView, AuditView, Board, CircuitView, Desk, LinkState
from busbar.pages.voters import Voter, voters

__all__ = [
    "ApprovalView",
    "AuditView",
    "Board",
    "CircuitDriftView",
    "CircuitView",
    "Desk",
    "Letter",
    "LinkState",
    "ReleaseLine",
    "ReleaseList",
    "ReleaseView",
    "Voter",
    "approval",
    "audit",
    "board",
    "circuit",
    "circuit_drift",
    "content_security_policy",
    "control",
    "drift",
    "environment",
    "mail_approval",
    "mail_drift",
    "mail_long_running",
    "mail_release_ended",
    "mail_run_finished",
    "merge",
    "merges",
    "message",
    "release",
    "release_diff",
    "releases",
    "retention",
    "rollback_plan",
    "rollback_report",
    "run",
    "voters",
]
