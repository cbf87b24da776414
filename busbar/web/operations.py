"""What operators and timers start: a training by hand, a merge, a scoring; and the look for lost pushes."""

import hashlib
import logging
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, Protocol

from busbar import audited
from busbar.clients.audit import Audit
from busbar.clients.event_grid import Events
from busbar.clients.ledger import Ledger
from busbar.clients.records import Records
from busbar.clients.repositories import Repository
from busbar.domain import names
from busbar.domain.circuits import parse_keys
from busbar.domain.drift import missed_days
from busbar.domain.environments import STAGES, Deployed, plan_update
from busbar.domain.errors import BadRequest, ConfigurationError, Conflict, NotFound, TemporarilyUnavailable
from busbar.domain.events import ZERO_COMMIT, EventType, RepositoryPushed
from busbar.domain.policies import Policies, Stage
from busbar.domain.steps import DailyRun, EnvironmentRun, MergeRun, MonitoringRun, ScoringRun, TrainingRun
from busbar.fleet.environment import environment_version
from busbar.fleet.repository import default_head, fleet_at, merging_head
from busbar.inbound.busbar_events import event_id, to_event_data
from busbar.inbound.fields import json_object, optional_text
from busbar.settings import Settings
from busbar.web.days import yesterday
from busbar.web.events import Orchestrations
from busbar.web.reply import Reply


class ScoringDays(Protocol):
    """The newest day whose daily scoring was started, by stage; `None` before the first time."""

    def scored_until(self, stage: Stage) -> str | None: ...
    def save_scored_until(self, stage: Stage, day: str) -> None: ...


log = logging.getLogger("busbar")
_MOST_DAYS = 31  # that are made up for at once by hand
_COMMIT = re.compile(r"[0-9a-f]{40}")


def start_training(body: bytes, orchestrations: Orchestrations, *, repository: Repository) -> Reply:
    """POST /api/trainings {"circuits": "PLANT1/CIRC1,…", "ref": "develop", "requester": "login"}."""
    fields = _fields(body)
    named = parse_keys(optional_text(fields, "circuits", "AUTO"))
    commit = _commit(fields, repository)
    asked = f"{datetime.now(UTC).isoformat()} {named}"
    run_id = f"{names.training_run(commit)}-{hashlib.sha256(asked.encode()).hexdigest()[:8]}"
    branch, requester = optional_text(fields, "ref"), optional_text(fields, "requester", "operator")
    run = TrainingRun(run_id, commit, branch, requester, named=named)
    return _started("training_pipeline", run.id, run, orchestrations)


def start_merge(body: bytes, orchestrations: Orchestrations, *, repository: Repository) -> Reply:
    """POST /api/merges {"ref": "main", "full": false}: merge the raw files with the commit's component and sources.

    By default those of the branch that trains. A full merge reads files that were merged before, too.
    """
    fields = _fields(body)
    full = fields.get("full", False)
    if not isinstance(full, bool):
        raise BadRequest("full", "neither true nor false")
    requester = optional_text(fields, "requester", "operator")
    asked = optional_text(fields, "ref")
    commit = _commit(fields, repository) if asked else merging_head(repository)
    return merge_now(commit, requester, orchestrations, full)


def start_environment_release(
    body: bytes, orchestrations: Orchestrations, *, repository: Repository, records: Records, audit: Audit
) -> Reply:
    """POST /api/environments {"version": "1.2.0", "ref": "develop"}: give a commit's environment to what is deployed.

    400 where the commit has no such environment, 409 where nothing deployed would get it: the body says why, and so
    does the audit log.
    """
    fields = _fields(body)
    try:
        run = _environment_run(fields, repository, records)
    except (BadRequest, Conflict) as refused:
        _audit_refusal(fields, str(refused), audit)
        raise
    return _started("environment_release", run.id, run, orchestrations)


def _environment_run(fields: Mapping[str, Any], repository: Repository, records: Records) -> EnvironmentRun:
    commit, asked = _commit(fields, repository), optional_text(fields, "version")
    try:
        version = environment_version(repository, commit)
    except ConfigurationError as error:
        raise BadRequest("ref", str(error)) from error
    if asked not in ("", version):
        raise BadRequest("version", f"commit {commit[:8]} has environment {version}, not {asked}")
    update = plan_update(
        version, [Deployed.of(record) for stage in STAGES for record in records.deployments(stage)]
    )
    if not update.possible:
        raise Conflict(update.sentence)
    run_id = names.environment_run(version, commit, f"{datetime.now(UTC):%Y%m%dT%H%M%S}")
    return EnvironmentRun(run_id, commit, optional_text(fields, "requester", "operator"), version=version)


def _audit_refusal(fields: Mapping[str, Any], why: str, audit: Audit) -> None:
    actor, version, ref = (str(fields.get(name))[:100] for name in ("requester", "version", "ref"))
    subject = f"environment {version}".strip()
    sentence = f"the release of environment {version or 'of a commit'} was refused: {why[:1000]}"
    audited.refused("environment", subject, actor or "operator", sentence, {"ref": ref}, audit)


def merge_now(commit: str, requester: str, orchestrations: Orchestrations, full: bool = False) -> Reply:
    """One merge a minute and commit, and one full one: the instance's id says so."""
    kind = "merge-full" if full else "merge"
    run = MergeRun(f"{kind}-{commit[:12]}-{datetime.now(UTC):%Y%m%dT%H%M}", commit, requester, full)
    return _started("merge_readings", run.id, run, orchestrations)


