"""Stages 1 to 4: what is registered, what is not, and what the author of a commit is told."""

from dataclasses import replace
from typing import Any

import pytest

from activities.assets import (
    SCORING,
    TRAINING,
    pin_data,
    promote_components,
    register_components,
    register_environment,
    register_merge,
    share_environment,
)
from activities.builds import built_for
from activities.sources import ENVIRONMENT, Versioned, read_versioned
from busbar.domain import names
from busbar.domain.circuits import CircuitKey
from busbar.domain.errors import ConfigurationError
from busbar.domain.policies import Policies, Stage
from busbar.domain.steps import (
    ComponentsRegistration,
    ComponentsRequest,
    DataPinned,
    DataRequest,
    EnvironmentPromotion,
    EnvironmentRegistration,
    TrainingRun,
)
from busbar.domain.training import Assets, PinnedData, Verdict
from tests.activities.bench import CIRC1, CIRC2, COMMIT, FILES, NEXT, RUN, Bench, pin
from tests.components import shipped_build, shipped_version

NAME = "sensor-forecasting-env"
VERSION = "1.1.0"
REGISTERED = EnvironmentRegistration(NAME, VERSION, newly_registered=True)
YAML = "ml_components/environments/sensor-forecasting-env.yaml"
CONDA = "ml_components/environments/sensor-forecasting-conda.yaml"
TRAIN = "ml_components/training/train_lstm/component.yaml"
PIPELINE = "ml_components/training/training_pipeline/component.yaml"
CIRCUITS = "config/circuits.yaml"
TRAINING_VERSION = shipped_version("training/training_pipeline")
SCORING_VERSION = shipped_version("scoring/scoring_pipeline")


def components(run: TrainingRun = RUN, version: str = VERSION) -> ComponentsRequest:
    return ComponentsRequest(run, EnvironmentRegistration(NAME, version))


def raised(bench: Bench, version: str) -> TrainingRun:
    """A commit that changes the environment's version and nothing else."""
    return bench.edit(YAML, f'"{VERSION}"', f'"{version}"')


# --- environments -----------------------------------------------------------------------------------------


def test_a_new_environment_is_registered_with_its_conda_file(bench: Bench):
    assert bench.run(register_environment, RUN) == REGISTERED
    registered = bench.ml.environments[Stage.DEV, NAME, VERSION]
    assert registered.content == FILES[CONDA]


def test_a_known_environment_with_the_same_content_is_no_news(bench: Bench):
    bench.run(register_environment, RUN)
    elsewhere = bench.edit(CIRCUITS, "units: 64", "units: 32")
    assert bench.run(register_environment, elsewhere) == EnvironmentRegistration(NAME, VERSION)


def test_content_changed_under_an_old_version_names_file_name_and_version(bench: Bench):
    bench.run(register_environment, RUN)
    before = bench.snapshot()
    changed = bench.run(register_environment, bench.edit(CONDA, "numpy==", "numpy>="))
    assert not changed.newly_registered
    for part in (YAML, NAME, VERSION, "raise `version`"):
        assert part in changed.problem
    assert bench.snapshot() == before


def test_a_raised_version_registers_the_changed_content_beside_the_old(bench: Bench):
    bench.run(register_environment, RUN)
    run = raised(bench, "1.2.0")
    assert bench.run(register_environment, run) == replace(REGISTERED, version="1.2.0")
    assert {version for _, _, version in bench.ml.environments} == {VERSION, "1.2.0"}


