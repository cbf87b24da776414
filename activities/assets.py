"""Stages 1 to 4: environment, components and data assets, registered once and never changed under their version."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import PurePosixPath

from activities.builds import built_for, require_environment
from activities.clock import now
from activities.sources import (
    ENVIRONMENT,
    MERGE,
    Versioned,
    circuit_at,
    component_files,
    materialised,
    named_file,
    read_versioned,
    read_yaml,
    required_text,
)
from busbar.clients.blobs import Blobs
from busbar.clients.machine_learning import MachineLearning
from busbar.clients.records import Records
from busbar.clients.repositories import Repository
from busbar.domain import names
from busbar.domain.circuits import Circuit, CircuitKey
from busbar.domain.errors import ConfigurationError, NotFound, VersionConflict
from busbar.domain.policies import Stage
from busbar.domain.records import CircuitRecord
from busbar.domain.steps import (
    ComponentsRegistration,
    ComponentsRequest,
    DataPinned,
    DataRequest,
    EnvironmentPromotion,
    EnvironmentRegistration,
    Release,
    TrainingRun,
)
from busbar.domain.training import Assets, PinnedData, Verdict
from busbar.settings import Settings

REGISTRY = "registry"
TRAINING = (
    "training/train_lstm/component.yaml",
    "training/evaluate_model/component.yaml",
    "training/training_pipeline/component.yaml",
)
SCORING = (
    "scoring/batch_score/component.yaml",
    "scoring/online_score/component.yaml",
    "scoring/scoring_pipeline/component.yaml",
)
CATCH_UP = "scoring/score_circuits/component.yaml"


def register_environment(
    request: TrainingRun, *, repository: Repository, ml: MachineLearning
) -> EnvironmentRegistration:
    """Register the environment if its version is new; changed content under a known version is a problem."""
    try:
        files = component_files(repository, request.commit)
        found = read_versioned(files, ENVIRONMENT)
        registered = _create_environment(Stage.DEV, files, found, ml)
    except ConfigurationError as error:
        return EnvironmentRegistration("", "", problem=str(error))
    return EnvironmentRegistration(found.name, found.version, newly_registered=registered)


def register_components(
    request: ComponentsRequest, *, repository: Repository, ml: MachineLearning
) -> ComponentsRegistration:
    """Register the training and scoring components whose versions are new."""
    try:
        files = component_files(repository, request.run.commit)
        found = _create_components(Stage.DEV, files, (*TRAINING, *SCORING, CATCH_UP), ml)
    except ConfigurationError as error:
        return ComponentsRegistration(problem=str(error))
    versions = {item.name: item.version for item in found}
    return ComponentsRegistration(
        Assets(
            request.environment.name,
            request.environment.version,
            versions[names.TRAINING_COMPONENT],
            versions[names.SCORING_COMPONENT],
        )
    )


def register_merge(
    request: TrainingRun, *, repository: Repository, ml: MachineLearning
) -> ComponentsRegistration:
    """Register the merge component alone: a fleet without data cannot train yet, but can merge."""
    try:
        _create_components(Stage.DEV, component_files(repository, request.commit), (MERGE,), ml)
    except ConfigurationError as error:
        return ComponentsRegistration(problem=str(error))
    return ComponentsRegistration()


def register(
    paths: Iterable[str],
    commit: str,
    repository: Repository,
    ml: MachineLearning,
    environment: str | None = None,
) -> tuple[str, ...]:
    """Register components of a commit in dev, those that are new: what each is now, `name:version`.

    They are built for the commit's environment, or for another version of it. Raises `ConfigurationError` where a
    file is wrong or missing.
    """
    files = component_files(repository, commit)
    own = read_versioned(files, ENVIRONMENT)
    built = replace(own, version=environment or own.version)
    found = _create_components(Stage.DEV, files, paths, ml, environment=built)
    return tuple(f"{item.name}:{names.build(item.version, built.version)}" for item in found)


def share_environment(request: EnvironmentPromotion, *, repository: Repository, ml: MachineLearning) -> None:
    """Stage 2: the same environment in the registry."""
    files = component_files(repository, request.run.commit)
    _create_environment(REGISTRY, files, read_versioned(files, ENVIRONMENT), ml)


def promote_components(
    request: Release, *, repository: Repository, ml: MachineLearning, settings: Settings
) -> None:
    """Before models: the scoring components in the registry, referring to the registry's own assets."""
    files = component_files(repository, request.commit)
    _create_components(REGISTRY, files, SCORING, ml, settings.registry)


def pin_data(
    request: DataRequest,
    *,
    repository: Repository,
    ml: MachineLearning,
    blobs: Blobs,
    records: Records,
    settings: Settings,
) -> DataPinned:
    """Stage 4: a data asset per circuit and cutoff date, pinning the Delta version of the day it was first asked."""
    pinned: list[PinnedData] = []
    problems: list[tuple[CircuitKey, str]] = []
    newest = blobs.latest_delta_version(*settings.sensor_table_location)
    for key in request.circuits:
        try:
            circuit = circuit_at(repository, request.run.commit, key)
            pinned.append(_pin(circuit, newest, ml, settings))
        except NotFound as error:
            problems.append((key, str(error)))
            _record_without_data(key, str(error), request.run, records)
    return DataPinned(tuple(pinned), tuple(problems))


def _record_without_data(key: CircuitKey, reason: str, run: TrainingRun, records: Records) -> None:
    """A circuit that never trained shows on the board why; one that has keeps its record."""
    if records.circuit(key) is None:
        blank = CircuitRecord(key, "", Verdict.QUARANTINED, reason, run.id, run.commit, "", now())
        records.save_circuit(blank)


