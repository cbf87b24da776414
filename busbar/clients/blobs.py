"""Blob storage: files by container and path."""

import re
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING

from busbar.clients.session import credential, load, translated, with_parent
from busbar.domain.errors import Conflict, NotFound
from busbar.settings import Settings

if TYPE_CHECKING:
    from azure.storage.blob import BlobServiceClient

_DELTA_COMMIT = re.compile(r"/_delta_log/(\d{20})\.(?:json|checkpoint.*\.parquet)$")


class Blobs:
    """Busbar's own storage account, or the one at `url`.

    Every method raises `TemporarilyUnavailable` or `AccessDenied` when the account does not answer.
    """

    def __init__(self, settings: Settings, url: str | None = None):
        load("azure.storage.blob")
        self._url = url or settings.blob_url

    @property
    def account(self) -> str:
        """The storage account's name."""
        return str(self._service.account_name)

    @cached_property
    def _service(self) -> "BlobServiceClient":
        from azure.storage.blob import BlobServiceClient

        return BlobServiceClient(self._url, credential=credential(), retry_total=2, initial_backoff=1)

    def read(self, container: str, path: str) -> bytes:
        """The whole blob; raises `NotFound`."""
        with translated(f"read blob {container}/{path}"):
            return self._service.get_blob_client(container, path).download_blob().readall()

    def write(self, container: str, path: str, data: bytes) -> None:
        """Put or overwrite a blob; a missing container is created."""
        self._upload(container, path, data, overwrite=True)

    def write_once(self, container: str, path: str, data: bytes) -> None:
        """Put a blob that never changes: the same content again is fine, other content raises `Conflict`."""
        try:
            self._upload(container, path, data, overwrite=False)
        except Conflict:
            if self.read(container, path) != data:
                raise Conflict(
                    f"blob {container}/{path} exists with other content; it is never overwritten"
                ) from None

    def _upload(self, container: str, path: str, data: bytes, *, overwrite: bool) -> None:
        blob = self._service.get_blob_client(container, path)
        with_parent(
            f"write blob {container}/{path}",
            lambda: blob.upload_blob(data, overwrite=overwrite),
            lambda: self._create(container),
        )

    def _create(self, container: str) -> None:
        from azure.core.exceptions import ResourceExistsError

        try:
            self._service.create_container(container)
        except ResourceExistsError:
            return  # somebody else created it meanwhile

    def names(self, container: str, prefix: str = "") -> list[tuple[str, str]]:
        """(name, etag) of every blob under `prefix`, by name; nothing where the container is missing."""
        try:
            with translated(f"list blobs {container}/{prefix}"):
                listed = self._service.get_container_client(container).list_blobs(
                    name_starts_with=prefix or None
                )
                return [(str(blob.name), str(blob.etag)) for blob in listed]
        except NotFound:
            return []

    def exists(self, container: str, path: str) -> bool:
        with translated(f"look for blob {container}/{path}"):
            return bool(self._service.get_blob_client(container, path).exists())

    def delete_below(self, container: str, prefix: str) -> None:
        """Delete every blob under `prefix`; no error where there is none."""
        for name, _ in reversed(self.names(container, prefix)):  # what is in a folder goes before the folder
            self.delete(container, name)

    def delete(self, container: str, path: str) -> None:
        """Delete a blob; no error where there is none."""
        with suppress(NotFound), translated(f"delete blob {container}/{path}"):
            self._service.get_blob_client(container, path).delete_blob()

    def latest_delta_version(self, container: str, table: str) -> int | None:
        """The newest version in a Delta table's log, `None` where there is no table at that path."""
        found = (
            _DELTA_COMMIT.search(f"/{name}") for name, _ in self.names(container, f"{table}/_delta_log/")
        )
        return max((int(match.group(1)) for match in found if match), default=None)
