"""All files of `config/` together: which there are, what each says, and what they say of one another."""

from collections.abc import Mapping
from pathlib import PurePosixPath

from busbar.domain.circuits import Fleet
from busbar.domain.policies import Stage
from busbar.fleet.circuits import read_circuits
from busbar.fleet.documents import Document
from busbar.fleet.explanations import unknown
from busbar.fleet.people import read_people
from busbar.fleet.policies import read_policies
from busbar.fleet.problems import ConfigurationErrors, Problem
from busbar.fleet.sources import read_sources

REQUIRED = ("circuits.yaml", "people.yaml")
ENVIRONMENTS = {stage: f"environments/{stage}.yaml" for stage in Stage}
KNOWN = (*REQUIRED, "pipeline.yaml", "sources.yaml", *ENVIRONMENTS.values())


def read_fleet(files: Mapping[str, bytes]) -> Fleet:
    """The fleet, of no commit; raises `ConfigurationErrors`."""
    problems: list[Problem] = []
    _check_names(files, problems)

    def document(name: str) -> Document:
        return Document(name, files.get(name, b""), problems)

    people = read_people(document("people.yaml")) if "people.yaml" in files else None
    circuits = read_circuits(document("circuits.yaml"), people) if "circuits.yaml" in files else None
    environments = {stage: document(name) for stage, name in ENVIRONMENTS.items()}
    policies = read_policies(document("pipeline.yaml"), environments, people)
    sources = read_sources(document("sources.yaml"), circuits)
    if problems or circuits is None or people is None or policies is None:
        raise ConfigurationErrors(tuple(problems))
    return Fleet("", circuits, people, policies, sources)


def _check_names(files: Mapping[str, bytes], problems: list[Problem]) -> None:
    for name in files:
        if PurePosixPath(name).suffix in (".yaml", ".yml") and name not in KNOWN:
            problems.append(Problem(name, 1, "", unknown(name, KNOWN, "file")))
    problems += [Problem(name, 1, "", "is missing") for name in REQUIRED if name not in files]