WRONG = [
    ("no file", {YAML: None}, f"{YAML} is missing"),
    ("no conda file", {CONDA: None}, f"{CONDA} is missing"),
    ("not YAML", {YAML: b"name: [unclosed"}, YAML),
    ("not text", {YAML: b"name: \xff\xfe"}, YAML),
    ("a list", {YAML: b"- name: x"}, f"{YAML}: not a mapping"),
    ("empty", {YAML: b""}, f"{YAML}: not a mapping"),
    ("version as a number", {YAML: FILES[YAML].replace(b'"1.1.0"', b"1.0")}, f"{YAML}: version must be text"),
    ("no image", {YAML: FILES[YAML].replace(b"image:", b"picture:")}, f"{YAML}: image"),
    ("no conda_file", {YAML: FILES[YAML].replace(b"conda_file:", b"conda:")}, f"{YAML}: conda_file"),
    ("conda_file outside", {YAML: FILES[YAML].replace(b"conda_file: ", b"conda_file: ../../../")}, YAML),
    ("conda_file a list", {YAML: FILES[YAML].replace(b"conda_file: sensor", b"conda_file: [x] #")}, YAML),
]


@pytest.mark.parametrize(("changes", "told"), [case[1:] for case in WRONG], ids=[case[0] for case in WRONG])
def test_a_wrong_environment_is_a_problem_in_words(bench: Bench, changes: dict[str, bytes | None], told: str):
    result = bench.run(register_environment, bench.commit(changes))
    assert told in result.problem
    assert bench.ml.environments == {}


# --- components -------------------------------------------------------------------------------------------


def test_training_and_scoring_components_are_registered_with_their_versions(bench: Bench):
    assets = bench.run(register_components, components()).assets
    assert assets == Assets(NAME, VERSION, TRAINING_VERSION, SCORING_VERSION)
    names = {
        *("train_lstm", "evaluate_model", "training_pipeline"),
        *("batch_score", "scoring_pipeline", "online_score", "score_circuits"),
    }
    assert {name for _, name, _ in bench.ml.components} == names
    assert all(build.endswith(f"-env{VERSION}") for _, _, build in bench.ml.components)


def test_a_build_names_the_environment_it_runs_in_and_the_builds_it_consists_of(bench: Bench):
    bench.run(register_components, components())
    train, pipeline = (
        bench.ml.components[Stage.DEV, name, shipped_build(f"training/{name}")].content.decode()
        for name in ("train_lstm", "training_pipeline")
    )
    assert f"environment: azureml:{NAME}:1.1.0" in train
    assert f"component: azureml:train_lstm:{shipped_build('training/train_lstm')}" in pipeline


def test_another_environment_is_another_build_of_the_same_components(bench: Bench):
    first = bench.run(register_components, components()).assets
    second = bench.run(register_components, components(raised(bench, "1.2.0"), "1.2.0")).assets
    assert second == replace(first, environment_version="1.2.0")
    builds = {version for _, name, version in bench.ml.components if name == "batch_score"}
    version = shipped_version("scoring/batch_score")
    assert builds == {f"{version}-env1.1.0", f"{version}-env1.2.0"}


def test_a_component_changed_together_with_the_environment_must_raise_its_version_too(bench: Bench):
    bench.run(register_components, components())
    before = bench.snapshot()
    raised(bench, "1.2.0")
    files = bench.repository.commits[NEXT]
    files[TRAIN] += b"# changed"
    result = bench.run(register_components, components(replace(RUN, commit=NEXT), "1.2.0"))
    assert result.assets is None
    assert "the content of component train_lstm changed" in result.problem
    assert bench.snapshot() == before


@pytest.mark.parametrize(
    "asked", ["sensor-forecasting-env:1.1.1", "sensor-forecasting-env:2.0.0", "other:1.0.0"]
)
def test_a_component_that_asks_for_more_than_the_commits_environment_is_refused(bench: Bench, asked: str):
    run = bench.edit(TRAIN, "sensor-forecasting-env:1.0.0", asked)
    result = bench.run(register_components, components(run))
    name, version = asked.split(":")
    assert result.problem == (
        f"{TRAIN}: asks for environment {name} {version} or newer, the commit has {NAME} 1.1.0 ({YAML})"
    )
    assert bench.ml.components == {}


def test_the_merge_component_is_registered_alone(bench: Bench):
    assert bench.run(register_merge, RUN) == ComponentsRegistration()
    assert list(bench.ml.components) == [(Stage.DEV, "etl_merge", shipped_build("data/etl_merge"))]


