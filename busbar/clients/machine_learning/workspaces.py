"""The SDK's clients, one a place, and the files in a workspace's datastore."""

import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from busbar.clients.blobs import Blobs
from busbar.clients.session import credential, load, translated
from busbar.domain.errors import NotFound, VersionConflict
from busbar.domain.policies import Stage
from busbar.settings import Settings

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

REGISTRY = "registry"
DATASTORE = "workspaceblobstore"
# A throttled call is repeated after what Azure ML asks for: the activity's retry would repeat every call of it. What
# was not answered at all waits better there.
_PATIENCE: dict[str, Any] = {"retry_total": 2, "retry_connect": 0, "retry_read": 0}


class Workspaces:
    """What every group of operations stands on."""

    def __init__(self, settings: Settings):
        load("azure.ai.ml", "azure.ai.ml.entities", "azure.ai.ml.dsl")
        self._settings = settings
        self._lock = threading.Lock()
        self._clients: dict[str, MLClient] = {}
        self._datastores: dict[str, tuple[Blobs, str]] = {}

    def write_file(self, stage: Stage, path: str, data: bytes) -> None:
        """Put a file into the workspace's datastore, where jobs of the stage read it."""
        blobs, container = self._datastore(stage)
        blobs.write(container, path, data)

    def read_file(self, stage: Stage, path: str) -> bytes:
        """A file of the workspace's datastore, an output of a job for example; raises `NotFound`."""
        blobs, container = self._datastore(stage)
        return blobs.read(container, path)

    def data_uri(self, stage: Stage) -> str:
        """Where the workspace's datastore begins, as programs that read it by themselves name it: `abfss://…`."""
        blobs, container = self._datastore(stage)
        return f"abfss://{container}@{blobs.account}.dfs.core.windows.net"

    def _client(self, place: str) -> "MLClient":
        with self._lock:
            if place not in self._clients:
                self._clients[place] = self._new_client(place)
            return self._clients[place]

    def _new_client(self, place: str) -> "MLClient":
        from azure.ai.ml import MLClient

        # No telemetry, no progress bars.
        options: dict[str, Any] = _PATIENCE | {"enable_telemetry": False, "show_progress": False}
        with translated(f"reach Azure ML's {place}"):
            if place == REGISTRY:
                return MLClient(credential(), registry_name=self._settings.registry, **options)
            workspace = self._settings.workspaces[Stage(place)]
            return MLClient(
                credential(),
                self._settings.subscription_id,
                workspace.resource_group,
                workspace.name,
                **options,
            )

    def _datastore(self, stage: Stage) -> tuple[Blobs, str]:
        """The account and container behind the workspace's datastore."""
        if stage not in self._datastores:
            with translated(f"read datastore {DATASTORE} of {stage}"):
                found: Any = self._client(stage).datastores.get(DATASTORE)
            url = f"{found.protocol}://{found.account_name}.blob.{found.endpoint}"
            self._datastores[stage] = (Blobs(self._settings, url), found.container_name)
        return self._datastores[stage]


def datastore_uri(path: str) -> str:
    """`path` in the workspace's datastore, as jobs and assets name it."""
    return f"azureml://datastores/{DATASTORE}/paths/{path}"


def found[T](doing: str, look: Callable[[], T]) -> T | None:
    """What `look` finds, `None` where there is nothing."""
    try:
        with translated(doing):
            return look()
    except NotFound:
        return None


def require_same(what: str, known: Mapping[str, str] | None, given: Mapping[str, str]) -> None:
    """Raise `VersionConflict` unless what is registered carries all tags of what is given (others may add more)."""
    for name, value in given.items():
        there = (known or {}).get(name)
        if there != value:
            raise VersionConflict(
                f"{what} exists with {name} {there}, not {value}: it is never changed, use another name or version"
            )


def split_version(reference: str) -> tuple[str, str]:
    """`name:version` (an `azureml:` before it is dropped) as its two parts."""
    name, _, version = reference.removeprefix("azureml:").rpartition(":")
    return name, version
