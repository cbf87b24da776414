"""The file of a task hub: claimed by one process, checked before it is touched, and brought up to date."""

import fcntl
import os
import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Literal, TextIO

from localazure.task_hub.model import TaskHubLocked, TaskHubUnusable
from localazure.task_hub.schema import APPLICATION_ID, MIGRATIONS, TABLES_OF_THE_FIRST, VERSION

type Synchronous = Literal["NORMAL", "FULL"]

LARGEST_CHECKED = 128 * 1024 * 1024  # bytes; a larger database that was not closed is opened unchecked
LARGEST_IDLE_WAL = 16 * 1024 * 1024  # bytes the write-ahead log keeps once it has been checkpointed


@contextmanager
def prepared(path: Path) -> Generator[None]:
    """Claim the database at `path`; create, check and migrate it. Raises `TaskHubLocked`, `TaskHubUnusable`.

    A file that is refused is left as it is, to the byte.
    """
    with closing(_claimed(path)):
        yield


def damaged(path: Path, error: sqlite3.Error) -> TaskHubUnusable:
    """The refusal of a database in which damage shows only when it is read."""
    return TaskHubUnusable(path, f"it is damaged ({error})", _RESTORE)


def _claimed(path: Path) -> TextIO:
    had_lock = _beside(path, ".lock").exists()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        claim = lock(path)
    except OSError as error:
        raise TaskHubUnusable(path, f"it cannot be claimed ({error})", _PERMIT) from error
    try:
        _make_ready(path)
    except BaseException:
        if not had_lock:
            _beside(path, ".lock").unlink()
        claim.close()
        raise
    return claim


def _make_ready(path: Path) -> None:
    try:
        if not path.exists() or not path.stat().st_size:
            _create(path)
        version = _check(path)
        if version < VERSION:
            _migrate(path, version)
    except OSError as error:
        raise TaskHubUnusable(path, str(error), _PERMIT) from error
    except sqlite3.Error as error:
        raise TaskHubUnusable(path, f"it cannot be made ready ({error})", _PERMIT) from error


def connect(
    path: Path, *, synchronous: Synchronous = "NORMAL", read_only: bool = False
) -> sqlite3.Connection:
    """Open a prepared database.

    What is committed survives the process; with `FULL`, a power cut too. What only reads belongs to the
    thread that opened it: two threads' statements would overlap and see an old commit.
    """
    db = sqlite3.connect(path, check_same_thread=read_only, isolation_level=None, timeout=5)
    db.execute(f"PRAGMA synchronous={synchronous}")
    db.execute(f"PRAGMA journal_size_limit={LARGEST_IDLE_WAL}")
    db.execute(f"PRAGMA query_only={int(read_only)}")
    return db


def lock(path: Path) -> TextIO:
    """Claim the database for this process until the returned file is closed. Raises `TaskHubLocked`."""
    file = open(_beside(path, ".lock"), "a+")  # noqa: SIM115 - the caller keeps it open
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.seek(0)
        holder = file.read().strip() or "unknown"
        file.close()
        raise TaskHubLocked(
            f"The task hub {path} is in use by process {holder}. "
            "Stop that process, or choose another state folder."
        ) from None
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file


def _create(path: Path) -> None:
    """Make an empty database under another name first: a file with the hub's name is always complete."""
    log = _beside(path, "-wal")
    if not _was_closed(path):
        raise TaskHubUnusable(path, f"the file is gone, but its log {log.name} is there", _REUNITE)
    log.unlink(missing_ok=True)
    draft = _beside(path, ".new")
    draft.unlink(missing_ok=True)
    with closing(sqlite3.connect(draft, isolation_level=None)) as db:
        db.execute("PRAGMA auto_vacuum=INCREMENTAL")
        _apply_migrations(db, 0)
        db.execute("PRAGMA journal_mode=WAL")
    _put_in_place(draft, path)


def _migrate(path: Path, version: int) -> None:
    """Bring an older database up to date, in one transaction, keeping a copy of what it was."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        draft = _beside(path, ".copy")
        draft.unlink(missing_ok=True)
        with closing(sqlite3.connect(draft)) as copy:
            db.backup(copy)
        _put_in_place(draft, _beside(path, f".version-{version}"))
        db.execute("PRAGMA synchronous=FULL")
        db.execute("PRAGMA journal_mode=WAL")
        _apply_migrations(db, version)


def _apply_migrations(db: sqlite3.Connection, version: int) -> None:
    steps = "".join(MIGRATIONS[version:])
    identity = f"PRAGMA application_id={APPLICATION_ID}; PRAGMA user_version={VERSION};"
    db.executescript(f"BEGIN IMMEDIATE; {steps} {identity} COMMIT")


def _check(path: Path) -> int:
    """The schema version of the database at `path`. Raises `TaskHubUnusable`, having written nothing."""
    with open(path, "rb") as file:
        if file.read(16) != b"SQLite format 3\0":
            raise TaskHubUnusable(path, "it is not an SQLite database", _MOVE)
    try:
        with _peek(path) as db:
            version = _version(path, db)
            _check_pages(path, db)
    except sqlite3.Error as error:
        raise TaskHubUnusable(path, f"it cannot be read ({error})", _RESTORE) from error
    return version


def _version(path: Path, db: sqlite3.Connection) -> int:
    (application,) = db.execute("PRAGMA application_id").fetchone()
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if application == 0 and version == 0:
        tables = db.execute("SELECT name FROM sqlite_master WHERE type='table'").fetchall()
        if {name for (name,) in tables} == TABLES_OF_THE_FIRST:
            return 1
    if application != APPLICATION_ID:
        raise TaskHubUnusable(path, "it is the SQLite database of another program", _MOVE)
    if version > VERSION:
        raise TaskHubUnusable(
            path,
            f"it was made by a newer version of this program (schema {version}; this one knows {VERSION})",
            "Update the program, or choose another state folder.",
        )
    return version


def _check_pages(path: Path, db: sqlite3.Connection) -> None:
    """Look for pages that are missing and, when the database was not closed properly, for damaged ones."""
    (size,) = db.execute("PRAGMA page_size").fetchone()
    (count,) = db.execute("PRAGMA page_count").fetchone()
    if _was_closed(path):
        found = "ok" if path.stat().st_size >= size * count else "pages are missing at its end"
    elif size * count <= LARGEST_CHECKED:
        (found,) = db.execute("PRAGMA quick_check(1)").fetchone()
    else:
        found = "ok"
    if found != "ok":
        raise TaskHubUnusable(path, f"it is damaged ({found})", _RESTORE)


@contextmanager
def _peek(path: Path) -> Generator[sqlite3.Connection]:
    """Read a database without changing it or anything beside it."""
    mode = "immutable=1" if _was_closed(path) else "mode=ro"
    index = _beside(path, "-shm")
    had_index = index.exists()
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?{mode}", uri=True)) as db:
            yield db
    finally:
        if not had_index:
            index.unlink(missing_ok=True)


def _was_closed(path: Path) -> bool:
    """Whether the last process closed the database: there is nothing in its write-ahead log."""
    log = _beside(path, "-wal")
    return not log.exists() or not log.stat().st_size


def _put_in_place(draft: Path, path: Path) -> None:
    """Rename a finished file, so that it survives a power cut under the one name or the other."""
    _sync(draft)
    _sync(draft.replace(path).parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


_MOVE = "Move the file away, or choose another state folder."
_RESTORE = "Put a copy of it in its place, or move it away to begin with an empty task hub."
_REUNITE = "Put the file back beside its log, or move the log away to begin with an empty task hub."
_PERMIT = "See that its folder has space and that this user may write there, or choose another state folder."
