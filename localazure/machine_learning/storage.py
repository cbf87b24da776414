"""Blobs: where an `azureml://`, `abfss://` or `https://` URI lies, and copying between there and local folders."""

import re
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from localazure.service import STORAGE_ACCOUNT, STORAGE_KEY, Addresses

if TYPE_CHECKING:
    from azure.storage.blob import BlobServiceClient

_DATASTORE = re.compile(
    r"azureml://(?:subscriptions/[^/]+/resource[gG]roups/[^/]+/(?:providers/Microsoft.MachineLearningServices/)?"
    r"workspaces/(?P<workspace>[^/]+)/)?datastores/(?P<datastore>[^/]+)/paths/(?P<path>.*)"
)
_ABFSS = re.compile(r"(?:abfss?|wasbs?)://(?P<container>[^@/]+)@(?P<host>[^/]+)/?(?P<path>.*)")


class UnknownLocation(ValueError):
    """A URI that names no place in the local storage account."""


@dataclass(frozen=True)
class Location:
    """A blob or a folder of blobs; `path` has no slash at its ends and is empty for a whole container."""

    container: str
    path: str

    def child(self, name: str) -> "Location":
        return Location(self.container, f"{self.path}/{name}".strip("/"))


def own_container(workspace: str, datastore: str) -> str:
    return f"azureml-{workspace}"


def datastore_of(uri: str, workspace: str) -> tuple[str, str] | None:
    """The workspace and the name of the datastore that `uri` names; short URIs belong to `workspace`."""
    match = _DATASTORE.fullmatch(uri)
    return (match["workspace"] or workspace, match["datastore"]) if match else None


def locate(uri: str, workspace: str, container_of: Callable[[str, str], str] = own_container) -> Location:
    """Where `uri` lies; short datastore URIs belong to `workspace`. Raises `UnknownLocation`.

    `container_of` gives the container of a workspace's datastore; by default all are one.
    """
    if match := _DATASTORE.fullmatch(uri):
        container = container_of(match["workspace"] or workspace, match["datastore"])
        return Location(container, match["path"].strip("/"))
    if (match := _ABFSS.fullmatch(uri)) and match["host"].startswith(f"{STORAGE_ACCOUNT}."):
        return Location(match["container"], match["path"].strip("/"))
    parts = urlsplit(uri)
    segments = unquote(parts.path).strip("/").split("/")
    if parts.scheme == "https" and parts.hostname == f"{STORAGE_ACCOUNT}.blob.localhost" and segments[0]:
        return Location(segments[0], "/".join(segments[1:]))
    if parts.scheme == "https" and segments[0] == STORAGE_ACCOUNT and len(segments) > 1:
        return Location(segments[1], "/".join(segments[2:]))
    raise UnknownLocation(
        f"{uri!r} names no place in the storage account {STORAGE_ACCOUNT}: use azureml://datastores/<name>/paths/…, "
        f"abfss://<container>@{STORAGE_ACCOUNT}.dfs.core.windows.net/… or an https URL of the account"
    )


class Storage:
    """The storage account, reached with its key in the path form (it resolves without help)."""

    def __init__(self, addresses: Addresses, ca_bundle: Path):
        self._addresses = addresses
        self._ca_bundle = ca_bundle
        self._service: BlobServiceClient | None = None

    @property
    def service(self) -> "BlobServiceClient":
        if self._service is None:
            from azure.storage.blob import BlobServiceClient  # costs a fifth of a second and 20 MB

            self._service = BlobServiceClient(
                self._addresses.storage_ip,
                credential={"account_name": STORAGE_ACCOUNT, "account_key": STORAGE_KEY},
                connection_verify=str(self._ca_bundle),
            )
        return self._service

    def ensure_containers(self, names: Iterable[str]) -> None:
        from azure.core.exceptions import ResourceExistsError

        for name in names:
            try:
                self.service.create_container(name)
            except ResourceExistsError:
                continue

    def url(self, location: Location) -> str:
        return f"{self._addresses.blob}/{location.container}/{location.path}".rstrip("/")

    def sas(self, container: str, hours: float = 12) -> str:
        """A shared access signature with all rights on one container."""
        from azure.storage.blob import ContainerSasPermissions, generate_container_sas

        return generate_container_sas(
            STORAGE_ACCOUNT,
            container,
            account_key=STORAGE_KEY,
            permission=ContainerSasPermissions(
                read=True, add=True, create=True, write=True, delete=True, list=True
            ),
            expiry=datetime.now(UTC) + timedelta(hours=hours),
        )

    def read_url(self, location: Location, hours: float = 1) -> str:
        """The blob's address with a signature that lets anyone read it for some hours."""
        from azure.storage.blob import BlobSasPermissions, generate_blob_sas

        signature = generate_blob_sas(
            STORAGE_ACCOUNT,
            location.container,
            location.path,
            account_key=STORAGE_KEY,
            permission=BlobSasPermissions(read=True),
            expiry=datetime.now(UTC) + timedelta(hours=hours),
        )
        return f"{self.url(location)}?{signature}"

    def names(self, location: Location) -> list[str]:
        """The blobs at `location` (itself, or those in the folder)."""
        container = self.service.get_container_client(location.container)
        found = [blob.name for blob in container.list_blobs(name_starts_with=location.path or None)]
        return [name for name in found if _is_at(name, location.path)]

    def download(self, location: Location, target: Path) -> int:
        """Copy the blob, or the folder's blobs, to `target`; says how many there were."""
        names = self.names(location)
        container = self.service.get_container_client(location.container)
        for name in names:
            path = (
                target if name == location.path else _inside(target, name[len(location.path) :].lstrip("/"))
            )
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as file:
                container.download_blob(name).readinto(file)
        return len(names)

    def upload(self, source: Path, location: Location) -> int:
        """Copy the file, or the folder's files, to `location`; says how many there were."""
        container = self.service.get_container_client(location.container)
        files = [source] if source.is_file() else sorted(path for path in source.rglob("*") if path.is_file())
        for path in files:
            relative = "" if path == source else path.relative_to(source).as_posix()
            with path.open("rb") as file:
                container.upload_blob(location.child(relative).path, file, overwrite=True)
        return len(files)

    def write(self, location: Location, content: bytes) -> None:
        self.service.get_container_client(location.container).upload_blob(
            location.path, content, overwrite=True
        )

    def read(self, location: Location) -> bytes | None:
        """The blob's content, None when there is no such blob."""
        from azure.core.exceptions import ResourceNotFoundError

        try:
            return self.service.get_blob_client(location.container, location.path).download_blob().readall()
        except ResourceNotFoundError:
            return None

    def copy(self, source: Location, target: Location) -> int:
        """Copy a blob or a folder within the account; says how many blobs there were."""
        names = self.names(source)
        for name in names:
            content = self.read(Location(source.container, name)) or b""
            self.write(target.child(name[len(source.path) :].strip("/")), content)
        return len(names)

    def close(self) -> None:
        if self._service is not None:
            self._service.close()


def empty(folder: Path) -> Path:
    """`folder`, existing and empty."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def _is_at(name: str, path: str) -> bool:
    return not path or name == path or name.startswith(f"{path}/")


def _inside(folder: Path, relative: str) -> Path:
    if ".." in PurePosixPath(relative).parts:
        raise UnknownLocation(f"The blob name {relative!r} leaves its folder.")
    return folder / relative
