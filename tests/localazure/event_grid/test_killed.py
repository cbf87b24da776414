"""A server that is killed at any moment: what it said it had accepted is delivered by the next, at least once."""

import json
import subprocess
import sys
from urllib.parse import urlsplit

import pytest

from localazure.config import Ports
from localazure.runtime import open_runtime
from tests.localazure.event_grid.conftest import config, emulators

# Accepts events until it is killed, says each id once it has accepted it, and delivers meanwhile.
CHILD = """
import asyncio, sys, threading
from pathlib import Path
from localazure.event_grid import EventGrid
from localazure.identity import Identity
from localazure.runtime import open_runtime

runtime = open_runtime(Path(sys.argv[1]), Path(sys.argv[2]))
grid = EventGrid(runtime, Identity(runtime).tokens)

def publish():
    for number in range(10_000):
        grid.emit("busbar", {"id": str(number), "eventType": "t"})
        print(number, flush=True)

async def main():
    await grid.start()
    threading.Thread(target=publish, daemon=True).start()
    await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.mark.parametrize("after", [1, 40])
def test_what_was_accepted_before_a_kill_is_delivered_after_it(
    made_once, tmp_path, serving_again, receiver, wait, after
):
    path, state = tmp_path / "local.json", tmp_path / "state"
    ports = dict.fromkeys(Ports.model_fields, 0) | {"functions": urlsplit(receiver.url).port}
    path.write_text(json.dumps({**config(time_scale=0.01).model_dump(mode="json"), "ports": ports}))
    receiver.statuses = [500, 200, 503, 200, 200] * 4  # so that some wait for their second attempt
    with subprocess.Popen([sys.executable, "-c", CHILD, path, state], stdout=subprocess.PIPE) as child:
        assert child.stdout
        lines = [child.stdout.readline() for _ in range(after)]
        child.kill()
        lines += child.stdout.readlines()
    accepted = {line.decode().strip() for line in lines if line.endswith(b"\n")}
    assert len(accepted) >= after
    runtime = open_runtime(path, state)
    with serving_again(runtime, emulators(runtime)):
        wait(lambda: accepted <= {got.json[0]["id"] for got in receiver.received})