@pytest.mark.parametrize(
    "path", [TRAIN, "ml_components/training/train_lstm/src/train.py", "ml_components/shared/windows.py"]
)
def test_a_component_changed_under_its_version_registers_nothing(bench: Bench, path: str):
    bench.run(register_components, components())
    before = bench.snapshot()
    run = bench.commit({path: FILES[path] + b"\n# more\n"})
    result = bench.run(register_components, components(run))
    assert result.assets is None
    for part in (TRAIN, "train_lstm", shipped_version("training/train_lstm"), "raise `version`"):
        assert part in result.problem
    assert bench.snapshot() == before


WRONG_COMPONENTS = [
    ("no file", {TRAIN: None}, f"{TRAIN} is missing"),
    ("not YAML", {TRAIN: b"name: 'unclosed"}, TRAIN),
    (
        "another name",
        {PIPELINE: FILES[PIPELINE].replace(b"name: training_pipeline", b"name: other")},
        PIPELINE,
    ),
    ("includes nothing", {TRAIN: FILES[TRAIN].replace(b"[../../shared]", b"")}, ""),
    ("includes what is outside", {TRAIN: FILES[TRAIN].replace(b"../../shared", b"../../../../etc")}, TRAIN),
    ("includes a number", {TRAIN: FILES[TRAIN].replace(b"[../../shared]", b"7")}, TRAIN),
]


@pytest.mark.parametrize(
    ("changes", "told"), [case[1:] for case in WRONG_COMPONENTS], ids=[case[0] for case in WRONG_COMPONENTS]
)
def test_a_wrong_component_is_a_problem_in_words(bench: Bench, changes: dict[str, bytes | None], told: str):
    result = bench.run(register_components, components(bench.commit(changes)))
    assert told in result.problem
    assert bool(result.assets) == (not told)


DIGESTS = [
    ("ml_components/training/train_lstm/component.yaml", True),
    ("ml_components/training/train_lstm/src/train.py", True),
    ("ml_components/training/train_lstm/src/deep/new.py", True),
    ("ml_components/shared/windows.py", True),
    ("ml_components/training/train_lstm/tests/test_train.py", False),
    ("ml_components/training/train_lstm/README.md", False),
    ("ml_components/training/evaluate_model/src/evaluate.py", False),
    ("ml_components/environments/sensor-forecasting-conda.yaml", False),
]


@pytest.mark.parametrize(("path", "covered"), DIGESTS)
def test_a_digest_covers_what_azure_ml_is_given_and_no_more(path: str, covered: bool):
    files = {name.removeprefix("ml_components/"): data for name, data in FILES.items()}
    changed = files | {path.removeprefix("ml_components/"): b"# changed"}
    if path.endswith("component.yaml"):
        changed[TRAINING[0]] = files[TRAINING[0]] + b"# changed"
    before, after = (read_versioned(these, TRAINING[0]).digest for these in (files, changed))
    assert (before != after) == covered


def test_an_environments_digest_covers_its_conda_file():
    files = {name.removeprefix("ml_components/"): data for name, data in FILES.items()}
    conda = CONDA.removeprefix("ml_components/")
    changed = files | {conda: files[conda] + b"#"}
    assert read_versioned(files, ENVIRONMENT).digest != read_versioned(changed, ENVIRONMENT).digest


# --- the registry -----------------------------------------------------------------------------------------


ON_1_1 = Versioned("env", "1.1.0", "environments/env.yaml", "digest")
BUILT = [
    (
        "environment: azureml:env:1.0.0",
        "environment: azureml:env:1.1.0",
        "environment: azureml://registries/R/environments/env/versions/1.1.0",
    ),
    (
        "    component: azureml:a-b_c:2.0.0  # why",
        "    component: azureml:a-b_c:2.0.0-env1.1.0  # why",
        "    component: azureml://registries/R/components/a-b_c/versions/2.0.0-env1.1.0  # why",
    ),
    ('version: "2.0.0"', 'version: "2.0.0-env1.1.0"', 'version: "2.0.0-env1.1.0"'),
    ("version: '2.0.0'  # x", 'version: "2.0.0-env1.1.0"  # x', 'version: "2.0.0-env1.1.0"  # x'),
    *((text, text, text) for text in (
        "environment: azureml://registries/R/environments/env/versions/1.0.0",
        "environment: azureml:env:1.0.0-rc.1",
        "model: azureml:m:1",
        "description: the environment: of it",
        "    version: 2.0.0",
    )),
]  # fmt: skip