def _pin(circuit: Circuit, newest: int | None, ml: MachineLearning, settings: Settings) -> PinnedData:
    """Read the asset back if it exists; another Delta version for the same cutoff is another revision.

    So is one that retention has purged: nothing keeps its Delta version from being vacuumed.
    """
    name, revision = names.data_asset(circuit.key), 1
    while True:
        version = names.data_version(circuit.cutoff_date, revision)
        delta = ml.pinned(name, version)
        if delta is None:
            return _create_data(circuit, name, version, newest, ml, settings)
        there = ml.has_file(Stage.DEV, f"{names.mltable_folder(name, version, delta)}/MLTable")
        if there and circuit.delta_version in (None, delta):
            return PinnedData(circuit.key, name, version, delta, circuit.cutoff_date.isoformat())
        revision += 1


def _create_data(
    circuit: Circuit, name: str, version: str, newest: int | None, ml: MachineLearning, settings: Settings
) -> PinnedData:
    delta = newest if circuit.delta_version is None else circuit.delta_version
    if delta is None or newest is None or delta > newest:
        raise NotFound(
            f"{circuit.key}: the sensor table has no version {'yet' if delta is None else delta}; "
            "merge raw files first (`busbar merge`)"
        )
    folder = names.mltable_folder(name, version, delta)
    ml.write_file(Stage.DEV, f"{folder}/MLTable", _mltable(circuit.key, settings.sensor_table, delta))
    tags = {
        "plant_id": circuit.key.plant_id,
        "circuit_id": circuit.key.circuit_id,
        "cutoff_date": circuit.cutoff_date.isoformat(),
        "delta_version": str(delta),
    }
    try:
        ml.create_data(name, version, folder, tags)
    except VersionConflict:  # another run pinned it between our look and our write: what it pinned holds
        if (pinned := ml.pinned(name, version)) is None:
            raise
        delta = pinned
    return PinnedData(circuit.key, name, version, delta, circuit.cutoff_date.isoformat())


def _mltable(key: CircuitKey, table: str, delta_version: int) -> bytes:
    """The MLTable file: one version of the Delta table, one circuit's rows of it."""
    return f"""type: mltable
paths:
  - folder: "{table}"
transformations:
  - read_delta_lake:
      version_as_of: {delta_version}
  - filter: 'col("plant_id") == "{key.plant_id}" and col("circuit_id") == "{key.circuit_id}"'
""".encode()


def _create_environment(place: str, files: dict[str, bytes], found: Versioned, ml: MachineLearning) -> bool:
    """Whether it was created now; raises `ConfigurationError` where the version is taken by other content."""
    if not _is_new("environment", found, ml.environment_digest(place, found.name, found.version)):
        return False
    image = required_text(read_yaml(files, found.path), found.path, "image")
    conda = named_file(files, found.path, "conda_file")
    ml.create_environment(place, found.name, found.version, image, conda, found.digest)
    return True


def _create_components(
    place: str,
    files: dict[str, bytes],
    paths: Iterable[str],
    ml: MachineLearning,
    registry: str | None = None,
    environment: Versioned | None = None,
) -> list[Versioned]:
    """Register the builds for the commit's environment (or another) that are not there yet."""
    environment = environment or read_versioned(files, ENVIRONMENT)
    found = [_component(files, path, environment) for path in paths]
    _require_one_scoring_version(found)
    new = [item for item in found if _is_new_build(item, environment, ml.component_digests(place, item.name))]
    if new:
        built = {item.path: built_for(files[item.path], environment, registry) for item in new}
        with materialised(files | built) as folder:
            for item in new:
                ml.create_component(place, folder / item.path, item.digest)
    return found


def _component(files: dict[str, bytes], path: str, environment: Versioned) -> Versioned:
    """The component at `path`; it is called like its folder, for jobs and deployments name it so."""
    found, folder = read_versioned(files, path), PurePosixPath(path).parent.name
    if found.name != folder:
        raise ConfigurationError(f"ml_components/{path}: name must be {folder}, like its folder")
    require_environment(path, files[path], environment)
    return found


def _require_one_scoring_version(found: Iterable[Versioned]) -> None:
    """What scores has one version, asked as a job, as an endpoint or for many circuits: a release pins it once."""
    versions = {item.name: item.version for item in found}
    batch = versions.get(names.SCORING_COMPONENT)
    for other in (names.ONLINE_COMPONENT, names.CATCH_UP_COMPONENT):
        if batch and versions.get(other, batch) != batch:
            raise ConfigurationError(
                f"ml_components/scoring: {names.SCORING_COMPONENT} is at {batch}, {other} at {versions[other]}: "
                "give both the same version"
            )


def _is_new_build(found: Versioned, environment: Versioned, registered: Mapping[str, str]) -> bool:
    """Whether the build is to be registered. `registered`: the digests by build, whatever their environment."""
    for build, digest in registered.items():
        if names.version_of(build) == found.version:
            _is_new(
                "component", found, digest
            )  # raises where another build of this version has other content
    return names.build(found.version, environment.version) not in registered


def _is_new(kind: str, found: Versioned, registered: str | None) -> bool:
    if registered is not None and registered != found.digest:
        raise ConfigurationError(
            f"ml_components/{found.path}: the content of {kind} {found.name} changed but its version is still "
            f"{found.version} (registered {registered}, now {found.digest}); raise `version` in that file"
        )
    return registered is None
