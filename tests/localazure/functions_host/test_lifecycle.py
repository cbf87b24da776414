"""Starting, stopping, being killed; timers."""

import json
import signal
import time

import pytest

from localazure.documents import Documents


def test_stops_cleanly_and_prints_its_functions(start):
    host = start()
    host.http.get("/broken")
    output = host.stop()
    assert host.process.returncode == 0
    assert "broken failed: RuntimeError: broken on purpose" in output
    assert "azure_functions_runtime" not in output
    assert "/runs/{name}/{id?}" in output


def test_app_that_does_not_import_ends_the_host_with_its_traceback(start, tmp_path):
    app = tmp_path / "app"
    app.mkdir()
    (app / "host.json").write_text("{}")
    (app / "function_app.py").write_text("import nothing_of_that_name\n")
    with pytest.raises(AssertionError, match=r"(?s)exit status 1.*No module named 'nothing_of_that_name'"):
        start(app=app)


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


def test_timers_tick_and_run_at_startup(start):
    host = start(TICKS="* * * * * *")
    host.until(lambda: len(host.notes("tick")) >= 2)
    assert not any(host.notes("tick"))
    assert host.notes("startup") == [False]


def test_a_missed_timer_is_caught_up_once(start, tmp_path):
    (tmp_path / "state").mkdir()
    documents = Documents(tmp_path / "state" / "timers.sqlite")
    documents.put("timer", "tick", {"last": "2020-01-01T00:00:00+00:00", "schedule": "0 0 0 1 1 *"})
    documents.close()
    host = start()
    host.until(lambda: host.notes("tick"))
    time.sleep(0.1)
    assert host.notes("tick") == [True]


def test_a_timer_can_be_fired_by_hand(start, key):
    host = start()
    assert host.http.post("/admin/functions/tick", headers={"x-functions-key": key}).status_code == 202
    assert host.notes("tick") == [False]
    assert host.http.post("/admin/functions/echo", headers={"x-functions-key": key}).status_code == 404
