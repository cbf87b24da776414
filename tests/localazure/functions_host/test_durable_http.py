"""The HTTP management API, as its documentation has it."""

import uuid

import pytest

API = "/runtime/webhooks/durabletask"


@pytest.fixture
def api(host, key):
    """Calls an address of the API with the host's key; None sends no body."""

    def call(method, path, body=None, headers=None, **query):
        content = {} if body is None else {"content": body} if isinstance(body, bytes) else {"json": body}
        return host.http.request(method, API + path, params={"code": key} | query, headers=headers, **content)

    return call


@pytest.fixture
def name():
    return f"http-{uuid.uuid4().hex[:8]}"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/instances/nobody"),
        ("DELETE", "/instances/nobody"),
        ("POST", "/instances/nobody/raiseEvent/go"),
        ("POST", "/instances/nobody/terminate"),
        ("POST", "/instances/nobody/suspend"),
        ("POST", "/instances/nobody/resume"),
        ("POST", "/instances/nobody/rewind"),
        ("POST", "/instances/nobody/restart"),
        ("POST", "/orchestrators/nobody"),
        ("GET", "/entities/account/nobody"),
        ("POST", "/entities/nobody/1"),
        ("DELETE", "/entities/nobody/1"),
    ],
)
def test_what_is_unknown_is_404_with_its_name(api, method, path):
    answer = api(method, path)
    assert (answer.status_code, "nobody" in answer.text) == (404, True)


@pytest.mark.parametrize("action", ["raiseEvent/go", "terminate", "suspend", "resume", "rewind"])
def test_what_is_finished_is_gone(host, api, name, action):
    host.run("pipeline", {"value": 1}, name)
    answer = api("POST", f"/instances/{name}/{action}")
    assert (answer.status_code, name in answer.text, "COMPLETED" in answer.text) == (410, True, True)


@pytest.mark.parametrize(
    ("method", "path", "query", "complaint"),
    [
        ("GET", "/instances", {"runtimeStatus": "Odd,Running"}, "runtimeStatus: Odd is none of Pending"),
        ("GET", "/instances", {"top": "many"}, "top: 'many' is not a number"),
        ("GET", "/instances", {"top": "-1"}, "top: '-1' is not a number"),
        ("GET", "/instances", {"createdTimeFrom": "soon"}, "createdTimeFrom: 'soon' is not a time"),
        ("DELETE", "/instances", {"createdTimeTo": "soon"}, "createdTimeTo: 'soon' is not a time"),
        ("GET", "/entities", {"lastOperationTimeTo": "x"}, "lastOperationTimeTo: 'x' is not a time"),
        ("POST", "/orchestrators/pipeline", {"timeout": "x"}, "timeout: 'x' is not a number"),
    ],
)
def test_bad_parameters_are_named(api, method, path, query, complaint):
    answer = api(method, path, **query)
    assert (answer.status_code, complaint in answer.text) == (400, True)


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (b'{"value": }', "line 1 column 11"),
        (b'{"value": NaN}', "NaN is no JSON value"),
        (b"\xff", "can't decode byte 0xff"),
    ],
)
@pytest.mark.parametrize("path", ["/orchestrators/pipeline", "/entities/account/1"])
def test_bad_json_says_where(api, path, body, complaint):
    answer = api("POST", path, body, {"Content-Type": "application/json"})
    assert (answer.status_code, complaint in answer.text) == (400, True)


def test_events_are_json(host, api, name):
    host.http.post(f"/runs/approval/{name}", json={"seconds": 60})
    refused = api("POST", f"/instances/{name}/raiseEvent/decided", b"yes", {"Content-Type": "text/plain"})
    assert refused.status_code == 400
    plain = api("POST", f"/instances/{name}/raiseEvent/decided", b'"yes"', {"Content-Type": "text/plain"})
    assert (plain.status_code, "application/json" in plain.text) == (400, True)
    assert api("POST", f"/instances/{name}/raiseEvent/decided").status_code == 202
    assert host.finished(f"{API}/instances/{name}?code=test-key")["output"] is None


