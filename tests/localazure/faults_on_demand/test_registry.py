"""Whether a fault happens: where, how often, how long, and the same again under the same seed."""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localazure.faults import Fault, FaultError, Faults
from localazure.faults.kinds import KINDS, Text
from localazure.faults.registry import KEPT_LOG

PLACE = {"service": "email", "method": "POST", "path": "/emails:send"}


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def faults(clock):
    return Faults(clock=clock)


def hits(faults, count, kind="throttle", **place):
    return [bool(faults.meet(kind, **(place or PLACE))) for _ in range(count)]


def plant(faults, **asked):
    return faults.add(Fault.read({"kind": "throttle", **asked}))


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"times": 2}, [True, True, False, False]),
        ({"every": 2}, [False, True, False, True]),
        ({"every": 2, "times": 1}, [False, True, False, False]),
        ({"where": {"path": "/emails*"}}, [True] * 4),
        ({"where": {"path": "/EMAILS*", "method": "post"}}, [True] * 4),
        ({"where": {"service": "event-grid"}}, [False] * 4),
        ({"where": {"path": "/emails"}}, [False] * 4),
    ],
)
def test_what_happens_to_four_requests(faults, asked, expected):
    plant(faults, **asked)
    assert hits(faults, 4) == expected


def test_nothing_happens_unasked_or_to_others(faults):
    assert hits(faults, 2) == [False, False]
    plant(faults)
    assert hits(faults, 2, "drop") == [False, False]


def test_a_fault_ends_after_its_time(faults, clock):
    plant(faults, for_seconds=30)
    clock.now += 29.9
    assert hits(faults, 1) == [True]
    clock.now += 0.2
    assert hits(faults, 1) == [False]


@pytest.mark.parametrize("kind", KINDS)
def test_no_fault_is_unbounded(kind):
    fault = Fault.read({"kind": kind})
    assert fault.for_seconds is not None
    assert fault.times is not None or fault.for_seconds <= 60


@given(
    seed=st.integers(),
    order=st.permutations([f"/{name}" for name in "aaaabbbbcc"]),
    probability=st.floats(0.05, 0.95),
)
def test_the_same_requests_meet_the_same_faults_in_whatever_order(seed, order, probability):
    def fates(paths):
        faults, seen = Faults(), Counter[str]()
        plant(faults, probability=probability, seed=seed)
        met: dict[tuple[str, int], bool] = {}
        for path in paths:
            seen[path] += 1
            met[path, seen[path]] = bool(faults.meet("throttle", path=path))
        return met

    assert fates(order) == fates(sorted(order))


def test_probability_is_kept_roughly_and_seeds_differ(faults):
    plant(faults, probability=0.2, seed=7)
    first = [bool(faults.meet("throttle", path=f"/{number}")) for number in range(1000)]
    assert 150 < sum(first) < 250
    faults.clear()
    plant(faults, probability=0.2, seed=8)
    assert first != [bool(faults.meet("throttle", path=f"/{number}")) for number in range(1000)]


def test_ids_that_differ_from_run_to_run_do_not_change_the_draws(faults):
    paths = [
        f"/operations/{one}"
        for one in ("1f0c3c1e-6d9b-4a52-9a51-2a3b0f6a2b11", "9d1b7f60-0a43-4cf1-8a2e-7f5a3c2d1e0f")
    ]
    fates = []
    for path in paths:
        plant(faults, probability=0.5, seed=3)
        fates.append(hits(faults, 20, path=path))
        faults.clear()
    assert fates[0] == fates[1]


def test_a_restart_changes_nothing(tmp_path: Path, clock: Clock):
    def fates(restart_after: int) -> list[bool]:
        path = tmp_path / f"{restart_after}.db"
        faults = Faults(path, clock)
        plant(faults, probability=0.5, times=6, seed=1)
        before = hits(faults, restart_after)
        logged = faults.log()
        faults.close()
        again = Faults(path, clock)
        assert again.log() == logged
        return before + hits(again, 30 - restart_after)

    assert fates(0) == fates(5) == fates(29)
    assert sum(fates(12)) == 6


