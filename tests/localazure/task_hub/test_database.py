"""The file of a task hub: made, recognised, migrated, or refused without a byte written."""

import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import durabletask.internal.helpers as events
import pytest

from localazure.task_hub import client, database
from localazure.task_hub.database import connect, lock, prepared
from localazure.task_hub.model import TaskHubLocked, TaskHubUnavailable, TaskHubUnusable
from localazure.task_hub.schema import APPLICATION_ID, MIGRATIONS, VERSION

# What the first version, which did not number its schema, wrote.
UNNUMBERED = """
PRAGMA journal_mode=WAL;
CREATE TABLE IF NOT EXISTS instances(
  id TEXT PRIMARY KEY, execution TEXT NOT NULL, name TEXT NOT NULL, status INT NOT NULL,
  input TEXT, output TEXT, custom_status TEXT, failure BLOB,
  parent_id TEXT, parent_execution TEXT, parent_task INT,
  created REAL NOT NULL, updated REAL NOT NULL, completed REAL);
CREATE INDEX IF NOT EXISTS instances_by_parent ON instances(parent_id);
CREATE TABLE IF NOT EXISTS history(
  id TEXT, seq INT, event BLOB NOT NULL, PRIMARY KEY(id, seq)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS inbox(
  n INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, due REAL, event BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS inbox_by_id ON inbox(id);
CREATE TABLE IF NOT EXISTS activities(
  n INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, task INT NOT NULL, name TEXT NOT NULL, input TEXT);
CREATE INDEX IF NOT EXISTS activities_by_id ON activities(id);
INSERT INTO instances(id, execution, name, status, output, created, updated, completed)
  VALUES('done', 'x', 'echo', 1, '"kept"', 1, 2, 2);
INSERT INTO instances(id, execution, name, status, input, created, updated)
  VALUES('waiting', 'y', 'echo', 6, '7', 1, 1);
"""


def echo(ctx, value):
    yield from ()
    return value


def pragma(path: Path, name: str):
    with closing(sqlite3.connect(path)) as db:
        return db.execute(f"PRAGMA {name}").fetchone()[0]


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def unnumbered(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None)
    db.executescript(UNNUMBERED)
    started = events.new_execution_started_event("echo", "waiting", "7")
    db.execute("INSERT INTO inbox(id, event) VALUES('waiting', ?)", (started.SerializeToString(),))
    return db


def made(path: Path) -> Path:
    with prepared(path):
        pass
    return path


def left_open(path: Path, script: str) -> Path:
    """A database as a killed process leaves it: with `script` in its log only."""
    with closing(sqlite3.connect(made(path), isolation_level=None)) as db:
        db.executescript(script)
        for suffix in ("", "-wal"):
            shutil.copy(f"{path}{suffix}", path.with_name(f"copy{suffix}"))
    for suffix in ("", "-wal"):
        path.with_name(f"copy{suffix}").replace(f"{path}{suffix}")
    return path


def test_a_new_database_says_whose_it_is(tmp_path):
    path = made(tmp_path / "state" / "hub.sqlite")
    assert pragma(path, "application_id") == APPLICATION_ID
    assert pragma(path, "user_version") == VERSION
    assert pragma(path, "journal_mode") == "wal"
    assert pragma(path, "auto_vacuum") == 2
    assert {file.name for file in path.parent.iterdir()} == {"hub.sqlite", "hub.sqlite.lock"}


def test_the_making_of_it_may_be_interrupted(tmp_path):
    (tmp_path / "hub.sqlite.new").write_bytes(b"half a datab")
    assert pragma(made(tmp_path / "hub.sqlite"), "user_version") == VERSION
    assert not (tmp_path / "hub.sqlite.new").exists()


@pytest.mark.parametrize("closed", [True, False])
def test_an_unnumbered_database_is_migrated_and_goes_on(run, open_hub, tmp_path, closed):
    path = tmp_path / "hub.sqlite"
    db = unnumbered(tmp_path / "was" if not closed else path)
    if not closed:
        for suffix in ("", "-wal"):
            shutil.copy(tmp_path / f"was{suffix}", f"{path}{suffix}")
    db.close()

    async def scenario():
        async with open_hub([echo]) as hub:
            assert hub.hub.get("done").output == '"kept"'
            assert (await hub.finished("waiting")).output == "7"

    run(scenario())
    assert pragma(path, "user_version") == VERSION
    copy = tmp_path / "hub.sqlite.version-1"
    assert (pragma(copy, "user_version"), pragma(copy, "application_id")) == (0, 0)
    with closing(sqlite3.connect(copy)) as db:
        assert db.execute("SELECT count(*) FROM instances").fetchone() == (2,)
        assert db.execute("SELECT count(*) FROM inbox").fetchone() == (1,)


def test_every_path_of_migrations_ends_at_the_same_schema(tmp_path):
    def schema(path: Path) -> set[tuple[str, str]]:
        with closing(sqlite3.connect(path)) as db:
            return set(db.execute("SELECT name, sql FROM sqlite_master"))

    new, old = made(tmp_path / "new.sqlite"), tmp_path / "old.sqlite"
    unnumbered(old).close()
    made(old)
    assert [re.sub(" IF NOT EXISTS", "", sql or "") for _, sql in sorted(schema(old))] == [
        sql or "" for _, sql in sorted(schema(new))
    ]


