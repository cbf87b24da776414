"""What the database and the activities' own effects say after a kill, and whether the two agree."""

import contextlib
import json
import shutil
import sqlite3
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import durabletask.internal.orchestrator_service_pb2 as pb

from tests.localazure.task_hub.consistency import contradictions

BEGINS_ANEW = "ledger"  # its history tells of its last execution only


@dataclass(frozen=True)
class Page:
    """A moment between two lives of the host. Activities by the id in their input."""

    scheduled: Counter[str]  # in the histories that are there
    outstanding: Counter[str]  # scheduled, without a committed result
    instances: frozenset[str]
    effects: int  # lines in the file of effects


@dataclass
class Books:
    """Compares each page with the one before."""

    database: Path
    effects: Path
    last: Page = field(default_factory=lambda: Page(Counter(), Counter(), frozenset(), 0))
    known: Counter[str] = field(default_factory=Counter[str])  # schedulings ever, by id

    def turn_the_page(self) -> None:
        """Raises AssertionError when a committed result was lost, or its activity ran again."""
        page, ran = self._read()
        known = self.known | page.scheduled | Counter(set(ran))
        for activity, times in ran.items():
            there = _instance(activity) in page.instances
            if there and not _instance(activity).startswith(BEGINS_ANEW):
                assert page.scheduled[activity], f"{activity} ran without being committed to"
            if _repeats(activity) and not there:
                continue  # purged: nobody knows how many retries there were
            new = known[activity] - self.known[activity]
            assert times <= self.last.outstanding[activity] + new, (
                f"{activity} ran {times} times in this life of the host: {self.last.outstanding[activity]} "
                f"without a result at its start, {new} scheduled since"
            )
        for activity in known:
            before = self.known[activity] - self.last.outstanding[activity]
            after = known[activity] - page.outstanding[activity]
            assert after >= before, f"{activity} had {before} committed results and has {after}"
        self.known, self.last = known, page

    @property
    def committed(self) -> int:
        """Activity results that were committed."""
        return self.known.total() - self.last.outstanding.total()

    @property
    def run_again(self) -> int:
        """Runs of activities beyond the first, for those that are scheduled once: a kill interrupted them."""
        runs = Counter(self.effects.read_text().splitlines())
        return sum(times - 1 for activity, times in runs.items() if not _repeats(activity))

    def _read(self) -> tuple[Page, Counter[str]]:
        lines = self.effects.read_text().splitlines() if self.effects.exists() else []
        with snapshot(self.database) as db:
            problems = contradictions(db)
            assert not problems, "\n".join(problems)
            page = Page(_scheduled(db), _outstanding(db), _instances(db), len(lines))
        return page, Counter(lines[self.last.effects :])


def _repeats(activity: str) -> bool:
    return activity.endswith("/flaky")


def _instance(activity: str) -> str:
    return activity.partition("/")[0]


@contextlib.contextmanager
def snapshot(database: Path):
    """A copy of the database as it lies on the disk: reading it leaves what the host will find untouched."""
    with TemporaryDirectory() as folder:
        for name in (database.name, f"{database.name}-wal"):
            with contextlib.suppress(FileNotFoundError):  # killed before it was made
                shutil.copy(database.with_name(name), folder)
        with contextlib.closing(sqlite3.connect(Path(folder) / database.name)) as db:
            yield db


def _scheduled(db: sqlite3.Connection) -> Counter[str]:
    events = (pb.HistoryEvent.FromString(blob) for (blob,) in _rows(db, "SELECT event FROM history"))
    return Counter(_activity(e.taskScheduled.input.value) for e in events if e.HasField("taskScheduled"))


def _outstanding(db: sqlite3.Connection) -> Counter[str]:
    return Counter(_activity(payload) for (payload,) in _rows(db, "SELECT input FROM activities"))


def _instances(db: sqlite3.Connection) -> frozenset[str]:
    return frozenset(instance_id for (instance_id,) in _rows(db, "SELECT id FROM instances"))


def _activity(payload: str) -> str:
    return json.loads(payload)["id"]


def _rows(db: sqlite3.Connection, query: str) -> list[tuple[str]]:
    made = db.execute("SELECT count(*) FROM sqlite_master WHERE name='history'").fetchone()[0]
    return db.execute(query).fetchall() if made else []  # killed before the tables were made
