"""What a power cut leaves: of every file, what had been synchronised by then (from a trace of system calls)."""

import os
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from localazure.task_hub.database import connect, prepared
from localazure.task_hub.store import Reader

ROOT = Path(__file__).parents[3]
PROGRAM = """
import asyncio, sys, time
from pathlib import Path
from localazure.task_hub.client import open_task_hub

async def main():
    async with open_task_hub(Path(sys.argv[1]), None, synchronous=sys.argv[2]) as hub:
        for n in range(6):
            await hub.start("f", None, f"i{n}", start_at=time.time() + 1000)
            print(f"acknowledged {n}", flush=True)
        sys.stdout.flush()
        import os; os._exit(0)

asyncio.run(main())
"""
CALL = re.compile(r'\d+ +(\w+)\(\d+<([^>]*)>(?:, "((?:\\x..)*)", \d+(?:, (\d+))?|, (\d+))?\) += (\d+)')


def traced(folder: Path, synchronous: str) -> list[str]:
    """The system calls of the program, as they ended, in order."""
    command = [
        *("strace", "-f", "-y", "-xx", "-s", "1000000", "-o", str(folder / "trace")),
        *("-e", "trace=write,pwrite64,fsync,fdatasync,ftruncate"),
        *(sys.executable, "-c", PROGRAM, str(folder / "hub.sqlite"), synchronous),
    ]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)})
    if "PTRACE" in done.stderr:
        pytest.skip("strace may not trace processes here")
    assert done.returncode == 0, done.stderr
    return list(_whole((folder / "trace").read_text().splitlines()))


def _whole(lines: list[str]) -> Iterator[str]:
    """Calls that were interrupted by another thread's, put together again."""
    begun = dict[str, str]()
    for line in lines:
        thread = line.split(maxsplit=1)[0]
        if line.endswith("<unfinished ...>"):
            begun[thread] = line.removesuffix("<unfinished ...>").rstrip()
        elif "resumed>" in line:
            yield begun.pop(thread) + line.split("resumed>", 1)[1]
        else:
            yield line


def power_cuts(calls: list[str]) -> Iterator[tuple[int, dict[str, bytes]]]:
    """At each acknowledgement, by its number: the files as they had been synchronised."""
    written, kept = defaultdict[str, bytearray](bytearray), dict[str, bytes]()
    for call in calls:
        if not (match := CALL.match(call)):
            continue
        name, path, data, offset, length, result = match.groups()
        path = re.sub(r"\\x(..)", lambda m: chr(int(m[1], 16)), path)
        match name:
            case "fsync" | "fdatasync":
                kept[Path(path).name] = bytes(written[path])
            case "ftruncate":
                del written[path][int(length) :]
            case "pwrite64":
                block = bytes.fromhex(data.replace("\\x", ""))[: int(result)]
                written[path].extend(bytes(max(0, int(offset) - len(written[path]))))
                written[path][int(offset) : int(offset) + len(block)] = block
            case _:
                text = bytes.fromhex(data.replace("\\x", "")).decode(errors="replace")
                if text.startswith("acknowledged "):
                    yield int(text.split()[1]), dict(kept)


def found_after(files: dict[str, bytes], folder: Path) -> set[str]:
    """The instances in a database that is left as `files` say."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    draft = files.get("hub.sqlite.new", b"")  # the name under which it was made
    (folder / "hub.sqlite").write_bytes(files.get("hub.sqlite", draft))
    if "hub.sqlite-wal" in files:
        (folder / "hub.sqlite-wal").write_bytes(files["hub.sqlite-wal"])
    with prepared(folder / "hub.sqlite"), closing(connect(folder / "hub.sqlite")) as db:
        return {f"i{n}" for n in range(6) if Reader(db).instance(f"i{n}")}


@pytest.mark.skipif(not shutil.which("strace"), reason="needs strace")
@pytest.mark.parametrize(("synchronous", "kept"), [("FULL", True), ("NORMAL", False)])
def test_with_full_what_is_acknowledged_outlives_a_power_cut(tmp_path, synchronous, kept):
    cuts = list(power_cuts(traced(tmp_path, synchronous)))
    assert [n for n, _ in cuts] == list(range(6))
    for n, files in cuts:
        acknowledged = {f"i{m}" for m in range(n + 1)}
        found = found_after(files, tmp_path / "after")
        assert (acknowledged <= found) is kept
