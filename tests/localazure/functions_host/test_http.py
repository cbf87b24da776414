"""HTTP triggers, keys and the host's own addresses."""

import json

import pytest


def test_binary_body_headers_and_route_go_both_ways(host):
    body = bytes(range(256))
    answer = host.http.put(
        "/echo/7/a/b.txt", content=body, headers={"x-sent": "yes"}, params={"q": "ä", "z": "1"}
    )
    assert (answer.status_code, answer.content) == (201, body)
    assert json.loads(answer.headers["x-route"]) == {"id": "7", "rest": "a/b.txt"}
    assert json.loads(answer.headers["x-query"]) == {"q": "ä", "z": "1"}
    assert answer.headers["x-sent"] == "yes"
    assert answer.headers["content-type"] == "application/octet-stream"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("PUT", "/echo/-1", 201),
        ("PUT", "/echo/x/a", 404),
        ("GET", "/echo/7", 404),
        ("GET", "/nowhere", 404),
        ("GET", "/broken", 500),
        ("GET", "/guarded", 401),
        ("GET", "/guarded?code=wrong", 401),
        ("GET", "/guarded?code=test-key", 200),
        ("GET", "/admin/host/status", 200),
        ("GET", "/admin/functions", 401),
    ],
)
def test_addresses(host, method, path, status):
    assert host.http.request(method, path).status_code == status


def test_the_more_specific_route_wins(host):
    assert host.http.put("/echo/latest/x").text == "latest"


def test_key_as_header(host, key):
    assert host.http.get("/guarded", headers={"x-functions-key": key}).text == "in"


def test_cookies(host):
    cookies = host.http.get("/cookie").headers.get_list("set-cookie")
    assert [cookie.partition(";")[0] for cookie in cookies] == ["a=1", "b=2"]
    assert "httponly" in cookies[0].lower()


def test_functions_are_listed(host, key):
    listed = host.http.get("/admin/functions", headers={"x-functions-key": key}).json()
    assert {"echo", "tick", "pipeline", "double-async"} <= {function["name"] for function in listed}
