"""Notes: runs, commit statuses, offers."""

from activities.clock import now
from busbar.clients.records import Records
from busbar.clients.repositories import Repository
from busbar.domain.errors import NotFound
from busbar.domain.records import Offer, RunRecord
from busbar.domain.release import ReleaseSet
from busbar.domain.steps import CommitNote, RunNote, StageDeployment
from busbar.settings import Settings


def note_run(request: RunNote, *, records: Records) -> None:
    """The run's line on the board."""
    run = request.run
    records.save_run(
        RunRecord(
            id=run.id,
            commit=run.commit,
            branch=run.branch,
            requester=run.requester,
            status=request.status,
            sentence=request.sentence,
            updated_at=now(),
            release_id=request.release_id,
        )
    )


def note_commit(request: CommitNote, *, repository: Repository, settings: Settings) -> None:
    """The commit's status on the git host; the whole text is behind its link."""
    repository.set_status(
        request.commit,
        request.state,
        request.text,
        context=request.context,
        target_url=f"{settings.public_url}/runs/{request.run}",
    )


def stored_release(release_id: str, records: Records) -> ReleaseSet:
    """A release set as it was composed; raises `NotFound`."""
    release = records.release(release_id)
    if release is None:
        raise NotFound(f"release {release_id} is not on record")
    return release


def offer_release(request: StageDeployment, *, records: Records) -> None:
    """The release is ready for a stage: what a push to the stage's branch takes up."""
    records.save_offer(request.stage, Offer(request.release.id, request.release.excluded))
