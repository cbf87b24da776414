"""What workspaces and registry keep: listed with its age, and put away. Azure ML deletes none of it: it archives."""

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from busbar.clients.machine_learning.workspaces import Workspaces, found
from busbar.clients.session import translated
from busbar.domain.errors import NotFound
from busbar.domain.events import JobStatus, job_status
from busbar.domain.policies import Stage

_AT_ONCE = 8  # each name's versions are listed by a request of their own


@dataclass(frozen=True)
class Kept:
    """A version of a model or data asset, or a job (which has none), and since when it is there."""

    name: str
    since: datetime
    version: str = ""
    tags: Mapping[str, str] = field(default_factory=dict[str, str])
    status: JobStatus = JobStatus.COMPLETED


class Keeping(Workspaces):
    def kept_models(self, place: str, names: Iterable[str]) -> list[Kept]:
        """Every version of these models that is not archived."""
        return self._versions(place, names, lambda name: self._client(place).models.list(name))

    def kept_data(self, names: Iterable[str]) -> list[Kept]:
        """Every version of these data assets of the dev workspace that is not archived."""
        return self._versions(Stage.DEV, names, lambda name: self._client(Stage.DEV).data.list(name))

    def kept_jobs(self, stage: Stage) -> list[Kept]:
        """All jobs of a workspace that are not archived, other people's, too."""
        with translated(f"list jobs of {stage}"):
            listed: list[Any] = list(self._client(stage).jobs.list())
        return [
            _kept_job(job) for job in listed if job is not None
        ]  # the SDK cannot read some jobs of others

    def archive_model(self, place: str, name: str, version: str) -> None:
        """Take a model's version out of sight; one that is archived, or not there, stays as it is."""
        if all(one.version != version for one in self.kept_models(place, [name])):
            return  # an archived one whose files are gone cannot be written again
        self._archive(
            f"archive model {name}:{version} in {place}",
            lambda: self._client(place).models.archive(name, version),
        )

    def archive_data(self, name: str, version: str) -> None:
        """Take a data asset's version out of sight: from then on it pins no Delta version."""
        self._archive(
            f"archive data asset {name}:{version}",
            lambda: self._client(Stage.DEV).data.archive(name, version),
        )

    def archive_job(self, stage: Stage, name: str) -> None:
        """Take a job out of sight."""
        self._archive(f"archive job {name} in {stage}", lambda: self._client(stage).jobs.archive(name))

    def delete_files(self, stage: Stage, folder: str) -> None:
        """Delete a folder of the workspace's datastore with all that is in it; no error where there is none."""
        blobs, container = self._datastore(stage)
        blobs.delete_below(container, f"{folder.strip('/')}/")

    def has_file(self, stage: Stage, path: str) -> bool:
        """Whether the workspace's datastore has a file: what was purged is on record without its files."""
        blobs, container = self._datastore(stage)
        return blobs.exists(container, path)

    def _versions(self, place: str, names: Iterable[str], look: Callable[[str], Iterable[Any]]) -> list[Kept]:
        def listed(name: str) -> list[Any]:
            return found(f"list the versions of {name} in {place}", lambda: list(look(name))) or []

        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return [_kept(asset) for versions in pool.map(listed, names) for asset in versions]

    def _archive(self, doing: str, archive: Callable[[], object]) -> None:
        try:
            with translated(doing):
                archive()
        except NotFound:
            return


def _kept(asset: Any) -> Kept:
    return Kept(str(asset.name), _since(asset), str(asset.version), dict(asset.tags or {}))


def _kept_job(job: Any) -> Kept:
    return Kept(str(job.name), _since(job), tags=dict(job.tags or {}), status=job_status(job.status or ""))


def _since(resource: Any) -> datetime:
    """When it was made, in UTC; what does not say so was made just now, and is kept."""
    made: datetime | None = getattr(resource.creation_context, "created_at", None)
    if made is None:
        return datetime.now(UTC)
    return made if made.tzinfo else made.replace(tzinfo=UTC)
