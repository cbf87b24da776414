"""What the host makes of HTTP: bodies, headers, routes, keys, limits, its own pages."""

import json
import socket
import threading
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    ("method", "path", "status", "body"),
    [
        ("GET", "/api/pages", 200, "page 1"),
        ("GET", "/api/pages/7", 200, "page 7"),
        ("GET", "/API/Pages/7/", 200, "page 7"),
        ("GET", "/api/pages/0", 404, ""),
        ("GET", "/api/pages/x", 200, "named x"),
        ("GET", "/api/pages/x1", 404, ""),
        ("GET", "/api/pages/99999999999", 404, ""),
        ("DELETE", "/api/pages/7", 204, ""),
        ("OPTIONS", "/api/pages/7", 204, ""),
        ("POST", "/api/pages/7", 404, ""),
        ("HEAD", "/api/pages/7", 404, ""),
        ("HEAD", "/api/by_output", 203, ""),
        ("GET", "/api/by_output", 203, "set"),
        ("GET", "/api/off", 404, ""),
        ("GET", "/pages/7", 404, ""),
    ],
)
def test_routes(surface, method, path, status, body):
    answer = surface.http.request(method, path)
    assert (answer.status_code, answer.text) == (status, body)


@pytest.mark.parametrize(
    ("path", "name", "rest"),
    [
        ("/api/echo/%C3%A4%20b/c", "ä b", "c"),
        ("/api/echo/a%2Fb/c/d", "a%2Fb", "c/d"),
        ("/api/echo/100%25/", "100%", None),
        ("/api/echo/%E2%82%AC+", "€+", None),
    ],
)
def test_a_function_sees_decoded_values_and_the_address_as_it_was_sent(surface, path, name, rest):
    seen = surface.http.get(f"{path}?q=%C3%BC&q=2&e=").json()
    assert seen["route"] == {"name": name} | ({"rest": rest} if rest else {})
    assert seen["query"] == {"q": "ü,2", "e": ""}
    assert seen["url"] == f"{str(surface.http.base_url).rstrip('/')}{path}?q=%C3%BC&q=2&e="


def test_repeated_headers_are_joined(surface):
    headers = [("x-twice", "1"), ("x-twice", "2")]
    assert surface.http.get("/api/echo/x", headers=headers).json()["header"] == "1,2"


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY", "TRACE"])
def test_a_function_without_methods_takes_all(surface, method):
    assert surface.http.request(method, "/api/echo/x").json()["method"] == method


def test_a_body_sent_in_pieces_arrives_whole(surface):
    pieces = (bytes([n]) * 1000 for n in range(200))
    assert surface.http.post("/api/echo/x", content=pieces).headers["x-size"] == "200000"


def test_answers_of_every_kind(surface):
    assert surface.http.get("/api/answers/bytes").content == bytes(range(256))
    empty = surface.http.get("/api/answers/empty")
    assert (empty.status_code, empty.content) == (202, b"")
    text = surface.http.get("/api/answers/text")
    assert (text.text, text.headers["content-type"]) == ("ünïcode", "text/html; charset=utf-8")
    first, second = text.headers.get_list("set-cookie")
    assert first.startswith("a=1;")
    assert {"path=/x", "max-age=0", "secure", "samesite=lax"} <= set(first.lower().split("; "))
    assert "expires=wed, 01 jan 2031 00:00:00 gmt" in second.lower()


def test_a_header_that_would_break_the_answer_fails_the_function(surface):
    assert surface.http.get("/api/answers/split").status_code == 500
    assert "answers failed: ValueError: The response's header 'X-Name' has a line break" in surface.output


def test_host_json_adds_headers_to_every_answer(surface):
    for path in ("/api/pages", "/api/nowhere", "/admin/host/ping"):
        assert surface.http.get(path).headers["x-content-type-options"] == "nosniff"


def test_a_function_that_takes_too_long_has_failed(surface):
    assert surface.http.get("/api/slow", params={"seconds": 5}).status_code == 500
    assert "slow failed: FunctionTimeoutException: Timeout value of 0:00:01 exceeded" in surface.output
    assert surface.notes("slow ends") == []


def test_more_requests_than_may_be_outstanding_are_turned_away(start_surface):
    host = start_surface()
    asking = [
        threading.Thread(target=host.http.get, args=("/api/slow",), kwargs={"params": {"seconds": 0.9}})
        for _ in range(2)
    ]
    for one in asking:
        one.start()
    host.until(lambda: len(host.notes("slow begins")) == 2)
    answer = host.http.get("/api/pages")
    assert (answer.status_code, "maxOutstandingRequests" in answer.text) == (429, True)
    for one in asking:
        one.join()
    assert host.http.get("/api/pages").status_code == 200


