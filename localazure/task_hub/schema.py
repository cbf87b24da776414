"""The tables of a task hub, as the steps that made them. A change is a new step: steps that exist never change."""

APPLICATION_ID = int.from_bytes(b"LAth")  # `file` and SQLite's own tools show it

_FIRST = """
CREATE TABLE instances(
  id TEXT PRIMARY KEY, execution TEXT NOT NULL, name TEXT NOT NULL, status INT NOT NULL,
  input TEXT, output TEXT, custom_status TEXT, failure BLOB,
  parent_id TEXT, parent_execution TEXT, parent_task INT,
  created REAL NOT NULL, updated REAL NOT NULL, completed REAL);
CREATE INDEX instances_by_parent ON instances(parent_id);
CREATE TABLE history(
  id TEXT, seq INT, event BLOB NOT NULL, PRIMARY KEY(id, seq)) WITHOUT ROWID;
-- Events to deliver, in the order of n; those with a due time are timers.
CREATE TABLE inbox(
  n INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, due REAL, event BLOB NOT NULL);
CREATE INDEX inbox_by_id ON inbox(id);
-- Activities that were scheduled and have not reported back; they go with their execution.
CREATE TABLE activities(
  n INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, task INT NOT NULL, name TEXT NOT NULL, input TEXT);
CREATE INDEX activities_by_id ON activities(id);
"""

_ENTITIES_AND_LISTINGS = """
ALTER TABLE instances ADD COLUMN version TEXT;
CREATE INDEX instances_by_creation ON instances(created);
CREATE INDEX instances_by_completion ON instances(completed, id) WHERE completed IS NOT NULL;
-- The inbox serves entities too. The sender is the instance whose call, lock request or release an event is.
ALTER TABLE inbox ADD COLUMN sender TEXT;
DROP INDEX inbox_by_id;
CREATE INDEX inbox_by_arrival ON inbox(id, due);
CREATE INDEX inbox_by_sender ON inbox(sender, id) WHERE sender IS NOT NULL;
-- An entity without a state is empty: it was locked, or its state was deleted.
CREATE TABLE entities(
  id TEXT PRIMARY KEY, state TEXT, modified REAL NOT NULL, locked_by TEXT, section TEXT);
CREATE INDEX entities_by_holder ON entities(locked_by) WHERE locked_by IS NOT NULL;
"""

MIGRATIONS = (_FIRST, _ENTITIES_AND_LISTINGS)
VERSION = len(MIGRATIONS)

# Databases of the first version do not say whose they are; these tables do.
TABLES_OF_THE_FIRST = {"instances", "history", "inbox", "activities", "sqlite_sequence"}
