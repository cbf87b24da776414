"""The configuration of a fleet: what loads, what is wrong, and where."""

import json
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from busbar.domain.circuits import CircuitKey, Delegation, Limits, Serving, Source
from busbar.domain.policies import (
    AlertPolicy,
    ApprovalPolicy,
    Backoff,
    Bake,
    BranchAction,
    EnvironmentPolicy,
    Every,
    GateName,
    OnlinePolicy,
    Policies,
    PurgePolicy,
    QuotaPolicy,
    RampPolicy,
    ReadingsPolicy,
    RefreshPolicy,
    RetentionPolicy,
    SchedulePolicy,
    Stage,
    StagePolicy,
    Thresholds,
    TrainingPolicy,
    WavePolicy,
    Weekday,
)
from busbar.fleet import ConfigurationErrors, Problem, branch_table, load_fleet
from busbar.fleet.repository import branches_at, fleet_at

ROOT = Path(__file__).parents[2]

CIRCUITS = """\
defaults:
  training_days: 60
  owner: ml-lead
  hyperparameters: {epochs: 4}
circuits:
  - plant_id: PLANT1
    circuit_id: CIRC1
    sensors: [temperature, flow]
    cutoff_date: 2025-12-09
"""

PEOPLE = """\
people:
  - {login: ml-lead, mail: ml-lead@example.com, object_id: 00000000-0000-0000-0000-00000000000A, groups: [ml-leads]}
  - {login: qa-lead, mail: qa-lead@example.com, object_id: 00000000-0000-0000-0000-00000000000B, groups: [qa]}
  - {login: a, mail: a@example.com, object_id: 00000000-0000-0000-0000-00000000000C, groups: [prod-approvers]}
  - {login: b, mail: b@example.com, object_id: 00000000-0000-0000-0000-00000000000D, groups: [prod-approvers]}
"""


def delegating(**to: str) -> str:
    """`PEOPLE` in which some delegate, in December."""
    text = PEOPLE
    for login, delegate in to.items():
        first, entry, rest = text.partition(f"login: {login},")
        line, _, later = rest.partition("}\n")
        days = "from: 2025-12-01, until: 2025-12-31"
        text = f"{first}{entry}{line}, delegate: {{to: {delegate}, {days}}}}}\n{later}"
    return text


def files(**contents: str) -> dict[str, bytes]:
    """`circuits="…"` as `circuits.yaml`, `environments_prod` as `environments/prod.yaml`; the rest is valid."""
    texts = {"circuits": CIRCUITS, "people": PEOPLE} | contents
    return {f"{name.replace('_', '/')}.yaml": text.encode() for name, text in texts.items()}


def problems(contents: Mapping[str, bytes]) -> list[str]:
    with pytest.raises(ConfigurationErrors) as caught:
        load_fleet(contents, "c0ffee")
    return str(caught.value).splitlines()


def sample() -> dict[str, bytes]:
    folder = ROOT / "config"
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def test_the_sample_fleet_loads():
    fleet = load_fleet(sample(), "c0ffee")
    assert fleet.commit == "c0ffee"
    assert [str(circuit.key) for circuit in fleet.circuits] == [
        f"PLANT{plant}/CIRC{circuit}" for plant in (1, 2) for circuit in (1, 2, 3)
    ]
    assert fleet.circuits[5].hyperparameters["units"] == 48
    assert fleet.circuits[5].hyperparameters["look_back"] == 96
    assert len(fleet.members(("prod-approvers",))) >= 3
    assert fleet.policies.stages[Stage.PROD].thresholds == Thresholds(
        max_mae=5.0, max_rmse=7.0, min_accuracy=0.85
    )
    assert fleet.policies.approvals[GateName.PROD_DEPLOYMENT].quorum == 2


def test_defaults_are_filled_in_key_by_key():
    circuit = load_fleet(files(), "c0ffee").circuits[0]
    assert circuit.key == CircuitKey("PLANT1", "CIRC1")
    assert circuit.cutoff_date == date(2025, 12, 9)
    assert (circuit.training_days, circuit.frequency_minutes, circuit.owner) == (60, 60, "ml-lead")
    assert circuit.hyperparameters == {
        "look_back": 96,
        "horizon": 24,
        "patch": 12,
        "units": 64,
        "epochs": 4,
        "batch_size": 64,
        "learning_rate": 0.002,
        "season": 24,
        "seed": 7,
    }