@pytest.mark.parametrize(("written", "workspace", "registry"), BUILT)
def test_a_build_names_definite_versions_where_it_is_registered(written: str, workspace: str, registry: str):
    assert built_for(written.encode(), ON_1_1).decode() == workspace
    assert built_for(written.encode(), ON_1_1, "R").decode() == registry


def test_scoring_components_reach_the_registry_with_its_own_references(bench: Bench):
    bench.run(promote_components, bench.release(pin()))
    found = {
        name: kept.content.decode()
        for (place, name, _), kept in bench.ml.components.items()
        if place == "registry"
    }
    assert set(found) == {"batch_score", "scoring_pipeline", "online_score"}
    assert (
        "azureml://registries/central-registry/environments/sensor-forecasting-env/versions/1.1.0"
        in found["batch_score"]
    )
    assert (
        f"azureml://registries/central-registry/components/batch_score/versions/{shipped_build('scoring/batch_score')}"
        in found["scoring_pipeline"]
    )
    assert not any("azureml:" in text.replace("azureml://", "") for text in found.values())


@pytest.mark.parametrize("name", ["online_score", "score_circuits"])
def test_what_scores_has_one_version(bench: Bench, name: str):
    version = f'version: "{SCORING_VERSION}"'
    run = bench.edit(f"ml_components/scoring/{name}/component.yaml", version, 'version: "0.9.0"')
    assert bench.run(register_components, components(run)).problem == (
        f"ml_components/scoring: scoring_pipeline is at {SCORING_VERSION}, {name} at 0.9.0: "
        "give both the same version"
    )


def test_another_content_under_a_promoted_version_is_refused(bench: Bench):
    release = bench.release(pin())
    bench.run(promote_components, release)
    run = bench.edit(f"ml_components/{SCORING[0]}", "Score a circuit", "Score one")
    with pytest.raises(ConfigurationError, match="batch_score changed"):
        bench.run(promote_components, replace(release, commit=run.commit))


def test_an_environment_is_shared_with_the_same_content(bench: Bench):
    bench.run(register_environment, RUN)
    bench.run(share_environment, EnvironmentPromotion(RUN, REGISTERED, Policies()))
    dev, registry = (bench.ml.environments[place, NAME, VERSION] for place in (Stage.DEV, "registry"))
    assert dev == registry


# --- data assets ------------------------------------------------------------------------------------------


def pinned(bench: Bench, *keys: CircuitKey, run: TrainingRun = RUN) -> DataPinned:
    return bench.run(pin_data, DataRequest(run, keys))


def test_the_first_time_pins_the_newest_version_of_the_table(bench: Bench):
    bench.merged(12)
    assert pinned(bench, CIRC1) == DataPinned(
        (PinnedData(CIRC1, "PLANT1_CIRC1", "2025-12-09", 12, "2025-12-09"),)
    )
    mltable = bench.ml.files[Stage.DEV, "mltable/PLANT1_CIRC1/2025-12-09/delta-12/MLTable"].decode()
    assert 'folder: "abfss://sensors@account.dfs.core.windows.net/readings"' in mltable
    assert "version_as_of: 12" in mltable
    assert """'col("plant_id") == "PLANT1" and col("circuit_id") == "CIRC1"'""" in mltable


