"""JSON documents in one SQLite file: what the emulators remember across a restart."""

import json
import sqlite3
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Document = dict[str, Any]


class Documents:
    """Documents by (kind, key). Safe for threads of one process; durable once a call has returned."""

    def __init__(self, path: Path | str):
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._lock = threading.RLock()
        self._db.executescript(
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
            "CREATE TABLE IF NOT EXISTS documents"
            "(kind TEXT, key TEXT, body TEXT, PRIMARY KEY(kind, key)) WITHOUT ROWID;"
        )

    @contextmanager
    def transaction(self) -> Generator[None]:
        """Group reads and writes: all of them happen, or none. May be nested."""
        with self._lock:
            if self._db.in_transaction:
                yield
                return
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def get(self, kind: str, key: str) -> Document | None:
        with self._lock:
            row = self._db.execute(
                "SELECT body FROM documents WHERE kind=? AND key=?", (kind, key)
            ).fetchone()
        return json.loads(row[0]) if row else None

    def put(self, kind: str, key: str, body: Document) -> None:
        with self._lock:
            self._db.execute("INSERT OR REPLACE INTO documents VALUES(?,?,?)", (kind, key, json.dumps(body)))

    def insert(self, kind: str, key: str, body: Document) -> bool:
        """Put `body` unless the key is taken; says whether it was put."""
        with self._lock:
            done = self._db.execute(
                "INSERT OR IGNORE INTO documents VALUES(?,?,?)", (kind, key, json.dumps(body))
            )
        return done.rowcount == 1

    def delete(self, kind: str, key: str) -> bool:
        with self._lock:
            return self._db.execute("DELETE FROM documents WHERE kind=? AND key=?", (kind, key)).rowcount == 1

    def list(self, kind: str, prefix: str = "") -> list[tuple[str, Document]]:
        """The documents of `kind` whose key begins with `prefix`, by key."""
        with self._lock:
            rows = self._db.execute(
                "SELECT key, body FROM documents WHERE kind=? AND key>=? AND key<? ORDER BY key",
                (kind, prefix, prefix + "\U0010ffff"),
            ).fetchall()
        return [(key, json.loads(body)) for key, body in rows]

    def close(self) -> None:
        with self._lock:
            self._db.close()