def test_a_circuit_sets_its_own():
    own = CIRCUITS + (
        "    training_days: 30\n"
        "    frequency_minutes: 30\n"
        "    hyperparameters: {units: 32}\n"
        "    limits: {flow: {high: 80}}\n"
        "    thresholds: {max_mae: 3}\n"
        "    delta_version: 12\n"
        "    owner: QA-lead\n"
    )
    circuit = load_fleet(files(circuits=own), "c0ffee").circuits[0]
    assert (circuit.training_days, circuit.frequency_minutes) == (30, 30)
    assert (circuit.hyperparameters["units"], circuit.hyperparameters["epochs"]) == (32, 4)
    assert circuit.limits == {"flow": Limits(None, 80.0)}
    assert circuit.thresholds == Thresholds(max_mae=3.0)
    assert (circuit.delta_version, circuit.owner) == (12, "QA-lead")


def test_what_is_not_said_has_sensible_defaults():
    policies = load_fleet(files(), "c0ffee").policies
    assert policies == Policies(
        branches={
            "develop": BranchAction.TRAIN,
            "release/*": BranchAction.DEPLOY_TEST,
            "main": BranchAction.DEPLOY_PROD,
        },
        approvals={
            GateName.REGISTRY_PROMOTION: ApprovalPolicy(("ml-leads",)),
            GateName.TEST_DEPLOYMENT: ApprovalPolicy(("qa",)),
            GateName.PROD_DEPLOYMENT: ApprovalPolicy(("prod-approvers",), quorum=2),
            GateName.ENVIRONMENT_UPDATE: ApprovalPolicy(("ml-leads",)),
            GateName.DRIFT_RETRAIN: ApprovalPolicy(("ml-leads",)),
        },
        stages={
            Stage.DEV: StagePolicy(retention=RetentionPolicy(30, 14, 60, 30)),
            Stage.TEST: StagePolicy(
                ramp=RampPolicy((50, 100)),
                retention=RetentionPolicy(90, 30, 180, 90),
                alerts=AlertPolicy(0.15, 0.20, 1000.0, 5.0),
            ),
            Stage.PROD: StagePolicy(ramp=RampPolicy((10, 25, 50, 100)), alerts=AlertPolicy()),
        },
    )


def test_policies_are_read_over_the_defaults():
    pipeline = """\
branches: {trunk: train}
training: {max_parallel: 2, poll: {initial_seconds: 1, maximum_seconds: 5}}
propagation: {max_seconds: 60}
gates: {champion_margin: 0.1}
environments: {tolerance: 0.001, windows: 48}
approvals:
  registry-promotion: {expires_hours: 1.5}
quotas: {endpoints: 200}
readings: {history_days: 14}
refresh: {max_age_days: 10}
schedules:
  dev: {every: day, at: "23:05", lookback_days: 45}
  prod: {every: week, on: sunday}
retention: {apply: true}
train_pull_requests: true
"""
    test = "approval: {groups: [ml-leads], escalate_hours: 24, escalate_to: [qa]}\nwaves: {size: 3}\n"
    prod = """\
compute: big
approval: null
thresholds: {min_accuracy: 1}
ramp: {steps: [5, 100], bake: live}
"""
    written = files(pipeline=pipeline, environments_test=test, environments_prod=prod)
    policies = load_fleet(written, "c0ffee").policies
    assert policies.branches == {"trunk": BranchAction.TRAIN}
    assert policies.retention == PurgePolicy(apply=True)
    assert policies.training == TrainingPolicy(max_parallel=2, poll=Backoff(1, 5))
    assert (policies.propagation.poll, policies.propagation.max_seconds) == (Backoff(2, 30), 60)
    assert (policies.gates.min_skill_seasonal_naive, policies.gates.champion_margin) == (0.0, 0.1)
    assert policies.environments == EnvironmentPolicy(0.001, 48)
    assert policies.approvals[GateName.REGISTRY_PROMOTION] == ApprovalPolicy(("ml-leads",), 1, 1.5)
    assert (policies.asks(Stage.DEV), policies.asks(Stage.PROD)) == (None, None)
    assert policies.asks(Stage.TEST) is GateName.TEST_DEPLOYMENT
    escalating = ApprovalPolicy(("ml-leads",), escalate_hours=24, escalate_to=("qa",))
    assert policies.approvals[GateName.TEST_DEPLOYMENT] == escalating
    assert policies.stage(Stage.TEST).waves == WavePolicy(size=3)
    ramp = RampPolicy((5, 100), Bake.LIVE)
    assert policies.stage(Stage.PROD) == StagePolicy(
        Thresholds(min_accuracy=1.0), "big", ramp, alerts=AlertPolicy()
    )
    assert policies.quotas == QuotaPolicy(endpoints=200)
    assert (policies.readings, policies.refresh) == (ReadingsPolicy(14), RefreshPolicy(10))
    assert policies.schedules == {
        Stage.DEV: SchedulePolicy(Every.DAY, "23:05", lookback_days=45),
        Stage.PROD: SchedulePolicy(Every.WEEK, "02:00", Weekday.SUNDAY),
    }
    assert policies.train_pull_requests