def test_of_two_runs_that_pin_at_once_the_first_ones_version_holds(bench: Bench):
    bench.merged(12)

    class Raced(type(bench.ml)):
        """Another run pins version 9 between the look and the write."""

        def create_data(self, name: str, version: str, folder: str, tags: Any) -> None:
            super().create_data(name, version, folder, {**tags, "delta_version": "9"})
            super().create_data(name, version, folder, tags)

    bench.ml.__class__ = Raced
    assert [item.delta_version for item in pinned(bench, CIRC1).pinned] == [9]


def test_a_circuit_without_data_is_quarantined_on_the_board(bench: Bench):
    problems = pinned(bench, CIRC1).problems
    record = bench.records.circuit(CIRC1)
    assert record
    assert (record.verdict, [(CIRC1, record.reason)]) == (Verdict.QUARANTINED, list(problems))


def test_ever_after_the_same_version_though_the_table_moved(bench: Bench):
    bench.merged(12)
    first, before = pinned(bench, CIRC1), dict(bench.ml.files)
    bench.merged(20)
    assert pinned(bench, CIRC1) == first
    assert bench.ml.files == before


def test_another_delta_version_for_the_same_cutoff_is_another_revision(bench: Bench):
    bench.merged(12)
    pinned(bench, CIRC1)
    limits = "    cutoff_date: 2025-12-09                                      # the last day training sees (UTC)\n"
    asked = bench.edit(CIRCUITS, limits, f"{limits}    delta_version: 5\n")
    found = pinned(bench, CIRC1, CIRC2, run=asked).pinned
    assert [(item.asset_version, item.delta_version) for item in found] == [
        ("2025-12-09.2", 5),
        ("2025-12-09", 12),
    ]
    assert pinned(bench, CIRC1, run=asked).pinned == found[:1]
    assert pinned(bench, CIRC1).pinned[0].asset_version == "2025-12-09"


def test_an_asset_that_retention_took_is_pinned_anew_as_another_revision(bench: Bench):
    bench.merged(12)
    pinned(bench, CIRC1)
    bench.ml.delete_files(Stage.DEV, names.data_folder("PLANT1_CIRC1", "2025-12-09"))
    bench.merged(20)
    found = pinned(bench, CIRC1).pinned
    assert [(item.asset_version, item.delta_version) for item in found] == [("2025-12-09.2", 20)]
    assert pinned(bench, CIRC1).pinned == found


def test_a_moved_cutoff_date_is_another_asset(bench: Bench):
    bench.merged(12)
    pinned(bench, CIRC1)
    bench.merged(13)
    run = bench.edit(CIRCUITS, "cutoff_date: 2025-12-09 ", "cutoff_date: 2025-12-10 ")
    assert pinned(bench, CIRC1, run=run).pinned[0] == PinnedData(
        CIRC1, "PLANT1_CIRC1", "2025-12-10", 13, "2025-12-10"
    )


def test_without_a_table_every_circuit_says_what_to_do(bench: Bench):
    result = pinned(bench, CIRC1, CIRC2)
    assert result.pinned == ()
    assert [key for key, _ in result.problems] == [CIRC1, CIRC2]
    assert all("merge raw files first" in problem for _, problem in result.problems)
    assert bench.ml.data == {}


def test_a_version_that_the_table_does_not_have_is_a_problem_of_that_circuit(bench: Bench):
    bench.merged(3)
    limits = "    cutoff_date: 2025-12-09                                      # the last day training sees (UTC)\n"
    result = pinned(bench, CIRC1, CIRC2, run=bench.edit(CIRCUITS, limits, f"{limits}    delta_version: 9\n"))
    assert [item.key for item in result.pinned] == [CIRC2]
    assert "no version 9" in dict(result.problems)[CIRC1]


def test_a_circuit_that_is_not_configured_is_a_problem_and_the_others_go_on(bench: Bench):
    bench.merged()
    gone = CircuitKey("PLANT9", "CIRC9")
    result = pinned(bench, gone, CIRC1)
    assert [item.key for item in result.pinned] == [CIRC1]
    assert dict(result.problems) == {gone: f"PLANT9/CIRC9 is not in config/circuits.yaml at {COMMIT}"}
