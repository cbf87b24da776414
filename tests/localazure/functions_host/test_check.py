"""The static check: source text → what is found in it."""

import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent, indent

import pytest

from localazure.functions_host.check import CannotCheck, check

ROOT = Path(__file__).parents[3]


@pytest.fixture
def found(tmp_path, monkeypatch):
    """Writes files below an app folder and gives the findings as (line, what); `path` is what is checked."""
    monkeypatch.chdir(tmp_path)

    def run(files, path="."):
        for name, text in files.items():
            file = tmp_path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(dedent(text))
        report = check([tmp_path / path], tmp_path)
        return [(finding.line, finding.what) for finding in report.findings]

    return run


def orchestrator(imports, body):
    return f"{imports}\n@app.orchestration_trigger(context_name='ctx')\ndef work(ctx, request):\n{indent(body, '    ')}"


@pytest.mark.parametrize(
    ("imports", "body", "what"),
    [
        # clock
        ("import datetime", "datetime.datetime.now()", "datetime.datetime.now()"),
        ("from datetime import datetime", "datetime.utcnow()", "datetime.utcnow()"),
        ("from datetime import datetime as dt", "dt.now().isoformat()", "dt.now()"),
        ("from datetime import date", "date.today()", "date.today()"),
        ("import time as t", "t.time()", "t.time()"),
        ("from time import monotonic", "x = monotonic()", "monotonic()"),
        ("import time", "time.strftime('%Y')", "time.strftime()"),
        ("import time", "time.sleep(1)", "time.sleep()"),
        ("import asyncio", "yield asyncio.sleep(1)", "asyncio.sleep()"),
        # chance
        ("import random", "random.choice(request)", "random.choice()"),
        ("from random import random as chance", "if chance() < 0.1: pass", "chance()"),
        ("import random", "random.Random()", "random.Random()"),
        ("import secrets", "secrets.token_hex()", "secrets.token_hex()"),
        ("import numpy as np", "np.random.rand()", "np.random.rand()"),
        ("import uuid", "str(uuid.uuid4())", "uuid.uuid4()"),
        ("from uuid import uuid1", "uuid1()", "uuid1()"),
        ("", "hash(request)", "hash()"),
        # surroundings
        ("import os", "os.environ['X']", "os.environ"),
        ("from os import environ", "environ.get('X')", "environ"),
        ("import os", "os.environ.get('X')", "os.environ"),
        ("import os", "os.getenv('X')", "os.getenv()"),
        ("import sys", "sys.argv[1]", "sys.argv"),
        ("import platform", "platform.node()", "platform.node()"),
        # I/O
        ("", "open('x')", "open()"),
        ("import os", "os.listdir()", "os.listdir()"),
        ("import os.path", "os.path.exists(request)", "os.path.exists()"),
        ("from pathlib import Path", "Path('x').exists()", "Path('x').exists()"),
        ("from pathlib import Path", "p = Path('x')\np.read_text()", "p.read_text()"),
        ("import requests", "requests.get('http://x')", "requests.get()"),
        ("import httpx", "with httpx.Client() as c: pass", "httpx.Client()"),
        ("from urllib.request import urlopen", "urlopen('http://x')", "urlopen()"),
        ("import socket", "socket.create_connection(request)", "socket.create_connection()"),
        ("import subprocess", "subprocess.run(['x'])", "subprocess.run()"),
        ("from azure.storage.blob import BlobClient", "BlobClient('x')", "BlobClient()"),
        ("", "print('hello')", "print()"),
        # threads
        ("import threading", "threading.Thread(target=work)", "threading.Thread()"),
        ("from concurrent.futures import ThreadPoolExecutor", "ThreadPoolExecutor()", "ThreadPoolExecutor()"),
        ("import asyncio", "asyncio.run(request)", "asyncio.run()"),
        ("import multiprocessing as mp", "mp.Pool()", "mp.Pool()"),
        # global state
        ("N = 0", "global N\nN += 1", "global N"),
        ("CACHE = {}", "CACHE[request] = 1", "CACHE[request]"),
        ("CACHE = {}", "del CACHE[request]", "CACHE[request]"),
        ("CACHE = {}", "CACHE.setdefault(request, 1)", "CACHE.setdefault()"),
        ("SEEN: list = []", "SEEN.append(request)", "SEEN.append()"),
        ("STATE = State()", "STATE.last = request", "STATE.last"),
        ("import itertools\nIDS = itertools.count()", "n = next(IDS)", "next(IDS)"),
        # order
        ("", "for x in {1, 2}: yield x", "{1, 2}"),
        ("", "for x in set(request): yield x", "set(request)"),
        ("", "s = frozenset(request)\nfor x in s: yield x", "s"),
        ("", "for x in set(request) - {1}: yield x", "set(request) - {1}"),
        ("", "yield [x for x in {y for y in request}]", "{y for y in request}"),
        ("", "yield list({1, 2})", "{1, 2}"),
        ("", "yield ','.join(set(request))", "set(request)"),
        # asynchronous
        ("", "async def inner():\n    await request", "await"),
    ],
)  # fmt: skip
def test_sins(found, imports, body, what):
    assert [found for _, found in found({"function_app.py": orchestrator(imports, body)})] == [what]