def test_nothing_moves_a_cutoff_date_unless_asked_to():
    policies = load_fleet(files(), "c0ffee").policies
    assert (policies.refresh, policies.schedules) == (RefreshPolicy(None), {})


@pytest.mark.parametrize(
    ("pipeline", "told"),
    [
        ("schedules: {dev: {every: week}}", "`on` names the day of `every: week`"),
        ("schedules: {dev: {every: day, on: sunday}}", "`on` names the day of `every: week`"),
        ('schedules: {dev: {every: day, at: "24:00"}}', "pipeline.yaml:1: schedules.dev.at"),
        ("schedules: {dev: {every: month}}", "schedules.dev.every"),
        ("schedules: {staging: {every: day}}", "schedules.staging"),
        ("refresh: {max_age_days: 0}", "refresh.max_age_days"),
        ("readings: {history_days: 1}", "readings.history_days"),
    ],
)
def test_schedules_that_cannot_be_say_why(pipeline: str, told: str):
    [problem] = problems(files(pipeline=pipeline))
    assert told in problem


def test_sources_are_read_and_filled_in():
    two = CIRCUITS + "  - {plant_id: P2, circuit_id: C, sensors: [x], cutoff_date: 2025-12-09}\n"
    sources = """\
sources:
  - plant_id: PLANT1
    files: PLANT1/*.txt
    time_columns: [year, month, day, hour]
    timezone: Europe/Berlin
    delimiter: ";"
    columns: {CIRC1: {flow: FI-1}}
"""
    first, second = load_fleet(files(circuits=two, sources=sources), "c0ffee").sources
    assert first == Source(
        "PLANT1",
        "PLANT1/*.txt",
        ("year", "month", "day", "hour"),
        "Europe/Berlin",
        None,
        ";",
        {"CIRC1": {"flow": "FI-1"}},
    )
    assert second == Source("P2", "P2/*.csv", ("time",))


def test_people_are_normalised():
    person = load_fleet(files(), "c0ffee").person("ML-Lead")
    assert person is not None
    assert person.object_id == "00000000-0000-0000-0000-00000000000a"


def test_a_person_may_name_a_delegate():
    person = load_fleet(files(people=delegating(a="B")), "c0ffee").person("a")
    assert person is not None
    assert person.delegate == Delegation("B", date(2025, 12, 1), date(2025, 12, 31))


def test_two_may_stand_in_for_each_other_at_different_times():
    taking_turns = delegating(a="b", b="a")
    first, marker, second = taking_turns.rpartition("from: 2025-12-01")
    apart = first + marker.replace("-12-01", "-10-01") + second.replace("2025-12-31", "2025-10-31")
    assert load_fleet(files(people=apart), "c0ffee").person("b")


