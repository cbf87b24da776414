"""A candidate's way: its share of the windows, and the way back."""

from dataclasses import replace

from activities.clock import now
from activities.serving import names_of, require_candidate
from activities.traffic import follow
from busbar.clients.machine_learning import MachineLearning
from busbar.clients.records import Records
from busbar.domain.policies import Bake
from busbar.domain.ramp import rule_of
from busbar.domain.records import DeploymentRecord
from busbar.domain.steps import CircuitDeployment, Share, TakeBack
from busbar.settings import Settings


def raise_share(request: Share, *, ml: MachineLearning, records: Records, settings: Settings) -> None:
    """From now on so many percent of the circuit's windows are the candidate's; a first deployment shares with none.

    An online endpoint's requests are split, or copied to the candidate, by the same numbers. Raises `Rejected` where
    somebody took the candidate out meanwhile.
    """
    asked = request.deployment
    _, deployment = names_of(asked, settings)
    ramp = asked.policies.stage(asked.stage).ramp

    def raised(record: DeploymentRecord | None) -> DeploymentRecord | None:
        if record is None or record.deployment == deployment:
            return record
        candidate = replace(
            require_candidate(record, deployment),
            share=request.percent,
            mirrored=request.mirrored,
            progress=request.progress,
            windows=ramp.windows if ramp.bake is Bake.LIVE else 1,
        )
        return replace(record, candidate=candidate)

    follow(records.change_deployment(asked.stage, asked.pin.key, raised), ml)


def withdraw_candidate(
    request: CircuitDeployment, *, ml: MachineLearning, records: Records, settings: Settings
) -> None:
    """Take a candidate out: its windows are the active deployment's again, which never stopped serving."""
    stage, key = request.stage, request.pin.key
    endpoint, deployment = names_of(request, settings)

    def withdrawn(record: DeploymentRecord | None) -> DeploymentRecord | None:
        return replace(record, candidate=None) if record and record.ramping(deployment) else record

    after = records.change_deployment(stage, key, withdrawn)
    follow(after, ml)
    if not _needed(after, deployment):
        ml.delete_deployment(stage, endpoint, deployment)


def take_back(request: TakeBack, *, ml: MachineLearning, records: Records, settings: Settings) -> None:
    """Undo what a release did to a circuit: what served before serves again, or nothing if nothing did.

    What is taken back does not come back by itself. A circuit that has moved on since is left as it is.
    """
    asked = request.deployment
    stage, key = asked.stage, asked.pin.key
    endpoint, deployment = names_of(asked, settings)
    verdict = f"fleet-{stage}-{asked.release_id}"

    def taken_back(record: DeploymentRecord | None) -> DeploymentRecord | None:
        if record is None or record.deployment != deployment or record.release_id != asked.release_id:
            return record
        if record.previous is None or not record.previous_stands:
            return None
        left, at = record.active, now()
        back = replace(record.serving(record.previous, at), previous=None)
        return back.held_back(left, verdict, rule_of(stage), request.reason, at)

    after = records.change_deployment(stage, key, taken_back)
    follow(after, ml)
    if not _needed(after, deployment):
        ml.delete_deployment(stage, endpoint, deployment)


def _needed(record: DeploymentRecord | None, deployment: str) -> bool:
    """Whether the record still names a deployment, in whatever part."""
    parts = (record.active, record.candidate, record.previous) if record else ()
    return any(part.deployment == deployment for part in parts if part)