@pytest.mark.parametrize(
    ("imports", "body"),
    [
        ("from datetime import datetime, timedelta", "ctx.create_timer(ctx.current_utc_datetime + timedelta(1))"),
        ("from datetime import datetime", "datetime.fromisoformat(request)"),
        ("import time", "time.strftime('%Y', request)"),
        ("import random", "random.Random(ctx.new_uuid()).random()"),
        ("import uuid", "uuid.uuid5(uuid.NAMESPACE_OID, request)"),
        ("import os", "os.path.join('a', 'b')"),
        ("from pathlib import Path", "Path('a').name"),
        ("", "time = request\ntime.sleep()"),
        ("", "open = request['open']\nopen()"),
        ("", "id = request\nyield id"),
        ("", "if not ctx.is_replaying:\n    print('once')"),
        ("", "for x in sorted({1, 2}): yield x"),
        ("", "yield sum(x for x in {1, 2})"),
        ("", "yield {x for x in {1, 2}}"),
        ("", "yield sorted(list({1, 2}))"),
        ("CACHE = {}", "CACHE = {}\nCACHE['x'] = 1"),
        ("LIMITS = {'x': 1}", "yield LIMITS['x']"),
        ("", "total = 0\ndef add():\n    nonlocal total\n    total += 1"),
        ("import time", "yield ctx.call_activity(time.sleep)"),
    ],
)  # fmt: skip
def test_what_is_allowed(found, imports, body):
    assert found({"function_app.py": orchestrator(imports, body)}) == []


def test_async_orchestrators(found):
    source = (
        "@app.orchestration_trigger(context_name='c')\nasync def work(c):\n    await c.call_activity('x')\n"
    )
    assert found({"function_app.py": source}) == [(2, "async def work"), (3, "await")]


def test_state_of_an_enclosing_function(found):
    source = """\
    def make(app):
        count = 0
        @app.orchestration_trigger(context_name='c')
        def work(c):
            nonlocal count
            count = count + 1
    """
    assert found({"function_app.py": source}) == [(5, "nonlocal count")]


SINFUL = "import time\ndef work(ctx):\n    yield ctx.create_timer(time.time())\n"


@pytest.mark.parametrize(
    "registration",
    [
        "app.orchestration_trigger(context_name='c')(work)",
        "app.function_name('work')(app.orchestration_trigger(context_name='c')(wrapped(work)))",
        "main = df.Orchestrator.create(work)",
        "worker.add_orchestrator(work)",
        "for one in (work,):\n    app.orchestration_trigger(context_name='c')(one)",
        "ALL = [work]\nfor one in ALL:\n    app.orchestration_trigger(context_name='c')(one)",
    ],
)
def test_how_orchestrators_are_registered(found, registration):
    assert found({"function_app.py": f"{SINFUL}{registration}\n"}) == [(3, "time.time()")]


def test_orchestrators_that_are_imported_to_be_registered(found):
    files = {
        "flows/__init__.py": "from flows.one import work\nALL = (work,)\n",
        "flows/one.py": SINFUL,
        "function_app.py": "from flows import ALL\nfor f in ALL:\n    app.orchestration_trigger('c')(f)\n",
    }
    assert found(files, "function_app.py") == [(3, "time.time()")]


