"""Durable functions through the SDK's own client and the management API."""

import pytest


@pytest.mark.parametrize(
    ("name", "value", "output"),
    [
        ("pipeline", {"value": 4}, 26),
        ("fleet", 3, [10, 14, 18]),
        ("approval", {"seconds": 0.05}, "timed out"),
        ("careful", "luck", ["ValueError", "no luck", True, True]),
        ("careful_parent", "luck", ["durabletask.task.TaskFailedError", "ValueError", "no luck"]),
        ("lookup", "devstoreaccount1.blob.localhost", "127.0.0.1"),
    ],
)
def test_orchestrations(host, name, value, output):
    status = host.run(name, value)
    assert (status["runtimeStatus"], status["output"]) == ("Completed", output)


def test_sync_functions_have_a_sync_client(host):
    assert host.http.post("/sync/pipeline", json={"value": 1}).json() == 14


def test_the_whole_client(host):
    assert host.http.post("/client").json() == {
        "started": "RUNNING",
        "again": "ALREADY_EXISTS",
        "unknown name": "INVALID_ARGUMENT",
        "unknown id": "NOT_FOUND",
        "suspended": "SUSPENDED",
        "output": {"by": "ml-lead@example.com"},
        "input": {"seconds": 60},
        "finished": "FAILED_PRECONDITION",
        "history": ["ExecutionStartedEvent", "ExecutionCompletedEvent"],
        "terminated": ["TERMINATED", "enough"],
        "query": ["walk"],
        "purged": 1,
        "gone": None,
    }


def test_management_addresses(host):
    links = host.http.post("/runs/approval/managed", json={"seconds": 60}).json()
    assert links["id"] == "managed"
    assert host.http.get(links["statusQueryGetUri"]).status_code == 202
    assert host.http.post(links["suspendPostUri"].format(text="lunch")).status_code == 202
    assert host.http.get(links["statusQueryGetUri"]).json()["runtimeStatus"] == "Suspended"
    assert host.http.post(links["resumePostUri"].format(text="back")).status_code == 202
    assert (
        host.http.post(links["sendEventPostUri"].format(eventName="decided"), content=b"{").status_code == 400
    )
    assert (
        host.http.post(links["sendEventPostUri"].format(eventName="decided"), json="yes").status_code == 202
    )
    assert host.finished(links["statusQueryGetUri"])["output"] == "yes"
    assert host.http.post(links["terminatePostUri"].format(text="late")).status_code == 410
    assert host.http.delete(links["purgeHistoryDeleteUri"]).json() == {"instancesDeleted": 1}
    assert host.http.get(links["statusQueryGetUri"]).status_code == 404


def test_history_in_the_status(host):
    links = host.http.post("/runs/pipeline", json={"value": 1}).json()
    host.finished(links["statusQueryGetUri"])
    status = host.http.get(
        links["statusQueryGetUri"] + "&showHistory=true&showHistoryOutput=true&showInput=false"
    ).json()
    assert status["input"] is None
    assert status["customStatus"] == {"stage": "added"}
    events = status["historyEvents"]
    assert [event["EventType"] for event in events] == (
        ["ExecutionStarted", "TaskCompleted", "TaskCompleted", "TaskCompleted", "ExecutionCompleted"]
    )
    assert [event.get("FunctionName") for event in events[:4]] == [
        "pipeline",
        "double",
        "double-async",
        "add-ten",
    ]
    assert events[-1]["Result"] == 14


def test_list_and_filters(host, key):
    for n in range(3):
        host.run("pipeline", {"value": n}, f"listed-{n}")
    host.run("failing", "luck", "listed-failing")

    def ids(**filters):
        answer = host.http.get(
            "/runtime/webhooks/durabletask/instances",
            params={"instanceIdPrefix": "listed", "code": key} | filters,
        )
        return [instance["instanceId"] for instance in answer.json()], answer.headers.get(
            "x-ms-continuation-token"
        )

    assert ids() == (["listed-0", "listed-1", "listed-2", "listed-failing"], None)
    assert ids(runtimeStatus="Failed,Terminated") == (["listed-failing"], None)
    assert ids(top=2) == (["listed-0", "listed-1"], "listed-1")
    assert ids(createdTimeTo="2020-01-01T00:00:00Z") == ([], None)
    wrong = host.http.get(
        "/runtime/webhooks/durabletask/instances", params={"code": key, "runtimeStatus": "odd"}
    )
    assert (wrong.status_code, "odd is none of" in wrong.text) == (400, True)


def test_management_needs_the_key(host):
    assert host.http.get("/runtime/webhooks/durabletask/instances").status_code == 401
    assert host.http.get("/runtime/webhooks/durabletask/instances/x").status_code == 401


def test_a_failed_orchestration_says_why(host):
    status = host.run("failing", "luck")
    assert status["runtimeStatus"] == "Failed"
    assert "no luck" in status["output"]


def test_start_over_the_management_api(host, key):
    address = "/runtime/webhooks/durabletask/orchestrators/pipeline/direct"
    started = host.http.post(address, params={"code": key}, json={"value": 5})
    assert host.finished(started.json()["statusQueryGetUri"])["output"] == 30
    unknown = host.http.post("/runtime/webhooks/durabletask/orchestrators/nobody", params={"code": key})
    assert (unknown.status_code, "The orchestrator functions are: " in unknown.text) == (404, True)


def test_events_continue_an_orchestration_as_new(host):
    links = host.http.post("/runs/counter/count", json=0).json()
    for n in (1, 2, 3):
        assert host.http.post(links["sendEventPostUri"].format(eventName="add"), json=n).status_code == 202
    assert host.finished(links["statusQueryGetUri"])["output"] == 6


def test_sync_activities_run_side_by_side_and_leave_room_for_the_rest(host):
    started = host.http.post("/runs/naps/naps", json={"seconds": 0.4, "count": 8}).json()
    assert host.run("pipeline", {"value": 1})["output"] == 14
    status = host.finished(started["statusQueryGetUri"])
    assert status["runtimeStatus"] == "Completed"
