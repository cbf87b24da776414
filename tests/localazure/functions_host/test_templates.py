"""Route templates and their constraints, as tables."""

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localazure.functions_host.http.constraints import constraint
from localazure.functions_host.http.routes import http_routes
from localazure.functions_host.http.templates import Template, decoded
from localazure.functions_host.settings import SettingsError
from localazure.functions_host.worker import Function

GUID = "3F2504E0-4F89-11D3-9A0C-0305E82C3301"


@pytest.mark.parametrize(
    ("template", "path", "parameters"),
    [
        ("api/runs", "/api/runs", {}),
        ("api/runs", "/API/Runs/", {}),
        ("api/runs", "/api/runs/x", None),
        ("runs/{id}", "/runs/a%b", {"id": "a%b"}),
        ("runs/{id}", "/runs/a/b", None),
        ("runs/{id}", "/runs/", None),
        ("runs/{id?}", "/runs", {}),
        ("runs/{id:int}", "/runs/12", {"id": "12"}),
        ("runs/{id:int}", "/runs/1a", None),
        ("runs/{id:int?}", "/runs", {}),
        ("runs/{id:int?}", "/runs/x", None),
        ("runs/{id:int:min(1)}", "/runs/0", None),
        ("runs/{id:int:min(1)}", "/runs/1", {"id": "1"}),
        ("runs/{id=5}", "/runs", {"id": "5"}),
        ("runs/{id=5}", "/runs/6", {"id": "6"}),
        ("runs/{id:int=5}", "/runs/x", None),
        ("runs/{a=x}/{b?}", "/runs", {"a": "x"}),
        ("runs/{a=x}/{b?}", "/runs/y/z", {"a": "y", "b": "z"}),
        ("{a=x}/runs", "/runs", None),
        ("{a=x}/runs", "/y/runs", {"a": "y"}),
        ("runs/{on:bool}", "/runs/True", {"on": "True"}),
        ("runs/{id:guid}", f"/runs/{GUID}", {"id": GUID}),
        ("a.{kind}.csv", "/a.b.csv", {"kind": "b"}),
        ("a.{kind}.csv", "/axbxcsv", None),
        ("{name}.{kind}", "/a.b.csv", {"name": "a.b", "kind": "csv"}),
        ("files/{*rest}", "/files/a/b", {"rest": "a/b"}),
        ("files/{**rest}", "/files/a/b", {"rest": "a/b"}),
        ("files/{*rest}", "/files", {}),
        ("files/{*rest:maxlength(2)}", "/files/a/b", None),
        ("{plant}/{circuit}", "/P1/C1", {"plant": "P1", "circuit": "C1"}),
        ("", "/", {}),
        ("{ignored:maxlength(0)?}", "/", {}),
        ("{ignored:maxlength(0)?}", "/x", None),
        (r"{ssn:regex(^\d{{3}}-\d{{2}}$)}", "/123-45", {"ssn": "123-45"}),
        (r"{ssn:regex(^\d{{3}}-\d{{2}}$)}", "/123-456", None),
        ("{{literal}}", "/{literal}", {}),
        ("{a-b.c}", "/x", {"a-b.c": "x"}),
    ],
)
def test_matching(template, path, parameters):
    assert Template.compile(template).match(path) == parameters


@pytest.mark.parametrize(
    ("text", "fits", "does_not"),
    [
        ("alpha", ["abc", "ABC"], ["a1", "ä"]),
        ("bool", ["true", "FALSE", " True "], ["yes", "1"]),
        (
            "datetime",
            ["2016-12-31", "2016-12-31 7:32pm", "2026-01-01T00:00:00Z"],
            ["5", "2016-13-40", "soon"],
        ),
        ("decimal", ["49.99", "-1,000.01", ".5", "1."], ["1e5", "x", "", "79228162514264337593543950336000"]),
        ("double", ["1.234", "-1,001.01e8", "NaN"], ["x", "1.2.3", "e5"]),
        ("float", ["1.5", "1e400"], ["1,5x"]),
        ("guid", [GUID, GUID.replace("-", ""), f"{{{GUID}}}", f"({GUID})"], [GUID[:-1], f"{{{GUID}"]),
        ("int", ["123456789", "-5", "+5", "2147483647"], ["2147483648", "1.0", "", "١"]),
        ("long", ["9223372036854775807", "-9223372036854775808"], ["9223372036854775808"]),
        ("minlength(2)", ["ab"], ["a"]),
        ("maxlength(2)", ["", "ab"], ["abc"]),
        ("length(2)", ["ab"], ["a", "abc"]),
        ("length(2,3)", ["ab", "abc"], ["a", "abcd"]),
        ("min(18)", ["18", "99"], ["17", "x"]),
        ("max(120)", ["-5", "120"], ["121"]),
        ("range(18, 120)", ["18", "120"], ["17", "121", "1.5"]),
        ("regex(^(a|b)$)", ["a", "B"], ["c", "ab"]),
        ("required", ["x"], [""]),
        ("file", ["a.txt", "x/a.b"], ["a", "a.", "a.b/c"]),
        ("nonfile", ["a"], ["a.txt"]),
    ],
)
def test_constraints(text, fits, does_not):
    check = constraint(text)
    assert [value for value in (*fits, *does_not) if check(value)] == fits