WRONG_CIRCUITS = [
    ("cutoff_dat: 2025-12-09", 10, "circuits[0].cutoff_dat: unknown key; did you mean cutoff_date?"),
    (
        "hyperparameters: {epoch: 3}",
        10,
        "circuits[0].hyperparameters.epoch: unknown key; did you mean epochs?",
    ),
    ("zzz: 1", 10, "circuits[0].zzz: unknown key; known: circuit_id, cutoff_date, delta_version, "),
    ("training_days: 0", 10, "circuits[0].training_days: 0: input should be greater than or equal to 1"),
    ("training_days: '30'", 10, "circuits[0].training_days: '30': input should be a valid integer"),
    (
        "training_days: 5",
        6,
        "circuits[0]: training_days 5 at frequency_minutes 60 are 120 rows: more than look_back + horizon = 120",
    ),
    (
        "hyperparameters: {look_back: 2001}",
        10,
        "circuits[0].hyperparameters.look_back: 2001: input should be less",
    ),
    (
        "hyperparameters: {patch: 7}",
        10,
        "circuits[0].hyperparameters: patch 7 does not divide look_back 96",
    ),
    (
        "hyperparameters: {season: 97}",
        10,
        "circuits[0].hyperparameters: season 97 is longer than look_back 96",
    ),
    (
        "hyperparameters: {learning_rate: .nan}",
        10,
        "circuits[0].hyperparameters.learning_rate: nan: input should",
    ),
    ("limits: {pressure: {low: 1}}", 10, "circuits[0].limits.pressure: unknown sensor; known: flow, temper"),
    ("limits: {flo: {low: 1}}", 10, "circuits[0].limits.flo: unknown sensor; did you mean flow?"),
    ("limits: {flow: {low: 2, high: 1}}", 10, "circuits[0].limits.flow: low 2.0 is not below high 1.0"),
    ("limits: {flow: {}}", 10, "circuits[0].limits.flow: set low, high or both"),
    ("limits: {flow: {hi: 1}}", 10, "circuits[0].limits.flow.hi: unknown key; did you mean high?"),
    ("thresholds: {min_accuracy: 70}", 10, "circuits[0].thresholds.min_accuracy: 70: input should be less"),
    ("delta_version: -1", 10, "circuits[0].delta_version: -1: input should be greater"),
    ("owner: ml-leed", 10, "circuits[0].owner: unknown login in people.yaml; did you mean ml-lead?"),
    ("plant_id: P2", 10, "circuits[0].plant_id: duplicate key, first in line 6"),
    (
        "limits: &x {flow: {low: 1}}\n    thresholds: *x",
        11,
        "circuits[0].thresholds: anchors and aliases are",
    ),
    ("owner: !!python/name:os.system ''", 10, "circuits[0].owner: the tag tag:yaml.org,2002:python/name:os"),
]


@pytest.mark.parametrize(("addition", "line", "message"), WRONG_CIRCUITS)
def test_a_wrong_circuit_is_named_with_file_line_and_key(addition: str, line: int, message: str):
    found = problems(files(circuits=f"{CIRCUITS}    {addition}\n"))
    assert any(text.startswith(f"config/circuits.yaml:{line}: {message}") for text in found), found


REPLACED = [
    ("2025-12-09", "2025-13-09", 9, "circuits[0].cutoff_date: '2025-13-09' is not a date: month must be in"),
    ("2025-12-09", "09.12.2025", 9, "circuits[0].cutoff_date: '09.12.2025' is not a date, YYYY-MM-DD"),
    ("2025-12-09", "2025-12-09T00:00:00", 9, "circuits[0].cutoff_date: '2025-12-09T00:00:00' is not a date"),
    ("2025-12-09", "20251209", 9, "circuits[0].cutoff_date: 20251209 is not a date, YYYY-MM-DD"),
    ("cutoff_date: 2025-12-09", "", 6, "circuits[0].cutoff_date: is missing"),
    ("[temperature, flow]", "[flow, flow]", 8, "circuits[0].sensors[1]: flow is listed twice"),
    ("[temperature, flow]", "[]", 8, "circuits[0].sensors: a list: list should have at least 1 item"),
    ("[temperature, flow]", "[' flow']", 8, "circuits[0].sensors[0]: ' flow' is not 1 to 100 printable"),
    ("PLANT1", "PLANT-1", 6, "circuits[0].plant_id: 'PLANT-1' is not 1 to 16 letters and digits, a letter"),
    ("PLANT1", "'PLANT1/X'", 6, "circuits[0].plant_id: 'PLANT1/X' is not 1 to 16 letters and digits"),
    ("PLANT1", "P2345678901234567", 6, "circuits[0].plant_id: 'P2345678901234567' is not 1 to 16"),
    ("CIRC1", "1", 7, "circuits[0].circuit_id: 1: input should be a valid string"),
    ("owner: ml-lead", "owner: nobody", 3, "defaults.owner: unknown login in people.yaml"),
    ("training_days: 60", "training_days: no", 2, "defaults.training_days: 'no': input should be a valid"),
    ("{epochs: 4}", "{patch: 7}", 4, "defaults.hyperparameters: patch 7 does not divide look_back 96"),
    ("circuits:", "circuit:", 5, "circuit: unknown key; did you mean circuits?"),
]