@pytest.mark.parametrize(
    ("path", "expected"),
    [("orchestrators", 1), ("orchestrators/one.py", 1), (".", 1), ("lib", 0), ("lib/two.py", 1)],
)
def test_every_generator_counts_where_orchestrators_live(found, path, expected):
    files = {"orchestrators/one.py": SINFUL, "lib/two.py": SINFUL, ".venv/site.py": SINFUL}
    assert len(found(files, path)) == expected


def test_functions_that_orchestrators_call_are_followed(found):
    files = {
        "function_app.py": """\
            from lib import steps
            from lib.steps import again
            import lib.clock as clocks
            @app.orchestration_trigger(context_name='c')
            def work(c):
                helper()
                yield from steps.first(c)
                again()
                clocks.read()
                yield c.call_activity(activity)
            def helper():
                open('x')
            def activity(request):
                open('y')
        """,
        "lib/__init__.py": "",
        "lib/steps.py": """\
            from .clock import read as look
            from .other import moved
            def first(c):
                yield look()
            def again():
                again()
                moved()
        """,
        "lib/clock.py": "import time\ndef read():\n    return time.time()\n",
        "lib/other.py": "from lib.last import moved\n",
        "lib/last.py": "import uuid\ndef moved():\n    return uuid.uuid4()\n",
    }
    assert sorted(found(files)) == [(3, "time.time()"), (3, "uuid.uuid4()"), (12, "open()")]


def test_a_finding_says_where_why_and_what_instead(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "flow.py"
    file.write_text("import time\ndef work(c):\n    yield now()\ndef now():\n    return time.time()\n")
    report = check([file], tmp_path)
    assert [str(finding) for finding in report.findings] == [
        "flow.py:5:12: now (called by work): time.time() reads the clock, and every replay reads another time. "
        "Instead: ctx.current_utc_datetime."
    ]
    assert (report.orchestrators, report.failed) == (("work",), True)


def test_a_warning_alone_does_not_fail(tmp_path):
    file = tmp_path / "flow.py"
    file.write_text("def work(c):\n    print('x')\n    yield\n")
    report = check([file], tmp_path)
    assert ("warning: work: print() prints again" in str(report.findings[0]), report.failed) == (True, False)


@pytest.mark.parametrize(
    ("comment", "what"),
    [
        ("# durable: allow the flag is set at deployment only", []),
        ("#durable:allow - fixed by the image", []),
        ("# durable: allow", ["the comment"]),
        ("# durable: allowed?", ["os.getenv()"]),
    ],
)
def test_a_line_can_be_allowed_with_a_reason(found, comment, what):
    source = orchestrator("import os", f"yield os.getenv('X')  {comment}")
    assert [found for _, found in found({"function_app.py": source})] == what


@pytest.mark.parametrize(
    ("files", "path", "message"),
    [
        ({}, "nowhere", "nowhere does not exist"),
        (
            {"bad.py": "def"},
            "bad.py",
            "bad.py cannot be checked: invalid syntax|bad.py cannot be checked: expected",
        ),
    ],
)
def test_what_cannot_be_checked_is_said(found, files, path, message):
    with pytest.raises(CannotCheck, match=message):
        found(files, path)


@pytest.mark.parametrize(
    ("source", "arguments", "status", "said"),
    [
        (SINFUL, ["flow.py"], 1, "flow.py:3:28: work: time.time() reads the clock"),
        (SINFUL, [], 0, "0 orchestrators, no findings."),
        ("def work(c):\n    yield\n", ["flow.py"], 0, "1 orchestrator, no findings."),
        ("def work(c):\n    yield print()\n", ["flow.py"], 0, "1 orchestrator, 1 finding."),
        (SINFUL, ["elsewhere.py"], 1, "elsewhere.py does not exist."),
    ],
)
def test_the_command(tmp_path, source, arguments, status, said):
    (tmp_path / "flow.py").write_text(source)
    command = [sys.executable, "-m", "localazure.functions_host", "check", *arguments]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, said in done.stdout + done.stderr) == (status, True)