@pytest.mark.parametrize("content", [b"x" * 1001, (b"x" * 100 for _ in range(11))])
def test_a_body_that_is_too_large_is_refused_with_the_limit(start_surface, content):
    host = start_surface(FUNCTIONS_REQUEST_BODY_SIZE_LIMIT="1000")
    answer = host.http.post("/api/echo/x", content=content)
    assert answer.status_code == 413
    assert "larger than 1000 bytes" in answer.text
    assert "FUNCTIONS_REQUEST_BODY_SIZE_LIMIT" in answer.text
    assert host.http.post("/api/echo/x", content=b"x" * 1000).headers["x-size"] == "1000"


@pytest.mark.parametrize(
    ("path", "opened_by"),
    [
        ("/api/mine", {"mine", "host", "master"}),
        ("/api/yours", {"yours", "host", "master"}),
        ("/api/top", {"master"}),
        ("/admin/functions", {"master"}),
        ("/runtime/webhooks/eventgrid?functionName=on_event", {"system", "master"}),
        ("/api/pages", {"mine", "yours", "host", "system", "master", "none"}),
    ],
)
def test_which_key_opens_what(keyed, path, opened_by):
    host, keys = keyed
    method = "OPTIONS" if "webhooks" in path else "GET"
    for send in (in_header, in_query):
        statuses = {
            name: host.http.request(method, path, **send(path, key)).status_code for name, key in keys.items()
        }
        assert {name for name, status in statuses.items() if status == 200} == opened_by
        assert set(statuses.values()) <= {200, 401}


def in_header(path, key):
    return {"headers": {"x-functions-key": key}}


def in_query(path, key):
    function = {"functionName": "on_event"} if "webhooks" in path else {}
    return {"params": {"code": key} | function}


@pytest.fixture(scope="module")
def keyed(tmp_path_factory, launch, surface_app):
    """A host that makes its own keys, and these by name."""
    folder = tmp_path_factory.mktemp("keyed")
    running = launch(folder, app=surface_app, HUB="Keyed", LOCALAZURE_FUNCTIONS_KEY="")
    kept = json.loads((folder / "state" / "keys.json").read_text())
    keys = {name: kept[name] for name in ("master", "system", "host")} | kept["functions"]
    yield (
        running,
        {"mine": keys["mine"], "yours": keys["yours"], "none": "wrong"}
        | {name: keys[name] for name in ("master", "system", "host")},
    )
    running.stop()


def test_the_refusal_says_which_key_is_needed(surface):
    assert "the function's key, the host key or the master key" in surface.http.get("/api/mine").text
    assert "keys.json" in surface.http.get("/admin/functions").text


def test_the_status_of_the_host(surface):
    status = surface.http.get("/admin/host/status").json()
    assert (status["state"], status["taskHub"], status["id"]) == ("Running", "Surface", "surface")
    assert status["processUptime"] > 0
    assert surface.http.get("/admin/host/ping").status_code == 200


def test_functions_are_described_as_azure_does(surface, key):
    base, headers = str(surface.http.base_url).rstrip("/"), {"x-functions-key": key}
    listed = {one["name"]: one for one in surface.http.get("/admin/functions", headers=headers).json()}
    assert listed["pages"]["invoke_url_template"] == f"{base}/api/pages/{{n:int:min(1)=1}}"
    assert listed["pages"]["href"] == f"{base}/admin/functions/pages"
    assert listed["pages"]["config"]["bindings"][0]["type"] == "httpTrigger"
    assert listed["daily"]["invoke_url_template"] is None
    assert (listed["off"]["isDisabled"], listed["pages"]["isDisabled"]) == (True, False)
    assert Path(listed["pages"]["script_href"].removeprefix("file://")).exists()
    assert surface.http.get("/admin/functions/PAGES", headers=headers).json() == listed["pages"]
    assert surface.http.get("/admin/functions/daily/status", headers=headers).json() == {}
    unknown = surface.http.get("/admin/functions/nobody", headers=headers)
    assert (unknown.status_code, "no function named 'nobody'; its functions: echo," in unknown.text) == (
        404,
        True,
    )


def test_the_home_page_shows_the_functions(surface):
    page = surface.http.get("/").text
    assert "up and running" in page
    assert "/api/pages/{n:int:min(1)=1}" in page
    assert "disabled" in page
    assert surface.http.post("/").status_code == 404


def test_the_home_page_can_be_switched_off(start_surface):
    assert start_surface(AzureWebJobsDisableHomepage="true").http.get("/").status_code == 204


def test_a_request_that_is_no_http_harms_nothing(surface):
    with socket.create_connection((surface.http.base_url.host, surface.http.base_url.port)) as caller:
        caller.sendall(b"\x16\x03\x01 nonsense\r\n\r\n")
        assert caller.recv(100).startswith(b"HTTP/1.1 400")
    assert surface.http.get("/api/pages").status_code == 200