@pytest.mark.parametrize(("old", "new", "line", "message"), REPLACED)
def test_a_wrong_value_is_named_with_file_line_and_key(old: str, new: str, line: int, message: str):
    found = problems(files(circuits=CIRCUITS.replace(old, new)))
    assert any(text.startswith(f"config/circuits.yaml:{line}: {message}") for text in found), found


def circuit(plant: str, name: str) -> str:
    return f"  - {{plant_id: {plant}, circuit_id: {name}, sensors: [x], cutoff_date: 2025-12-09}}\n"


@pytest.mark.parametrize(
    ("added", "message"),
    [
        (
            circuit("PLANT1", "CIRC1"),
            "config/circuits.yaml:10: circuits[1]: duplicate circuit PLANT1/CIRC1, first in line 6",
        ),
        (
            circuit("PLANT1", "Circ1"),
            "config/circuits.yaml:10: circuits[1].circuit_id: its name differs in case alone from a PLANT1/CIRC1, "
            "first in line 6",
        ),
        (
            circuit("Plant1", "CIRC9"),
            "config/circuits.yaml:10: circuits[1].plant_id: Plant1 is spelt PLANT1 in line 6: write it one way",
        ),
    ],
)
def test_circuits_that_would_share_a_name(added: str, message: str):
    assert problems(files(circuits=CIRCUITS + added)) == [message]


def test_all_problems_come_at_once_in_the_order_of_the_files():
    found = problems(
        files(
            circuits=CIRCUITS.replace("2025-12-09", "never") + "    ownr: x\n" + circuit("1", "CIRC2"),
            people=PEOPLE.replace("qa-lead@example.com", "qa-lead"),
            pipeline="branches: {develop: tain}\n",
            environments_prod="threshold: {}\n",
            environments_production="",
        )
    )
    assert [text.split(" ")[0] for text in found] == [
        "config/circuits.yaml:9:",
        "config/circuits.yaml:10:",
        "config/circuits.yaml:11:",
        "config/environments/prod.yaml:1:",
        "config/environments/production.yaml:1:",
        "config/people.yaml:3:",
        "config/pipeline.yaml:1:",
    ]
    assert "did you mean environments/prod.yaml?" in found[4]


@pytest.mark.parametrize("name", ["circuits.yaml", "people.yaml"])
def test_required_files(name: str):
    contents = files()
    del contents[name]
    assert f"config/{name}:1: is missing" in problems(contents)


