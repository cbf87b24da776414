"""Timer schedules as a table, and timers on a clock that a test moves."""

import json
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from localazure.documents import Documents
from localazure.functions_host.schedules import Schedule, time_zone
from localazure.functions_host.settings import SettingsError


@pytest.mark.parametrize(
    ("expression", "after", "due"),
    [
        ("0 */5 * * * *", "2026-01-01T00:00:00", "2026-01-01T00:05:00"),
        ("30 0 6 * * *", "2026-01-01T06:00:29", "2026-01-01T06:00:30"),
        ("30 0 6 * * *", "2026-01-01T06:00:30", "2026-01-02T06:00:30"),
        ("0 0 0 * * 1-5", "2026-01-02T12:00:00", "2026-01-05T00:00:00"),
        ("0 0 0 * * Mon", "2026-01-02T12:00:00", "2026-01-05T00:00:00"),
        ("*/10 * * * * *", "2026-01-01T00:00:55", "2026-01-01T00:01:00"),
        ("30 6 * * *", "2026-01-01T00:00:00", "2026-01-01T06:30:00"),
        ("00:05:00", "2026-01-01T00:00:07", "2026-01-01T00:05:07"),
        ("1.00:00:00", "2026-01-01T00:00:07", "2026-01-02T00:00:07"),
        ("0 0 0 13 * Fri", "2026-01-01T00:00:00", "2026-02-13T00:00:00"),  # both fields must fit
    ],
)
def test_schedules(expression, after, due):
    moment = datetime.fromisoformat(after).replace(tzinfo=UTC)
    assert Schedule(expression).after(moment) == datetime.fromisoformat(due).replace(tzinfo=UTC)


@pytest.mark.parametrize("expression", ["* * * *", "0 0 25 * * *", "daily", "00:65:00", "* * * * * * *", ""])
def test_other_schedules_are_refused(expression):
    with pytest.raises(SettingsError, match=r"is not NCRONTAB .* and not a time span"):
        Schedule(expression)


def test_a_schedule_keeps_to_the_clocks_of_its_zone():
    daily = Schedule("0 0 6 * * *", ZoneInfo("Europe/Berlin"))
    assert daily.after(datetime(2026, 1, 1, 12, tzinfo=UTC)) == datetime(2026, 1, 2, 5, tzinfo=UTC)
    assert daily.after(datetime(2026, 7, 1, 12, tzinfo=UTC)) == datetime(2026, 7, 2, 4, tzinfo=UTC)


def test_an_unknown_zone_is_named(monkeypatch):
    monkeypatch.setenv("WEBSITE_TIME_ZONE", "Middle/Earth")
    with pytest.raises(SettingsError, match="'Middle/Earth' is not a time zone"):
        time_zone()


@pytest.mark.parametrize(("expression", "frequent"), [("*/30 * * * * *", True), ("0 * * * * *", False)])
def test_only_rare_timers_are_watched_by_default(expression, frequent):
    assert Schedule(expression).is_frequent(datetime(2026, 1, 1, tzinfo=UTC)) is frequent


def advance(host, key, **time):
    days = time.get("days", 0) + time.get("hours", 0) / 24
    answer = host.http.post("/admin/clock", json={"advance": days * 86400}, headers={"x-functions-key": key})
    assert answer.status_code == 200, answer.text


def test_a_month_of_daily_runs_passes_at_once(start_surface, key):
    host = start_surface("--clock", "manual")
    advance(host, key, days=30, hours=0.1)
    assert host.notes("daily") == [False] * 30
    assert host.notes("twice") == [False] * 60


def test_time_is_moved_only_on_a_manual_clock(start_surface, key):
    host = start_surface("--clock", "manual")
    asked = {"headers": {"x-functions-key": key}}
    assert host.http.post("/admin/clock", json={"advance": -1}, **asked).status_code == 400
    assert host.http.post("/admin/clock", json={}, **asked).status_code == 400
    assert host.http.post("/admin/clock", json={"advance": 1}).status_code == 401
    host.stop()
    assert start_surface().http.post("/admin/clock", json={"advance": 1}, **asked).status_code == 404


def missed(folder, name, schedule):
    (folder / "state").mkdir()
    documents = Documents(folder / "state" / "timers.sqlite")
    documents.put("timer", name, {"last": "2020-01-01T00:00:00+00:00", "schedule": schedule})
    documents.close()


def test_a_missed_timer_is_caught_up_once(start_surface, tmp_path, key):
    missed(tmp_path, "daily", "0 0 6 * * *")
    host = start_surface("--clock", "manual")
    host.until(lambda: host.notes("daily"))
    advance(host, key, days=1)
    assert host.notes("daily") == [True, False]


def test_a_timer_that_is_not_watched_forgets_what_it_missed(start_surface, tmp_path, key):
    missed(tmp_path, "twice_a_day", "12:00:00")
    host = start_surface("--clock", "manual")
    advance(host, key, hours=11)
    assert host.notes("twice") == []
    advance(host, key, hours=1.1)
    assert host.notes("twice") == [False]


def test_timers_tick_and_run_at_startup(start):
    host = start(TICKS="* * * * * *")
    host.until(lambda: len(host.notes("tick")) >= 2)
    assert not any(host.notes("tick"))
    assert host.notes("startup") == [False]


def test_a_run_that_overruns_the_next_due_time_is_not_overlapped(start, tmp_path):
    app = tmp_path / "app"
    app.mkdir()
    (app / "host.json").write_text("{}")
    (app / "function_app.py").write_text(
        "import json, os, time\nimport azure.functions as func\napp = func.FunctionApp()\n"
        "@app.timer_trigger(arg_name='timer', schedule='* * * * * *')\n"
        "def slow(timer: func.TimerRequest) -> None:\n"
        "    for what in ('begins', 'ends'):\n"
        "        with open(os.environ['NOTES'], 'a') as file: file.write(json.dumps(['slow', what]) + '\\n')\n"
        "        time.sleep(1.2 if what == 'begins' else 0)\n"
    )
    host = start(app=app)
    noted = host.until(lambda: len(noted := host.notes("slow")) >= 4 and noted)
    assert noted[:4] == ["begins", "ends"] * 2


def test_a_schedule_that_is_none_is_named_with_its_function(start):
    with pytest.raises(
        AssertionError, match=r"(?s)exit status 1.*function tick: Timer schedule 'daily' is not"
    ):
        start(TICKS="daily")


def test_a_function_can_be_run_by_hand(start_surface, key):
    host = start_surface()

    def by_hand(name, body):
        return host.http.post(f"/admin/functions/{name}", content=body, headers={"x-functions-key": key})

    assert by_hand("DAILY", "").status_code == 202
    assert host.notes("daily") == [False]
    event = {"id": "by hand", "eventType": "t", "subject": "s", "data": {}, "dataVersion": "1"}
    assert by_hand("on_event", json.dumps({"input": json.dumps(event)})).status_code == 202
    assert host.notes("event") == ["by hand"]
    for name, status, says in (
        ("echo", 400, "call it at its address"),
        ("from_queue", 400, "not served here"),
        ("nobody", 404, "no function named 'nobody'; its functions: echo, "),
    ):
        answer = by_hand(name, "{}")
        assert answer.status_code == status
        assert says in answer.text
    assert by_hand("on_event", "{").status_code == 400