@pytest.mark.parametrize(
    ("template", "complaint"),
    [
        ("{id:nope}", "'nope' is not known; there are alpha, bool"),
        ("{id:regex}", "'regex' is not known"),
        ("{id:int(5)}", r"'int\(5\)' is not known"),
        ("{id:regex([)}", "not a regular expression"),
        ("{id:length(x)}", "with whole numbers"),
        ("{id:range(1)}", "with whole numbers"),
        ("{id", "braces .* do not match"),
        ("id}", "braces .* do not match"),
        ("{}", "no name"),
        ("{a}{b}", "side by side"),
        ("{a}/{A}", "parameter a occurs twice"),
        ("{*a}/b", "must come last"),
        ("x{*a}", "whole segment"),
        ("{*a?}", "cannot be optional"),
        ("{a?b}", "neither constraint, default nor"),
    ],
)
def test_bad_templates_say_what_is_wrong(template, complaint):
    with pytest.raises(ValueError, match=complaint):
        Template.compile(template)


def test_specific_templates_come_first():
    texts = ["{*rest}", "runs/{id}", "runs/{id:int}", "runs/latest"]
    ranked = sorted(texts, key=lambda text: Template.compile(text).precedence)
    assert ranked == ["runs/latest", "runs/{id:int}", "runs/{id}", "{*rest}"]


@given(st.text(min_size=1).filter(lambda text: "/" not in text))
def test_any_value_survives_its_percent_encoding(value):
    path = decoded(b"/runs/" + quote(value, safe="").encode())
    assert Template.compile("runs/{id}").match(path) == {"id": value}


@pytest.mark.parametrize(
    ("raw", "path"),
    [(b"/a%2Fb%2fc", "/a%2Fb%2fc"), (b"/%C3%A4", "/ä"), (b"/a%20b+c", "/a b+c"), (b"/100%", "/100%")],
)
def test_an_encoded_slash_stays_within_its_segment(raw, path):
    assert decoded(raw) == path


def function(name, route, *methods):
    trigger = {
        "type": "httpTrigger",
        "name": "req",
        "route": route,
        "methods": methods,
        "authLevel": "FUNCTION",
    }
    return Function(name, name, (trigger,))


@pytest.mark.parametrize(
    ("one", "other", "collide"),
    [
        (("runs/{id}", "GET"), ("Runs/{name}", "GET"), True),
        (("runs/{id}", "GET"), ("runs/{id}",), True),
        (("runs/{id}", "GET"), ("runs/{id}", "POST"), False),
        (("runs/{id}", "GET"), ("runs/{id:int}", "GET"), False),
        (("runs/{id:int:min(1)}", "GET"), ("runs/{n:min(1):int}", "GET"), True),
    ],
)
def test_functions_with_the_same_route_are_refused(one, other, collide):
    functions = [function("first", *one), function("second", *other)]
    if collide:
        with pytest.raises(SettingsError, match="first and second have the same route"):
            http_routes(functions, "api")
    else:
        assert len(http_routes(functions, "api")) == 2


@pytest.mark.parametrize(
    ("route", "prefix", "complaint"),
    [
        ("runs/{id:nope}", "api", "function f has the route 'api/runs/{id:nope}': constraint 'nope'"),
        ("admin/x", "", "'admin/x', but addresses that begin with admin or runtime"),
    ],
)
def test_a_route_that_cannot_be_served_is_named_with_its_function(route, prefix, complaint):
    with pytest.raises(SettingsError, match=complaint):
        http_routes([function("f", route)], prefix)