def test_other_files_may_lie_beside():
    assert load_fleet(
        files() | {"README.md": b"# fleet", "environments/notes.txt": b"\xff"}, "c0ffee"
    ).circuits


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "config/circuits.yaml:1: circuits: is missing"),
        (b"# nothing yet\n", "config/circuits.yaml:1: circuits: is missing"),
        (b"[1]", "config/circuits.yaml:1: a list is not a mapping of keys to values"),
        (b"circuits: 1", "config/circuits.yaml:1: circuits: 1: input should be a valid list"),
        (b"circuits: [1]", "config/circuits.yaml:1: circuits[0]: 1 is not a mapping of keys to values"),
        (b"\xff\xfe", "config/circuits.yaml:1: is not UTF-8 text"),
        (b"circuits: []\x00", "config/circuits.yaml:1: is not YAML: "),
        (b"circuits:\n\t- x", "config/circuits.yaml:2: is not YAML: "),
        (b"[" * 1_000, "config/circuits.yaml:1: is nested too deeply"),
        (b"#" * 1_000_001, "config/circuits.yaml:1: is larger than 1,000,000 bytes"),
        (b"circuits: []\n---\ncircuits: []\n", "config/circuits.yaml:2: is not YAML: "),
    ],
)
def test_files_that_are_no_configuration(content: bytes, message: str):
    found = problems(files() | {"circuits.yaml": content})
    assert any(text.startswith(message) for text in found), found


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        (
            {"people": PEOPLE.replace("login: b,", "login: A,")},
            "people.yaml:5: people[3].login: A is taken, first in line 4",
        ),
        (
            {"people": PEOPLE.replace("b@example.com", "a@example.com")},
            "people.yaml:5: people[3].mail: a@example.com is taken, first in line 4",
        ),
        (
            {"people": PEOPLE.replace("00000D,", "00000c,")},
            "people.yaml:5: people[3].object_id: 00000000-0000-0000-0000-00000000000c is taken",
        ),
        (
            {"people": PEOPLE.replace("00000D,", "D,")},
            "people.yaml:5: people[3].object_id: '00000000-0000-0000",
        ),
        (
            {"people": delegating(a="nobody")},
            "people.yaml:4: people[2].delegate.to: nobody: unknown login; known: b, ml-lead, qa-lead",
        ),
        (
            {"people": delegating(a="ml-leed")},
            "people.yaml:4: people[2].delegate.to: ml-leed: unknown login; did you mean ml-lead?",
        ),
        (
            {"people": delegating(a="A")},
            "people.yaml:4: people[2].delegate.to: a delegates to themselves: name somebody else",
        ),
        (
            {"people": delegating(a="b", b="a")},
            "people.yaml:4: people[2].delegate.to: a → b → a is a cycle on the same days",
        ),
        (
            {"people": delegating(a="b", b="qa-lead", **{"qa-lead": "a"})},
            "people.yaml:4: people[2].delegate.to: a → b → qa-lead → a is a cycle",
        ),
        (
            {"people": delegating(a="b").replace("until: 2025-12-31", "until: 2025-11-30")},
            "people.yaml:4: people[2].delegate: until 2025-11-30 is before from 2025-12-01",
        ),
        (
            {"people": delegating(a="b").replace("from: 2025-12-01", "form: 2025-12-01")},
            "people.yaml:4: people[2].delegate.form: unknown key; did you mean from?",
        ),
        (
            {"people": delegating(a="b").replace("from: 2025-12-01", "from: soon")},
            "people.yaml:4: people[2].delegate.from: 'soon' is not a date, YYYY-MM-DD",
        ),
        (
            {"people": PEOPLE.replace("[prod-approvers]", "[qa]")},
            "environments/prod.yaml:1: approval.groups[0]: prod-approvers: unknown group in people.yaml",
        ),
        (
            {"environments_prod": "approval:\n  quorum: 3\n"},
            "environments/prod.yaml:2: approval.quorum: 3 must agree, but prod-approvers has 2 member(s)",
        ),
        (
            {"pipeline": "approvals:\n  drift-retrains: {quorum: 3}\n"},
            "pipeline.yaml:2: approvals.drift-retrains: unknown gate; did you mean drift-retrain?",
        ),
        (
            {"pipeline": "approvals: {prod-deployment: {quorum: 2}}"},
            "pipeline.yaml:1: approvals.prod-deployment: belongs in environments/prod.yaml: approval",
        ),
        (
            {"pipeline": "approvals: {drift-retrain: {quorum: 0}}"},
            "pipeline.yaml:1: approvals.drift-retrain.q",
        ),
        (
            {"pipeline": "approvals: {drift-retrain: {groups: []}}"},
            "pipeline.yaml:1: approvals.drift-retrain.g",
        ),
        (
            {"pipeline": "environments: {windows: 3, min_windows: 4}"},
            "pipeline.yaml:1: environments: min_windows 4 is more than windows 3",
        ),
        (
            {"pipeline": "training:\n  poll: {initial_seconds: 9, maximum_seconds: 1}\n"},
            "pipeline.yaml:2: training.poll: maximum_seconds is below initial_seconds",
        ),
        (
            {"pipeline": "branches: {develop: tain}"},
            "pipeline.yaml:1: branches.develop: 'tain': input should be 'tr",
        ),
        (
            {"environments_test": "approval: qa"},
            "environments/test.yaml:1: approval: 'qa' is not a mapping of keys to values",
        ),
        (
            {"environments_test": "approval: {escalate_hours: 24}"},
            "environments/test.yaml:1: approval: escalate_hours and escalate_to belong together",
        ),
        (
            {"environments_prod": "approval:\n  escalate_hours: 80\n  escalate_to: [qa]"},
            "environments/prod.yaml:1: approval: escalate_hours 80 is not before expires_hours 72",
        ),
        (
            {"environments_prod": "ramp: {steps: [10, 50]}"},
            "environments/prod.yaml:1: ramp.steps: [10, 50] does not end at 100",
        ),
        (
            {"environments_prod": "ramp: {steps: [50, 25, 100]}"},
            "environments/prod.yaml:1: ramp.steps: [50, 25, 100] does not rise",
        ),
        (
            {"environments_prod": "ramp:\n  steps: [10, 120]"},
            "environments/prod.yaml:2: ramp.steps[1]: 120",
        ),
        (
            {"environments_prod": "rollback: {eror_percent: 5}"},
            "environments/prod.yaml:1: rollback.eror_percent: unknown key; did you mean error_percent?",
        ),
        (
            {"sources": "sources:\n- {plant_id: PLANT2, files: x}"},
            "sources.yaml:2: sources[0].plant_id: unknown plant in circuits.yaml; did you mean PLANT1?",
        ),
        (
            {"sources": "sources:\n- {plant_id: PLANT1, files: ../x}"},
            "sources.yaml:2: sources[0].files: '../x' is",
        ),
        (
            {"sources": "sources:\n- {plant_id: PLANT1, files: x}\n- {plant_id: PLANT1, files: y}"},
            "sources.yaml:3: sources[1]: duplicate plant PLANT1, first in line 2",
        ),
        (
            {"sources": "sources:\n- {plant_id: PLANT1, files: x, timezone: Mars/Olympus}"},
            "sources.yaml:2: sources[0].timezone: 'Mars/Olympus' is not a time zone",
        ),
        (
            {"sources": "sources:\n- {plant_id: PLANT1, files: x, columns: {CIRC1: {floe: F}, CIRC: {}}}"},
            "sources.yaml:2: sources[0].columns.CIRC1.floe: unknown sensor; did you mean flow?",
        ),
    ],
)
def test_the_other_files(contents: dict[str, str], message: str):
    found = problems(files(**contents))
    assert any(text.startswith(f"config/{message}") for text in found), found