def test_a_migration_that_fails_changes_nothing_and_is_done_later(tmp_path, monkeypatch):
    path = tmp_path / "hub.sqlite"
    unnumbered(path).close()
    before = path.read_bytes()
    monkeypatch.setattr(database, "MIGRATIONS", (MIGRATIONS[0], "CREATE TABLE later(x); nonsense;"))
    with pytest.raises(TaskHubUnusable, match="nonsense"):
        made(path)
    assert path.read_bytes() == before
    monkeypatch.undo()
    assert pragma(made(path), "user_version") == VERSION


def text_file(path: Path) -> None:
    path.write_text("a diary, of some length, that nobody wants to lose\n" * 100)


def too_short(path: Path) -> None:
    path.write_bytes(b"SQLite format 3\0")


def another_programs(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.executescript("CREATE TABLE songs(title); PRAGMA user_version=3")


def another_programs_with_our_tables_and_more(path: Path) -> None:
    with closing(unnumbered(path)) as db:
        db.execute("CREATE TABLE songs(title)")


def another_applications(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.executescript("CREATE TABLE songs(title); PRAGMA application_id=77")


def newer(path: Path) -> None:
    with closing(sqlite3.connect(made(path))) as db:
        db.execute(f"PRAGMA user_version={VERSION + 1}")


def newer_in_the_log_only(path: Path) -> None:
    left_open(path, f"PRAGMA user_version={VERSION + 1}")


def cut_short(path: Path) -> None:
    made(path)
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 4096)


def damaged_and_not_closed(path: Path) -> None:
    left_open(path, "CREATE TABLE more(x); INSERT INTO more VALUES(1)")
    with path.open("r+b") as file:
        file.seek(2 * 4096)
        file.write(b"\xff" * 4096)


def only_its_log(path: Path) -> None:
    left_open(path, "CREATE TABLE more(x)").unlink()


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (text_file, "not an SQLite database"),
        (too_short, "cannot be read"),
        (another_programs, "another program"),
        (another_programs_with_our_tables_and_more, "another program"),
        (another_applications, "another program"),
        (newer, f"newer version .*schema {VERSION + 1}; this one knows {VERSION}.*Update the program"),
        (newer_in_the_log_only, "newer version"),
        (cut_short, "missing at its end|malformed"),
        (damaged_and_not_closed, "damaged|malformed"),
        (only_its_log, "hub.sqlite-wal is there"),
    ],
)
def test_what_is_not_a_hubs_own_is_refused_and_left_to_the_byte(tmp_path, spoil, reason):
    path = tmp_path / "hub.sqlite"
    spoil(path)
    (tmp_path / "hub.sqlite.lock").unlink(missing_ok=True)
    before = contents(tmp_path)
    with pytest.raises(TaskHubUnusable, match=reason) as refusal:
        made(path)
    assert contents(tmp_path) == before
    assert str(path) in str(refusal.value)
    assert isinstance(refusal.value, TaskHubUnavailable)


def test_a_folder_in_its_place_and_a_folder_nobody_may_make(tmp_path):
    (tmp_path / "hub.sqlite").mkdir()
    with pytest.raises(TaskHubUnusable, match="directory"):
        made(tmp_path / "hub.sqlite")
    (tmp_path / "file").touch()
    with pytest.raises(TaskHubUnusable, match="may write there"):
        made(tmp_path / "file" / "hub.sqlite")


def test_what_a_killed_process_left_in_the_log_is_kept(tmp_path):
    path = left_open(tmp_path / "hub.sqlite", "INSERT INTO history VALUES('i', 0, x'00'), ('i', 1, x'01')")
    with prepared(path), closing(connect(path)) as db:
        assert db.execute("SELECT count(*) FROM history").fetchone() == (2,)


def test_the_claim_is_given_back(tmp_path):
    path = tmp_path / "hub.sqlite"
    with prepared(path), pytest.raises(TaskHubLocked):
        lock(path)
    lock(path).close()


def test_a_reader_cannot_write(tmp_path):
    path = made(tmp_path / "hub.sqlite")
    with closing(connect(path, read_only=True)) as db, pytest.raises(sqlite3.OperationalError):
        db.execute("DELETE FROM history")


def test_damage_that_shows_only_when_it_is_read_is_told_at_the_start(run, open_hub, tmp_path):
    path = made(tmp_path / "hub.sqlite")
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (path.stat().st_size - 4096))
    before = path.read_bytes()

    async def scenario():
        async with open_hub():
            pass

    with pytest.raises(TaskHubUnusable, match="damaged"):
        run(scenario())
    assert path.read_bytes() == before


def test_a_start_does_not_go_through_what_is_finished(run, open_hub, tmp_path, monkeypatch):
    """However much there is: no statement of it scans the instances or their history."""
    statements = list[str]()

    def watched(*arguments, **settings) -> sqlite3.Connection:
        db = connect(*arguments, **settings)
        db.set_trace_callback(statements.append)
        return db

    monkeypatch.setattr(client, "connect", watched)

    async def scenario():
        async with open_hub():
            pass

    run(scenario())
    read = [sql for sql in statements if sql.startswith("SELECT")]
    assert read
    with closing(connect(tmp_path / "hub.sqlite")) as db:
        plans = [row[3] for sql in read for row in db.execute(f"EXPLAIN QUERY PLAN {sql}")]
    assert not [plan for plan in plans if plan.startswith(("SCAN history", "SCAN instances"))]
