"""Table storage: JSON bodies by partition and row, with entity tags."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from busbar.clients.session import credential, load, translated, with_parent
from busbar.domain.errors import NotFound
from busbar.settings import Settings

if TYPE_CHECKING:
    from azure.data.tables import TableClient, TableServiceClient

_CHUNK = 30_000  # a text property holds 32 Ki characters; a body may be longer (an entity holds 1 MiB)


@dataclass(frozen=True)
class Row:
    """One entity: its keys (made safe), its JSON text (ASCII) and its entity tag."""

    partition: str
    key: str
    body: str
    etag: str


def safe_key(text: str) -> str:
    """`text` as a partition or row key, which may not hold `/ \\ # ?` or control characters."""
    return quote(text, safe=" -_.~:@").replace("%", "!")


class Table:
    """One table, created when first written to. Keys are passed through `safe_key`."""

    def __init__(self, tables: "Tables", name: str):
        self._tables = tables
        self._name = name

    @cached_property
    def _client(self) -> "TableClient":
        return self._tables.service.get_table_client(self._name)

    def insert(self, partition: str, key: str, body: str) -> None:
        """Add a row; raises `Conflict` where the key is taken."""
        entity = _entity(safe_key(partition), safe_key(key), body)
        self._write(f"insert {key} into {self._name}", lambda: self._client.create_entity(entity))

    def upsert(self, partition: str, key: str, body: str) -> None:
        """Add a row or replace it whole."""
        from azure.data.tables import UpdateMode

        entity = _entity(safe_key(partition), safe_key(key), body)
        self._write(
            f"write {key} to {self._name}",
            lambda: self._client.upsert_entity(entity, mode=UpdateMode.REPLACE),
        )

    def replace(self, row: Row, body: str) -> None:
        """Replace a row that was read; `Conflict` where it changed meanwhile, `NotFound` where it is gone."""
        from azure.core import MatchConditions
        from azure.data.tables import UpdateMode

        entity = _entity(row.partition, row.key, body)
        with translated(f"replace {row.key} in {self._name}"):
            self._client.update_entity(
                entity, mode=UpdateMode.REPLACE, etag=row.etag, match_condition=MatchConditions.IfNotModified
            )

    def write_together(
        self, partition: str, added: Mapping[str, str], replaced: tuple[Row, str] | None = None
    ) -> None:
        """Add rows (key → body) and replace one that was read, all in a partition and all or nothing.

        Raises `Conflict` where a key is taken or the row has changed meanwhile.
        """
        from azure.core import MatchConditions
        from azure.data.tables import UpdateMode

        operations: list[Any] = [
            ("create", _entity(safe_key(partition), safe_key(key), body)) for key, body in added.items()
        ]
        if replaced:
            row, body = replaced
            matching = {"etag": row.etag, "match_condition": MatchConditions.IfNotModified}
            entity = _entity(row.partition, row.key, body)
            operations.append(("update", entity, {"mode": UpdateMode.REPLACE, **matching}))
        with translated(f"write {', '.join(added)} to {self._name}"):
            if replaced is None:  # the table may be missing, which a transaction does not tell
                self._tables.service.create_table_if_not_exists(self._name)
            self._client.submit_transaction(operations)

    def get(self, partition: str, key: str) -> Row | None:
        try:
            with translated(f"read {key} from {self._name}"):
                return _row(self._client.get_entity(safe_key(partition), safe_key(key)))
        except NotFound:
            return None

    def remove(self, row: Row) -> None:
        """Remove a row that was read; `Conflict` where it changed meanwhile, `NotFound` where it is gone."""
        from azure.core import MatchConditions

        with translated(f"remove {row.key} from {self._name}"):
            self._client.delete_entity(
                row.partition, row.key, etag=row.etag, match_condition=MatchConditions.IfNotModified
            )

    def delete(self, partition: str, key: str) -> None:
        """Remove a row; no error where it is gone already."""
        with translated(f"delete {key} from {self._name}"):
            self._client.delete_entity(safe_key(partition), safe_key(key))

    def query(self, partition: str | None = None) -> list[Row]:
        """The rows of a partition (without one: of the table), by key; none where the table is missing."""
        if partition is None:
            return self._found("", {})
        return self._found("PartitionKey eq @partition", {"partition": safe_key(partition)})

    def between(self, partition: str, first: str, last: str, most: int | None = None) -> list[Row]:
        """The rows of a partition from key `first` to key `last`, both included, by key; no more than `most`."""
        keys = {"partition": safe_key(partition), "first": safe_key(first), "last": safe_key(last)}
        return self._found("PartitionKey eq @partition and RowKey ge @first and RowKey le @last", keys, most)

    def _found(self, condition: str, parameters: Mapping[str, str], most: int | None = None) -> list[Row]:
        try:
            with translated(f"list {self._name}"):
                found = self._client.query_entities(
                    condition, parameters=dict(parameters), results_per_page=most and min(most, 1000)
                )
                return [_row(entity) for entity in islice(found, most)]
        except NotFound:
            return []

    def _write(self, doing: str, write: Callable[[], object]) -> None:
        with_parent(doing, write, lambda: self._tables.service.create_table_if_not_exists(self._name))


class Tables:
    """The account's tables; `Tables(settings)["circuits"]` is one of them."""

    def __init__(self, settings: Settings):
        load("azure.data.tables")
        self._url = settings.table_url

    @cached_property
    def service(self) -> "TableServiceClient":
        from azure.data.tables import TableServiceClient

        return TableServiceClient(self._url, credential=credential(), retry_total=2)

    def __getitem__(self, name: str) -> Table:
        return Table(self, name)


def _entity(partition: str, key: str, body: str) -> dict[str, Any]:
    chunks = [body[start : start + _CHUNK] for start in range(0, len(body), _CHUNK)] or [""]
    parts = {f"body{index or ''}": chunk for index, chunk in enumerate(chunks)}
    return {"PartitionKey": partition, "RowKey": key, **parts}


def _row(entity: Any) -> Row:
    chunks = [entity["body"]]
    while (more := entity.get(f"body{len(chunks)}")) is not None:
        chunks.append(more)
    return Row(entity["PartitionKey"], entity["RowKey"], "".join(chunks), entity.metadata["etag"])
