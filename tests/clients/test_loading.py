"""The SDKs' loading: the first activities of a new process build their clients side by side."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from busbar.clients.session import load

ROOT = Path(__file__).parents[2]

SIDE_BY_SIDE = """
import json, sys, threading

from busbar.clients import blobs, email, event_grid, machine_learning, session, tables
from busbar.settings import Settings

settings = Settings.from_environment(json.load(open("local.settings.sample.json"))["Values"])
BUILT = {
    "azure.ai.ml": machine_learning.MachineLearning,
    "azure.ai.ml.constants": machine_learning.MachineLearning,
    "azure.ai.ml.dsl": machine_learning.MachineLearning,
    "azure.ai.ml.entities": machine_learning.MachineLearning,
    "azure.communication.email": email.Mail,
    "azure.data.tables": tables.Tables,
    "azure.eventgrid": event_grid.Events,
    "azure.identity": lambda settings: session.credential(),
    "azure.storage.blob": blobs.Blobs,
}
sys.setswitchinterval(1e-5)  # threads meet in each other's imports, as they otherwise do once in a long while
together = threading.Barrier(len(BUILT))


def use(module):
    together.wait()
    try:
        BUILT[module](settings)
        assert module in sys.modules, "is not loaded"
    except Exception as error:
        print(f"{module}: {error!r}")


threads = [threading.Thread(target=use, args=(module,)) for module in BUILT]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""


def test_clients_that_are_built_together_find_their_sdks_whole():
    done = subprocess.run(
        [sys.executable, "-c", SIDE_BY_SIDE], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


def test_a_module_is_loaded_while_no_other_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    names = ["slow_sdk_one", "slow_sdk_two"]
    for name in names:
        (tmp_path / f"{name}.py").write_text(
            "import time\nbegun = time.monotonic()\ntime.sleep(0.2)\nended = time.monotonic()\n"
        )
    monkeypatch.syspath_prepend(tmp_path)
    with ThreadPoolExecutor(len(names)) as pool:
        list(pool.map(load, names))
    first, second = sorted((sys.modules[name] for name in names), key=lambda module: module.begun)
    assert first.ended <= second.begun