def test_problems_are_data_too():
    with pytest.raises(ConfigurationErrors) as caught:
        load_fleet(files(circuits="circuits: []\nx: 1\n"), "c0ffee")
    problem = Problem("circuits.yaml", 2, "x", "unknown key; known: circuits, defaults")
    assert caught.value.problems == (problem,)


@pytest.mark.parametrize(
    ("contents", "branches"),
    [
        (files(circuits="[", pipeline="branches: {trunk: train}"), {"trunk": BranchAction.TRAIN}),
        (files(pipeline="branches: {trunk: what}"), None),
        (files(pipeline="["), None),
        ({}, None),
    ],
)
def test_the_branch_table_is_read_though_the_rest_be_wrong(
    contents: dict[str, bytes], branches: dict[str, BranchAction] | None
):
    usual = {
        "develop": BranchAction.TRAIN,
        "release/*": BranchAction.DEPLOY_TEST,
        "main": BranchAction.DEPLOY_PROD,
    }
    assert branch_table(contents) == (branches or usual)


class Repository:
    """Gives `config/` of one commit."""

    def __init__(self, **contents: str):
        self.config = {f"config/{name}": content for name, content in files(**contents).items()}

    def files(self, prefix: str, ref: str) -> dict[str, bytes]:
        assert (prefix, ref) == ("config", "c0ffee")
        return self.config


