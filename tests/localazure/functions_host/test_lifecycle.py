"""Starting, stopping, being killed."""

import errno
import json
import os
import re
import signal
import socket
import threading
import time

import pytest


def test_stops_cleanly_and_prints_its_functions(start):
    host = start()
    host.http.get("/broken")
    output = host.stop()
    assert host.process.returncode == 0
    assert "broken failed: RuntimeError: broken on purpose" in output
    assert "azure_functions_runtime" not in output
    assert re.search(r"start +http +POST +/runs/\{name\}/\{id\?\} *\n", output)
    assert re.search(r"(?s)orchestration .*pipeline", output)


def test_app_that_does_not_import_ends_the_host_with_its_own_frames(start, tmp_path):
    app = tmp_path / "app"
    app.mkdir()
    (app / "host.json").write_text("{}")
    (app / "function_app.py").write_text("import helper\n")
    (app / "helper.py").write_text("def load():\n    return 1 / 0\n\n\nload()\n")
    with pytest.raises(
        AssertionError, match=r"(?s)exit status 1.*ZeroDivisionError: division by zero"
    ) as raised:
        start(app=app)
    said = str(raised.value)
    assert 'helper.py", line 5, in <module>' in said
    assert 'helper.py", line 2, in load' in said
    assert "azure_functions_runtime" not in said
    assert "importlib" not in said


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "host.json does not exist"),
        ({"host.json": "{"}, "is not JSON"),
        ({"host.json": "{}", "function_app.py": ""}, "Could not find top level function app"),
        ({"host.json": "{}", "local.settings.json": "[]"}, "is not a JSON object"),
    ],
)
def test_unusable_apps_are_explained(start, tmp_path, files, message):
    app = tmp_path / "app"
    app.mkdir()
    for name, text in files.items():
        (app / name).write_text(text)
    with pytest.raises(AssertionError, match=f"(?s)exit status 1.*{message}"):
        start(app=app)


def test_a_taken_port_is_named_with_its_holder_and_the_option(start):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(AssertionError) as raised:
            start("--port", str(port))
    assert f"Port {port} cannot be used: Address already in use by process {os.getpid()} (" in str(
        raised.value
    )
    assert "Choose another with --port." in str(raised.value)


def test_a_task_hub_in_use_is_refused(start):
    first = start()
    with pytest.raises(AssertionError, match=rf"(?s)exit status 1.*in use by process {first.process.pid}"):
        start()


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--retention", "soon"), "'soon' is not a time such as 30d"),
        (("--synchronous", "maybe"), "'maybe' is not one of"),
        (("--clock", "broken"), "'broken' is not one of"),
        (("--app", "nowhere"), "does not exist"),
        (("--port", "70000"), "less than or equal to 65535"),
    ],
)
def test_a_wrong_option_is_explained(start, options, complaint):
    with pytest.raises(AssertionError, match="exit status 2") as raised:
        start(*options)
    assert complaint in " ".join(str(raised.value).replace("│", "").split())


def test_options_may_come_from_the_environment(start, key):
    host = start(LOCALAZURE_CLOCK="manual")
    answer = host.http.post("/admin/clock", json={"advance": 1}, headers={"x-functions-key": key})
    assert answer.status_code == 200


@pytest.mark.parametrize("columns", [80, 160])
def test_the_table_of_functions_fits_the_terminal(start_surface, columns):
    host = start_surface(COLUMNS=str(columns), **{"AzureWebJobs.off.Disabled": "1"})
    table, _, rest = host.output.partition("host.json:")
    assert max(map(len, table.splitlines())) <= columns
    assert "(disabled)" in table
    assert "(not served here)" in table
    assert "/api/echo/{name}/{*rest}\n" in re.sub(" +\n", "\n", table)
    assert "not honoured here: extensions.queues, logging.logLevel.Function.slow." in rest
    assert "from_queue: its trigger queueTrigger is not served here: it never runs." in rest
    assert "to_queue: its binding queue (message) does nothing here." in rest


def refuses(port):
    with socket.socket() as caller:
        return caller.connect_ex(("127.0.0.1", port)) == errno.ECONNREFUSED


def test_requests_under_way_may_finish_and_new_ones_are_not_taken(start_surface):
    host = start_surface()
    answers = []
    asking = threading.Thread(
        target=lambda: answers.append(host.http.get("/api/slow", params={"seconds": 0.7}).text)
    )
    asking.start()
    host.until(lambda: host.notes("slow begins"))
    host.process.send_signal(signal.SIGTERM)
    host.until(lambda: "may finish" in host.output)
    host.until(lambda: refuses(host.http.base_url.port))
    asking.join()
    assert answers == ["slept"]
    assert host.process.wait(timeout=10) == 0


def test_an_activity_under_way_is_recorded_before_the_host_ends(start):
    host = start()
    links = host.http.post("/runs/naps/n", json={"seconds": 1, "count": 1}).json()
    host.until(lambda: host.notes("nap"))
    host.stop()
    assert host.process.returncode == 0
    host = start()
    address = links["statusQueryGetUri"]
    finished = host.finished(address[address.index("/runtime") :])
    assert finished["runtimeStatus"] == "Completed"
    assert host.notes("nap") == [1]


def test_asked_twice_it_ends_at_once(start):
    host = start()
    host.http.post("/runs/naps/n", json={"seconds": 30, "count": 1})
    host.until(lambda: host.notes("nap"))
    began = time.monotonic()
    host.process.send_signal(signal.SIGINT)
    host.until(lambda: "Ctrl-C again" in host.output)
    host.process.send_signal(signal.SIGINT)
    assert host.process.wait(timeout=10) == 130
    assert time.monotonic() - began < 3  # the grace of an activity


def test_local_settings_lie_under_the_environment(start, tmp_path):
    app = tmp_path / "app"
    app.mkdir()
    (app / "host.json").write_text("{}")
    values = {"FROM_FILE": "file", "FROM_BOTH": "file"}
    (app / "local.settings.json").write_text(json.dumps({"Values": values}))
    (app / "function_app.py").write_text(
        "import os\nimport azure.functions as func\napp = func.FunctionApp(func.AuthLevel.ANONYMOUS)\n"
        "@app.route(route='settings')\ndef settings(req: func.HttpRequest) -> str:\n"
        "    return os.environ['FROM_FILE'] + ' ' + os.environ['FROM_BOTH']\n"
    )
    host = start(app=app, FROM_BOTH="environment")
    assert host.http.get("/api/settings").text == "file environment"


def test_killed_in_the_middle_of_an_activity_it_runs_again(start):
    host = start()
    links = host.http.post("/runs/naps/n", json={"seconds": 0.5, "count": 1}).json()
    waiting = host.http.post("/runs/approval/w", json={"seconds": 60}).json()
    assert (
        host.http.post(waiting["sendEventPostUri"].format(eventName="unrelated"), json=1).status_code == 202
    )
    host.until(lambda: host.notes("nap"))
    host.stop(signal.SIGKILL)
    host = start()

    def here(address):
        return address.partition("/runtime")[1] + address.partition("/runtime")[2]

    assert host.finished(here(links["statusQueryGetUri"]))["runtimeStatus"] == "Completed"
    assert host.notes("nap") == [0.5, 0.5]
    host.http.post(here(waiting["sendEventPostUri"]).format(eventName="decided"), json="after")
    assert host.finished(here(waiting["statusQueryGetUri"]))["output"] == "after"
