"""The audit log, on a real table service, with writers in several processes."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from busbar.clients.audit import Audit
from busbar.clients.tables import Row, Tables
from busbar.codec import to_wire
from busbar.domain.audit import EMPTY, Entry, Fault, Head, digest, verify
from busbar.domain.circuits import CircuitKey
from busbar.domain.errors import VersionConflict
from tests.azure import LocalAzure

WRITER = """
import os, sys
from busbar.clients.audit import Audit
from busbar.settings import Settings
table, who, count = sys.argv[1:]
audit = Audit(Settings.from_environment(os.environ), table)
for number in range(int(count)):
    said = {"kind": "vote", "subject": "r-1", "actor": who, "sentence": f"vote {number}"}
    audit.append(id=f"{who}-{number}", **said, details={"number": number})
"""
SAID: dict[str, Any] = {"kind": "vote", "subject": "r-1", "actor": "ml-lead", "sentence": "approved"}


@pytest.fixture
def table() -> str:
    return f"audit{uuid4().hex}"


@pytest.fixture
def audit(local_azure: LocalAzure, table: str) -> Audit:
    return Audit(local_azure.settings, table)


def test_an_empty_log_is_whole(audit: Audit):
    assert audit.head() == EMPTY
    assert audit.entries() == []
    assert verify(audit.entries(), audit.head()).whole


def test_entries_come_back_chained_in_order(audit: Audit):
    details = {"excluded": (CircuitKey("P", "C"),), "share": 0.25, "why": "ä\n€", "none": None}
    first = audit.append(id="a", **SAID, details=details)
    second = audit.append(id="x/y#?\\ü", **SAID, details={})
    assert audit.entries() == [first, second]
    assert (first.sequence, second.sequence, second.previous) == (1, 2, first.digest)
    assert first.details["excluded"] == [{"plant_id": "P", "circuit_id": "C"}]
    assert audit.head() == Head(2, second.digest)
    assert verify(audit.entries(), audit.head()).whole
    assert audit.entries(2, 2) == [second]


def test_a_repeat_is_harmless_and_another_content_refused(audit: Audit):
    first = audit.append(id="a", **SAID, details={"n": 1})
    audit.append(id="b", **SAID, details={"n": 1})
    assert audit.append(id="a", **SAID, details={"n": 1}) == first
    with pytest.raises(VersionConflict, match=r"audit entry a says 'approved'"):
        audit.append(id="a", **SAID, details={"n": 2})
    with pytest.raises(VersionConflict):
        audit.append(id="a", **SAID | {"actor": "operator"}, details={"n": 1})
    assert [entry.id for entry in audit.entries()] == ["a", "b"]


def test_a_number_that_json_lacks_stays_verifiable(audit: Audit):
    audit.append(id="a", **SAID, details={"measured": float("nan"), "limit": float("inf"), "tiny": 1e-17})
    assert verify(audit.entries(), audit.head()).whole


def test_writers_in_several_processes_leave_no_gap_and_no_fork(
    local_azure: LocalAzure, audit: Audit, table: str
):
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, table, f"writer{number}", "10"])
        for number in range(3)
    ]
    assert [writer.wait(120) for writer in writers] == [0] * 3
    entries = audit.entries()
    assert verify(entries, audit.head()).whole
    assert [entry.sequence for entry in entries] == list(range(1, 31))
    assert {entry.id for entry in entries} == {f"writer{w}-{n}" for w in range(3) for n in range(10)}


def test_twenty_threads_that_say_the_same_write_one_entry(audit: Audit):
    with ThreadPoolExecutor(20) as pool:
        written = list(pool.map(lambda _: audit.append(id="a", **SAID, details={}), range(20)))
    assert audit.entries() == written[:1]
    assert set(entry.digest for entry in written) == {written[0].digest}


def test_an_append_reads_no_more_as_the_log_grows(
    local_azure: LocalAzure, audit: Audit, monkeypatch: pytest.MonkeyPatch
):
    from busbar.clients import tables

    for number in range(30):
        audit.append(id=str(number), **SAID, details={})

    def refused(*_: object) -> list[Row]:
        raise AssertionError("an append lists nothing")

    monkeypatch.setattr(tables.Table, "_found", refused)
    audit.append(id="one more", **SAID, details={})


def tampered(local_azure: LocalAzure, table: str, sequence: int, body: str | None) -> None:
    """What somebody with the keys of the storage account can do to a row."""
    log, key = Tables(local_azure.settings)[table], f"{sequence:012d}"
    log.delete("chain", key) if body is None else log.upsert("chain", key, body)


def test_a_hand_in_the_table_is_found(local_azure: LocalAzure, audit: Audit, table: str):
    kept = [audit.append(id=str(number), **SAID, details={}) for number in range(1, 6)]

    def found(sequence: int, body: str | None) -> tuple[Fault | None, int | None]:
        tampered(local_azure, table, sequence, body)
        verdict = verify(audit.entries(), audit.head())
        tampered(local_azure, table, sequence, json.dumps(to_wire(kept[sequence - 1])))
        assert verify(audit.entries(), audit.head()).whole
        return verdict.fault, verdict.sequence

    def sealed(entry: Entry) -> str:
        return json.dumps(to_wire(replace(entry, digest=digest(entry))))

    assert found(2, json.dumps(to_wire(replace(kept[1], sentence="rejected")))) == (Fault.ALTERED, 2)
    assert found(2, sealed(replace(kept[1], sentence="rejected"))) == (Fault.FORKED, 3)
    assert found(5, sealed(replace(kept[4], sentence="rejected"))) == (Fault.FORKED, 5)
    assert found(3, None) == (Fault.REMOVED, 4)
    assert found(5, None) == (Fault.REMOVED, 5)
    assert found(4, "not JSON") == (Fault.ALTERED, 4)
    assert found(4, json.dumps({"id": "x"})) == (Fault.ALTERED, 4)
    assert found(1, json.dumps(to_wire(kept[1]))) == (Fault.REMOVED, 2)