def test_a_commit_of_the_repository():
    fleet = fleet_at(Repository(), "c0ffee")
    assert (fleet.commit, len(fleet.circuits)) == ("c0ffee", 1)
    with pytest.raises(ConfigurationErrors):
        fleet_at(Repository(circuits="["), "c0ffee")


def test_the_branch_table_of_a_commit_with_a_mistake():
    repository = Repository(circuits="[", pipeline="branches: {trunk: train}")
    assert branches_at(repository, "c0ffee") == {"trunk": BranchAction.TRAIN}


def test_the_same_files_at_another_commit_are_the_same_fleet_of_that_commit():
    assert load_fleet(files(), "1").circuits == load_fleet(files(), "2").circuits
    assert load_fleet(files(), "2").commit == "2"


KEYS = st.sampled_from(
    [*CIRCUITS.replace("-", " ").replace(":", " ").split(), "limits", "thresholds", "low", "<<"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | KEYS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=60, deadline=None)
@given(circuits=st.lists(VALUES, max_size=3), defaults=VALUES)
def test_whatever_the_file_says_it_loads_or_says_what_is_wrong(circuits: list[object], defaults: object):
    document = json.dumps({"defaults": defaults, "circuits": circuits})
    with suppress(ConfigurationErrors):
        load_fleet(files(circuits=document), "c0ffee")


@settings(max_examples=60, deadline=None)
@given(cut=st.integers(0, len(CIRCUITS)), junk=st.text(max_size=6))
def test_a_torn_file_never_raises_anything_else(cut: int, junk: str):
    with suppress(ConfigurationErrors):
        load_fleet(files(circuits=CIRCUITS[:cut] + junk + CIRCUITS[cut:]), "c0ffee")


def test_importing_costs_neither_pydantic_nor_yaml():
    modules = "sys, busbar.fleet.repository, busbar.fleet.render"
    program = f"import {modules}; print({{'pydantic', 'ruamel.yaml'}} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"


# --- online -----------------------------------------------------------------------------------------------


def test_a_circuit_is_served_as_a_job_unless_it_says_otherwise():
    fleet = load_fleet(files(circuits=f"{CIRCUITS}    serving: online\n"), "c0ffee")
    assert [circuit.serving for circuit in fleet.circuits] == [Serving.ONLINE]
    fleet = load_fleet(files(circuits=CIRCUITS), "c0ffee")
    assert [circuit.serving for circuit in fleet.circuits] == [Serving.BATCH]


@pytest.mark.parametrize(
    ("prod", "expected"),
    [
        ("", OnlinePolicy("Standard_F2s_v2", 1)),
        ("online: {instance_count: 3}", OnlinePolicy("Standard_F2s_v2", 3)),
        ("online: {instance_type: Standard_DS3_v2}", OnlinePolicy("Standard_DS3_v2", 1)),
    ],
)
def test_a_stage_says_on_what_its_online_deployments_stand(prod: str, expected: OnlinePolicy):
    policies = load_fleet(files(environments_prod=prod), "c0ffee").policies
    assert policies.stage(Stage.PROD).online == expected


@pytest.mark.parametrize(
    ("written", "told"),
    [
        (
            {"circuits": f"{CIRCUITS}    serving: realtime\n"},
            "circuits.yaml:10: circuits[0].serving: 'realtime': input should be 'batch' or 'online'",
        ),
        (
            {"environments_prod": "online: {instance_type: big}"},
            "environments/prod.yaml:1: online.instance_type",
        ),
        (
            {"environments_prod": "online: {instance_count: 0}"},
            "environments/prod.yaml:1: online.instance_count",
        ),
        ({"environments_prod": "online: {machines: 3}"}, "environments/prod.yaml:1: online.machines"),
    ],
)
def test_what_cannot_be_served_so_is_named(written: dict[str, str], told: str):
    [problem] = problems(files(**written))
    assert told in problem