def test_a_body_that_is_too_large_is_413(api):
    answer = api("POST", "/orchestrators/pipeline", b" " * (32 * 1024 * 1024 + 1))
    assert (answer.status_code, "larger than" in answer.text) == (413, True)


def test_every_address_that_is_handed_out_works(host, name):
    links = host.http.post(f"/runs/approval/{name}", json={"seconds": 60}).json()
    assert all(link.startswith(str(host.http.base_url)) for key, link in links.items() if key != "id")
    assert host.http.get(links["statusQueryGetUri"]).status_code == 202
    assert host.http.post(links["suspendPostUri"].format(text="a%20b")).status_code == 202
    assert host.http.post(links["resumePostUri"].format(text="")).status_code == 202
    assert host.http.post(links["rewindPostUri"].format(text="x")).status_code == 409
    assert host.http.delete(links["purgeHistoryDeleteUri"]).status_code == 409
    event = links["sendEventPostUri"].format(eventName="decided")
    assert host.http.post(event, json="yes").status_code == 202
    assert host.finished(links["statusQueryGetUri"])["output"] == "yes"
    again = host.http.post(links["restartPostUri"])
    assert again.status_code == 202
    ended = host.http.post(again.json()["terminatePostUri"].format(text="no%20more"))
    assert ended.status_code == 202
    status = host.finished(again.json()["statusQueryGetUri"])
    assert (status["runtimeStatus"], status["output"], status["name"]) == (
        "Terminated",
        "no more",
        "approval",
    )
    assert host.http.delete(links["purgeHistoryDeleteUri"]).json() == {"instancesDeleted": 1}


def test_addresses_lie_behind_the_origin_that_the_caller_used(host, api, name):
    answer = api("POST", f"/orchestrators/pipeline/{name}", {"value": 1}, {"Host": "jobs.example.com:81"})
    assert answer.headers["location"].startswith(f"http://jobs.example.com:81{API}/instances/{name}?taskHub=")
    links = host.http.get(f"/links/{name}", headers={"Host": "jobs.example.com:81"}).json()
    assert links == answer.json()


def test_a_start_may_wait_for_the_outcome(api):
    done = api("POST", "/orchestrators/pipeline", {"value": 1}, timeout="10", pollingInterval="1")
    assert (done.status_code, done.json()) == (200, 14)
    late = api("POST", "/orchestrators/approval", {"seconds": 60}, timeout="0.05", pollingInterval="0.01")
    assert (late.status_code, "statusQueryGetUri" in late.json()) == (202, True)
    failed = api("POST", "/orchestrators/failing", "luck", timeout="10")
    assert (failed.status_code, failed.json()["runtimeStatus"]) == (200, "Failed")


def test_an_id_in_use_is_a_conflict(api, name):
    assert api("POST", f"/orchestrators/approval/{name}", {"seconds": 60}).status_code == 202
    conflict = api("POST", f"/orchestrators/approval/{name}", {"seconds": 60})
    assert (conflict.status_code, name in conflict.text) == (409, True)
    conflict = api("POST", f"/instances/{name}/restart", restartWithNewInstanceId="false")
    assert (conflict.status_code, name in conflict.text) == (409, True)


def test_restart_under_the_same_id(host, api, name):
    host.run("pipeline", {"value": 2}, name)
    again = api("POST", f"/instances/{name}/restart", restartWithNewInstanceId="false", timeout="10")
    assert (again.status_code, again.json()) == (200, 18)


def test_rewind(host, api, name):
    request = {"key": name, "failures": 1, "value": 3}
    assert host.run("rewindable", request, name)["runtimeStatus"] == "Failed"
    assert api("GET", f"/instances/{name}", returnInternalServerErrorOnFailure="true").status_code == 500
    assert api("POST", f"/instances/{name}/rewind", reason="fixed").status_code == 202
    assert host.finished(f"{API}/instances/{name}?code=test-key")["output"] == [6, "attempt 2"]