def merge_on_schedule(orchestrations: Orchestrations, *, repository: Repository) -> Reply:
    """The timer's merge, with what the branch that trains says."""
    return merge_now(merging_head(repository), "timer", orchestrations)


def start_scoring(body: bytes, orchestrations: Orchestrations, *, repository: Repository) -> Reply:
    """POST /api/scorings {"stage": "prod", "day": "2025-12-09", "since": "2025-12-07"}: by default prod, and yesterday.

    With `since`, the days from then on as the daily run makes up for them: scored, and looked at. By hand, so the
    instances have the time in their ids: the timer's run has the day's own.
    """
    fields = _fields(body)
    stage, day = _stage(fields), _day(optional_text(fields, "day", yesterday().isoformat()))
    since, suffix = optional_text(fields, "since"), f"{datetime.now(UTC):%H%M%S}"
    policies = _policies(repository)
    if since:
        days = _days(_day(since, "since"), day)
        run = DailyRun(stage, days, policies.training, policies.monitoring.circuits_per_job, suffix)
        return _started("score_days", names.scoring_days(stage, day, suffix), run, orchestrations)
    run = ScoringRun(stage, day, policies.training)
    return _started("score_stage", names.scoring_run(stage, day, suffix), run, orchestrations)


def start_monitoring(body: bytes, orchestrations: Orchestrations) -> Reply:
    """POST /api/monitorings {"stage": "prod", "day": "2025-12-09", "circuits": "AUTO"}: look at a day, once more."""
    fields = _fields(body)
    stage, day = _stage(fields), _day(optional_text(fields, "day", yesterday().isoformat()))
    named = parse_keys(optional_text(fields, "circuits", "AUTO"))
    id = names.monitoring_run(stage, day, f"{datetime.now(UTC):%H%M%S}")
    return _started("monitor_stage", id, MonitoringRun(id, stage, day, named), orchestrations)


def score_on_schedule(
    orchestrations: Orchestrations, *, repository: Repository, records: ScoringDays
) -> list[str]:
    """Start the daily run of each stage that is scored daily, with the days that were missed; gives back their ids.

    The first look of all is about yesterday alone: what was before there was a Busbar was not missed.
    """
    policies, started = _policies(repository), list[str]()
    for stage in policies.monitoring.stages:
        days = missed_days(records.scored_until(stage), yesterday(), policies.monitoring.catch_up_days)
        if not days:
            continue
        id = names.scoring_days(stage, days[0])
        run = DailyRun(stage, days, policies.training, policies.monitoring.circuits_per_job)
        orchestrations.start("score_days", id, run)
        records.save_scored_until(stage, days[0].isoformat())
        started.append(id)
    return started


def _policies(repository: Repository) -> Policies:
    """Stages, deadlines and parallelism as the default branch says; scoring goes on though that be unreadable."""
    try:
        return fleet_at(repository, default_head(repository)).policies
    except (ConfigurationError, NotFound) as error:
        log.warning("scoring runs with the default limits: %s", error)
        return Policies()


def announce_lost_pushes(
    *, repository: Repository, ledger: Ledger, events: Events, settings: Settings
) -> list[str]:
    """Publish a push for every branch whose head is not the last one handled: its webhook never came.

    A git host that does not answer is asked again at the next look.
    """
    lost: list[str] = []
    try:
        heads = repository.heads()
    except TemporarilyUnavailable as error:
        log.warning("no look for lost pushes this time: %s", error)
        return lost
    for branch, commit in heads.items():
        handled = ledger.head(branch)
        if handled != commit:
            requester = repository.committer(commit)  # who may not approve it is whoever made it
            push = RepositoryPushed(settings.repository, branch, handled or ZERO_COMMIT, commit, requester)
            data = to_event_data(push)
            events.publish(EventType.REPOSITORY_PUSHED, settings.repository, data, id=event_id(push))
            lost.append(branch)
    return lost


def _started(orchestrator: str, instance_id: str, request: Any, orchestrations: Orchestrations) -> Reply:
    orchestrations.start(orchestrator, instance_id, request)
    return Reply.json(202, {"id": instance_id})


def _fields(body: bytes) -> Mapping[str, Any]:
    return json_object(body or b"{}")


def _commit(fields: Mapping[str, Any], repository: Repository) -> str:
    """A branch's head, or a commit; raises `BadRequest`."""
    ref = optional_text(fields, "ref") or repository.default_branch()
    heads = repository.heads()
    if ref not in heads and not _COMMIT.fullmatch(ref):
        raise BadRequest("ref", f"{ref!r} is neither a branch nor a whole commit (40 hex digits)")
    return heads.get(ref, ref)


def _stage(fields: Mapping[str, Any]) -> Stage:
    try:
        return Stage(optional_text(fields, "stage", Stage.PROD))
    except ValueError as error:
        raise BadRequest("stage", f"not one of {', '.join(Stage)}") from error


def _day(text: str, field: str = "day") -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise BadRequest(field, f"{text!r} is not YYYY-MM-DD") from error


def _days(since: date, day: date) -> tuple[date, ...]:
    """Both and what lies between them, the newest first; raises `BadRequest`."""
    back = (day - since).days
    if not 0 <= back < _MOST_DAYS:
        raise BadRequest("since", f"{since} is not one of the {_MOST_DAYS} days up to {day}")
    return tuple(day - timedelta(days=number) for number in range(back + 1))
