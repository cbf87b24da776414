"""Files and Delta tables, in a local folder or in Azure storage, through one door.

On Azure the compute's managed identity answers; a local emulator is found by AZURE_STORAGE_ENDPOINT, which both
delta-rs and obstore read from the environment themselves.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from shared.errors import InputError

if TYPE_CHECKING:
    from deltalake import DeltaTable

STORAGE_SCOPE = "https://storage.azure.com/.default"
_BLOB_URL = re.compile(r"https://(?P<account>[^./]+)\.(?:blob|dfs)\.[^/]+/(?P<container>[^/]+)/?(?P<path>.*)")
_DATASTORE_URI = re.compile(
    r"azureml://(?:subscriptions/(?P<subscription>[^/]+)/resource[gG]roups/(?P<group>[^/]+)"
    r"/(?:providers/Microsoft\.MachineLearningServices/)?workspaces/(?P<workspace>[^/]+)/)?"
    r"datastores/(?P<datastore>[^/]+)/paths/(?P<path>.*)"
)


def is_remote(uri: str) -> bool:
    """Whether the URI names Azure storage rather than a local path."""
    return "://" in uri and not uri.startswith("file://")


def storage_options(uri: str) -> dict[str, str]:
    """Options for delta-rs and obstore: a fresh bearer token, or nothing for a local path."""
    return {"bearer_token": _token(STORAGE_SCOPE)} if is_remote(uri) else {}


def open_table(uri: str, version: int | None = None) -> "DeltaTable | None":
    """The Delta table (at a version), or None if there is none at `uri` yet; `InputError` for no such version."""
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError, TableNotFoundError

    try:
        return DeltaTable(uri, version=version, storage_options=storage_options(uri))
    except TableNotFoundError:
        return None
    except DeltaError as error:
        if version is None:
            raise
        raise InputError(
            f"the Delta table at {uri} has no version {version}, or its log no longer reaches back to it: "
            "move the cutoff date, or set a delta_version that is there"
        ) from error


def read_file(uri: str) -> bytes:
    """The bytes of one file; raises `InputError` when it is not there."""
    folder, _, name = uri.rpartition("/")
    return read_below(folder or ".", name)


def read_below(folder: str, name: str) -> bytes:
    """The bytes of `name` below `folder`; raises `InputError` when it is not there."""
    try:
        if not is_remote(folder):
            return (_local(folder) / name).read_bytes()
        return _store(folder).get(name).bytes().to_bytes()
    except FileNotFoundError as error:
        raise InputError(f"{folder}/{name} does not exist") from error


@dataclass(frozen=True)
class StoredFile:
    """A file as its folder lists it: bytes, when it was last written, and storage's tag of its content (or "")."""

    name: str
    size: int
    modified: datetime
    etag: str = ""


def files_below(folder: str, pattern: str) -> list[StoredFile]:
    """The files below `folder` that match the glob, by name."""
    found = _remote_files(folder, pattern) if is_remote(folder) else _local_files(_local(folder), pattern)
    return sorted(found, key=lambda file: file.name)


@contextmanager
def local_copy(folder: str, name: str) -> Iterator[Path]:
    """The file as a local path: itself, or a copy that is streamed to disk and lasts as long as the context.

    Raises `InputError` when it is not there.
    """
    if not is_remote(folder):
        if not (path := _local(folder) / name).is_file():
            raise InputError(f"{folder}/{name} does not exist")
        yield path
        return
    with TemporaryDirectory() as temporary:
        copy = Path(temporary) / Path(name).name
        try:
            with copy.open("wb") as file:
                for part in _store(folder).get(name).stream():
                    file.write(part)
        except FileNotFoundError as error:
            raise InputError(f"{folder}/{name} does not exist") from error
        yield copy


def resolve(uri: str) -> str:
    """The same place as a local path or `abfss://` URI; understands https blob URLs and azureml datastore URIs."""
    if found := _BLOB_URL.fullmatch(uri):
        return f"abfss://{found['container']}@{found['account']}.dfs.core.windows.net/{found['path']}".rstrip(
            "/"
        )
    if uri.startswith("azureml://"):
        found = _DATASTORE_URI.fullmatch(uri)
        if not found:
            raise InputError(f"{uri} names no datastore path (azureml://…datastores/<name>/paths/<path>)")
        return _of_datastore(found).rstrip("/")
    return uri.rstrip("/")


def _local(folder: str) -> Path:
    return Path(folder.removeprefix("file://"))


def _local_files(root: Path, pattern: str) -> Iterator[StoredFile]:
    for path in root.glob(pattern):
        if path.is_file():
            known = path.stat()
            modified = datetime.fromtimestamp(known.st_mtime, UTC)
            yield StoredFile(path.relative_to(root).as_posix(), known.st_size, modified)


def _remote_files(folder: str, pattern: str) -> Iterator[StoredFile]:
    prefix = re.split(r"[*?\[]", pattern)[0].rpartition("/")[0] or None
    for batch in _store(folder).list(prefix):
        for entry in batch:
            if fnmatch(entry["path"], pattern):
                etag = entry["e_tag"] or ""
                yield StoredFile(entry["path"], entry["size"], entry["last_modified"], etag)


def _store(folder: str) -> Any:
    from obstore.store import from_url

    return from_url(folder, config=storage_options(folder))


def _token(scope: str) -> str:
    return _credential().get_token(scope).token


@cache
def _credential() -> Any:
    """One for the process: it keeps a token until shortly before it expires."""
    from azure.identity import DefaultAzureCredential

    return DefaultAzureCredential()


def _of_datastore(found: re.Match[str]) -> str:
    import requests

    manager = _resource_manager()
    names = {
        key: found[key] or os.environ.get(variable, "")
        for key, variable in (
            ("subscription", "AZUREML_ARM_SUBSCRIPTION"),
            ("group", "AZUREML_ARM_RESOURCEGROUP"),
            ("workspace", "AZUREML_ARM_WORKSPACE_NAME"),
        )
    }
    if missing := [key for key, value in names.items() if not value]:
        raise InputError(
            f"{found[0]}: its {missing[0]} is unknown outside an Azure ML job; give the long form"
        )
    answer = requests.get(
        f"{manager}/subscriptions/{names['subscription']}/resourceGroups/{names['group']}"
        f"/providers/Microsoft.MachineLearningServices/workspaces/{names['workspace']}"
        f"/datastores/{found['datastore']}",
        params={"api-version": "2024-10-01"},
        headers={"Authorization": f"Bearer {_token(manager + '/.default')}"},
        timeout=30,
    )
    answer.raise_for_status()
    store = answer.json()["properties"]
    return f"abfss://{store['containerName']}@{store['accountName']}.dfs.core.windows.net/{found['path']}"


def _resource_manager() -> str:
    import requests

    metadata = os.environ.get("ARM_CLOUD_METADATA_URL")
    if not metadata:
        return "https://management.azure.com"
    clouds = requests.get(metadata, timeout=30).json()
    cloud = clouds[0] if isinstance(clouds, list) else clouds
    return str(cloud["resourceManager"]).rstrip("/")