def test_lists_over_pages(host, api, name):
    for n in range(5):
        host.run("pipeline", {"value": n}, f"{name}-ä%{n}")
    token, listed = "", []
    while token is not None:
        headers = {"x-ms-continuation-token": token}
        page = api("GET", "/instances/", None, headers, instanceIdPrefix=name, top="2", showInput="false")
        listed += [instance["instanceId"] for instance in page.json()]
        assert all(instance["input"] is None for instance in page.json())
        token = page.headers.get("x-ms-continuation-token")
    assert listed == [f"{name}-ä%{n}" for n in range(5)]


def test_purging_many(host, api, name):
    host.run("fleet", 2, name)
    created = api("GET", f"/instances/{name}").json()["createdTime"]
    assert api("DELETE", "/instances", createdTimeTo="2020-01-01T00:00:00Z").status_code == 404
    purged = api("DELETE", "/instances", instanceIdPrefix=name, createdTimeFrom=created)
    assert (purged.status_code, purged.json()) == (200, {"instancesDeleted": 3})


def test_history_as_azure_lists_it(host, api, name):
    host.run("careful_parent", "luck", name)
    waiting = f"{name}-waiting"
    host.http.post(f"/runs/family/{waiting}", json=1)
    host.until(lambda: api("GET", f"/instances/{waiting}").json()["runtimeStatus"] == "Running")
    events = api("GET", f"/instances/{name}", showHistory="true").json()["historyEvents"]
    assert [event["EventType"] for event in events] == [
        "ExecutionStarted",
        "SubOrchestrationInstanceFailed",
        "ExecutionCompleted",
    ]
    assert (events[0]["FunctionName"], events[0]["Input"]) == ("careful_parent", "luck")
    assert (events[1]["FunctionName"], events[1]["Input"]) == ("failing", "luck")
    assert "no luck" in events[1]["Reason"]
    assert events[1]["ScheduledTime"] <= events[1]["Timestamp"]
    assert (events[2]["OrchestrationStatus"], "Result" in events[2]) == ("Completed", False)
    hidden = api("GET", f"/instances/{name}", showHistory="true", showInput="false").json()["historyEvents"]
    assert not any("Input" in event for event in hidden)
    shown = api("GET", f"/instances/{waiting}", showHistory="true").json()["historyEvents"]
    assert [(event["EventType"], event.get("Name")) for event in shown[1:]] == [
        ("SubOrchestrationInstanceCreated", "approval")
    ]


def test_entities(host, api, name):
    address = f"/entities/Account/{name}"
    assert api("POST", address, 5, op="deposit").status_code == 202
    host.until(lambda: api("GET", address).status_code == 200)
    assert api("GET", address).json() == 5
    listed = api("GET", "/entities/account", fetchState="true").json()
    found = next(entity for entity in listed if entity["entityId"]["key"] == name)
    assert (found["entityId"], found["state"]) == ({"name": "account", "key": name}, 5)
    assert found["lastOperationTime"].endswith("Z")
    page = api("GET", "/entities", top="1")
    assert (len(page.json()), page.json()[0]["state"]) == (1, None)
    assert api("DELETE", address).status_code == 202
    host.until(lambda: api("GET", address).status_code == 404)


def test_an_entity_operation_without_json_gets_the_text(host, api, name):
    text = {"Content-Type": "text/plain"}
    assert api("POST", f"/entities/journal/{name}", "ä 1".encode(), text, op="add").status_code == 202
    host.until(lambda: api("GET", f"/entities/journal/{name}").status_code == 200)
    assert api("GET", f"/entities/journal/{name}").json() == ["ä 1"]


@pytest.mark.parametrize("path", ["/Instances/", "/INSTANCES"])
def test_addresses_mind_neither_case_nor_a_last_slash(host, api, path):
    assert api("GET", path).status_code == 200
    assert host.http.get("/runtime/webhooks/durableTask/instances?code=test-key").status_code == 200