def test_the_log_says_what_was_injected_into_what(faults):
    planted = plant(faults, times=1)
    hits(faults, 3)
    (entry,) = faults.log()
    assert (entry["fault"], entry["kind"], entry["into"], entry["at"]) == (
        planted.id,
        "throttle",
        PLACE,
        1000.0,
    )
    (listed,) = faults.all()
    assert (listed.injected, faults.is_live(listed)) == (1, False)


def test_the_log_is_bounded(faults):
    plant(faults)
    hits(faults, KEPT_LOG + 5)
    numbers = [entry["number"] for entry in faults.log()]
    assert numbers == list(range(KEPT_LOG + 5, 5, -1))


def test_ended_faults_are_forgotten_in_time(faults, clock):
    plant(faults, for_seconds=10)
    clock.now += 3601
    kept = plant(faults)
    assert faults.all() == [kept]


def test_clearing_one_and_all(faults):
    first, _ = plant(faults), plant(faults)
    assert faults.clear(first.id) == 1
    assert faults.clear(first.id) == 0
    assert faults.clear() == 1
    assert not faults.any()


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"kind": "trottle"}, ["trottle", "throttle, error"]),
        ({}, ["kind"]),
        ([], ["dictionary"]),
        ({"kind": "throttle", "where": {"paht": "*"}}, ["where.paht", "path"]),
        ({"kind": "throttle", "where": "path"}, ["where"]),
        ({"kind": "throttle", "probability": 0}, ["probability"]),
        ({"kind": "throttle", "probability": 1.5}, ["probability"]),
        ({"kind": "throttle", "every": 0}, ["every"]),
        ({"kind": "throttle", "times": 0}, ["times"]),
        ({"kind": "throttle", "for_seconds": -1}, ["for_seconds"]),
        ({"kind": "throttle", "for_seconds": 90000}, ["for_seconds", "86400"]),
        ({"kind": "blob-unavailable", "for_seconds": 301}, ["for_seconds", "300"]),
        ({"kind": "blob-unavailable", "times": 1}, ["times"]),
        ({"kind": "clock-skew", "probability": 0.5}, ["probability"]),
        ({"kind": "throttle", "parameters": {"seconds": 1}}, ["parameters.seconds", "retry_after"]),
        ({"kind": "throttle", "parameters": {"retry_after": "soon"}}, ["parameters.retry_after", "soon"]),
        ({"kind": "error", "parameters": {"status": 404}}, ["parameters.status", "500"]),
        ({"kind": "slow", "parameters": {"seconds": float("nan")}}, ["parameters.seconds"]),
        ({"kind": "drop", "parameters": {"when": "during"}}, ["parameters.when", "before"]),
        ({"kind": "throttle", "surprise": 1}, ["surprise"]),
    ],
)
def test_bad_input_is_told_its_field(asked, words):
    with pytest.raises(FaultError) as refusal:
        Fault.read(asked)
    for word in words:
        assert word in str(refusal.value)


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from([*Fault.model_fields, "x"]), inner),
    ),
    st.sampled_from(list(KINDS)),
)
def test_any_json_is_a_fault_or_a_told_mistake(body, kind):
    try:
        fault = Fault.read({**body, "kind": kind} if isinstance(body, dict) else body)
    except FaultError:
        return
    assert Fault.model_validate(fault.model_dump(mode="json")) == fault
    assert 0 < (fault.for_seconds or 0) <= KINDS[kind].most_seconds


def test_defaults_are_within_their_own_bounds():
    for name, kind in KINDS.items():
        for parameter, spec in kind.parameters.items():
            Fault.read({"kind": name, "parameters": {parameter: spec.default}})
            assert isinstance(spec, Text) or spec.least <= spec.default <= spec.most
