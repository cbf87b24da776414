"""A circuit's line on the board: every cell worked out, so that the template only sets it."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby

from busbar.domain.circuits import CircuitKey
from busbar.domain.policies import Stage
from busbar.domain.records import CircuitRecord, DeploymentRecord, ScoringRecord
from busbar.domain.training import Verdict
from busbar.pages.render import tone
from busbar.pages.views import Board

BAR_ZERO, BAR_END = 14.0, 62.0
"""A skill bar in pixels: where skill 0 lies, and where 80 % and more end."""


@dataclass(frozen=True)
class Cell:
    """A version in a stage. `tone`: same as the newest model, `old` where it differs, `none` where nothing is.

    `ramp` is what ramps up beside it: `v5 25 %`.
    """

    text: str
    tone: str
    title: str
    ramp: str = ""


@dataclass(frozen=True)
class Bar:
    """A skill bar: start and width in pixels, good or bad."""

    start: float
    width: float
    tone: str


@dataclass(frozen=True)
class Row:
    record: CircuitRecord
    dev: Cell
    registry: Cell
    test: Cell
    prod: Cell
    forecast: Cell
    bar: Bar | None

    @property
    def tone(self) -> str:
        return tone(self.record.verdict)


@dataclass(frozen=True)
class Plant:
    """A plant's circuits, and how many of them want a look."""

    id: str
    rows: tuple[Row, ...]

    @property
    def attention(self) -> int:
        return sum(row.record.verdict in (Verdict.GATED_OUT, Verdict.QUARANTINED) for row in self.rows)

    @property
    def in_prod(self) -> int:
        return sum(row.prod.tone != "none" for row in self.rows)


@dataclass(frozen=True)
class Totals:
    """The counts on top. `skill` is the median over all trained or gated-out circuits, `beaten` how many exceed 0."""

    circuits: int
    trained: int
    gated_out: int
    quarantined: int
    training: int
    in_prod: int
    measured: int
    beaten: int
    skill: float | None


def skill_bar(skill: float | None) -> Bar | None:
    if skill is None or not math.isfinite(skill):
        return None
    end = min(max(BAR_ZERO + skill / 0.8 * (BAR_END - BAR_ZERO), 0.0), BAR_END)
    start, width = min(BAR_ZERO, end), round(abs(end - BAR_ZERO), 1)
    return Bar(round(start, 1), width, "good" if skill > 0 else "bad")


def in_order(key: CircuitKey) -> list[tuple[str, int]]:
    """A sort key as people count: CIRC2 comes before CIRC10."""
    return [(word, int(digits or 0)) for word, digits in re.findall(r"(\D*)(\d*)", str(key))]


def _deployed(record: DeploymentRecord | None, newest: str | None) -> Cell:
    if record is None:
        return Cell("", "none", "not deployed")
    same = newest is None or record.model_version == newest
    where = f"{record.deployment} on {record.endpoint} since {record.since}, cutoff date {record.cutoff_date}"
    ramp, candidate = "", record.candidate
    if candidate is not None:
        ramp = f"v{candidate.model_version} {candidate.part}"
        where = f"{where}; {candidate.deployment}: {candidate.progress or 'not ready yet'}"
    return Cell(f"v{record.model_version}", "same" if same else "old", where, ramp)


def _registered(record: CircuitRecord, newest: str | None) -> Cell:
    version = record.registry_version
    if version is None:
        return Cell("", "none", "not in the registry")
    return Cell(
        f"v{version}", "same" if newest in (None, version) else "old", f"version {version} in the registry"
    )


def _forecast(scorings: Iterable[ScoringRecord]) -> Cell:
    """The last scoring run of the stage nearest to production."""
    latest = max(scorings, key=lambda scoring: list(Stage).index(scoring.stage), default=None)
    if latest is None:
        return Cell("", "none", "never scored")
    told = latest.problem or latest.reason
    title = f"{latest.stage}: {latest.status}, {latest.rows} rows, job {latest.job} {told}".strip()
    return Cell(f"{latest.day} {latest.stage}", "old" if latest.problem else tone(latest.status), title)


def row(
    record: CircuitRecord,
    deployments: Mapping[tuple[Stage, CircuitKey], DeploymentRecord],
    scorings: Iterable[ScoringRecord],
) -> Row:
    newest = record.model_version
    dev, test, prod = (_deployed(deployments.get((stage, record.key)), newest) for stage in Stage)
    skill = record.metrics.skill_seasonal_naive if record.metrics else None
    return Row(record, dev, _registered(record, newest), test, prod, _forecast(scorings), skill_bar(skill))


def plants(board: Board) -> tuple[Plant, ...]:
    """Every circuit's row, by plant, in the order of their numbers."""
    deployments = {(record.stage, record.key): record for record in board.deployments}
    scorings: dict[CircuitKey, list[ScoringRecord]] = {}
    for scoring in board.scorings:
        scorings.setdefault(scoring.key, []).append(scoring)
    ordered = sorted(board.circuits, key=lambda record: in_order(record.key))
    return tuple(
        Plant(plant, tuple(row(record, deployments, scorings.get(record.key, ())) for record in records))
        for plant, records in groupby(ordered, key=lambda record: record.key.plant_id)
    )


def totals(board: Board) -> Totals:
    from statistics import median  # brings fractions and decimal along: not at the app's import

    verdicts = Counter(record.verdict for record in board.circuits)
    skills = [record.metrics.skill_seasonal_naive for record in board.circuits if record.metrics]
    return Totals(
        circuits=len(board.circuits),
        trained=verdicts[Verdict.TRAINED],
        gated_out=verdicts[Verdict.GATED_OUT],
        quarantined=verdicts[Verdict.QUARANTINED],
        training=verdicts[Verdict.TRAINING],
        in_prod=len({record.key for record in board.deployments if record.stage is Stage.PROD}),
        measured=len(skills),
        beaten=sum(skill > 0 for skill in skills),
        skill=median(skills) if skills else None,
    )


def live(board: Board) -> bool:
    """Whether something is running, so that the page looks again soon."""
    states = [record.verdict for record in board.circuits]
    states += [record.status for record in (*board.runs, *board.scorings)]
    ramping = any(record.candidate for record in board.deployments)
    return ramping or any(tone(state) == "live" for state in states)
