"""The functions host with its task hub in `:memory:`, to see what the file costs. Nothing survives it."""

import sqlite3
from contextlib import closing
from pathlib import Path

from localazure.functions_host.cli import app
from localazure.task_hub import client

SHARED = "file:/task_hub?vfs=memdb"  # one database in memory for all connections of the process


def connect(path: Path, *, synchronous: str = "NORMAL", read_only: bool = False) -> sqlite3.Connection:
    """In place of the connection to `path`: one to memory, with the same tables."""
    db = sqlite3.connect(SHARED, uri=True, check_same_thread=False, isolation_level=None, timeout=30)
    if not read_only:
        with closing(sqlite3.connect(path)) as file:
            tables = "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'"
            for (sql,) in file.execute(tables):
                db.execute(sql)
    db.execute(f"PRAGMA query_only={int(read_only)}")
    return db


if __name__ == "__main__":
    client.connect = connect
    app(prog_name="in_memory_host")
