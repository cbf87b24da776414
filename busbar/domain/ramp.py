"""How a candidate takes over: the steps of a ramp, what a bake measured, and what follows from it."""

from dataclasses import dataclass
from enum import StrEnum
from math import ceil, inf, isfinite, isnan, nan, sqrt

from busbar.domain.gates import GateResult, summary
from busbar.domain.policies import RampPolicy, RollbackPolicy, Stage
from busbar.domain.wording import counted

LOOKS = 8
"""How often a held step is looked at again before `hold_hours` are over."""

FLEET_MINIMUM = 2
"""So many circuits at least must have gone back before the fleet is called bad: one says nothing about the others."""

_DEVIATIONS = (
    4.0  # of the number of windows that fall to a share by their hash: fewer come once in 30,000 times
)


class Verdict(StrEnum):
    """What follows from a bake."""

    ADVANCE = "advance"
    HOLD = "hold"
    ROLL_BACK = "roll back"


@dataclass(frozen=True)
class Step:
    """One step of a ramp: the candidate's share after it in percent, and the part of it that this step adds.

    `baked`: watched before the next step. `look_back` is how many issue times a replay goes through, so that the added
    part of them holds the windows that a verdict needs. A step without a share tries the candidate beside what serves,
    on all windows; `mirrored` percent of an online endpoint's requests are copied to it meanwhile.
    """

    share: int
    offset: int = 0
    baked: bool = True
    look_back: int = 1
    mirrored: int = 0

    @property
    def added(self) -> int:
        return self.share - self.offset if self.share else 100

    @property
    def place(self) -> str:
        """Where a ramp stands with this step: `at 25 %`."""
        if self.share:
            return f"at {self.share} %"
        return f"mirrored {self.mirrored} %" if self.mirrored else "beside what serves"

    @property
    def progress(self) -> str:
        """What the candidate has of the windows with this step, for pages."""
        if self.share:
            return f"{self.share} % of windows"
        return f"{self.mirrored} % of requests mirrored" if self.mirrored else "beside what serves"


@dataclass(frozen=True)
class ForecastError:
    """Mean squared errors over `windows` windows: a model's own, and seasonal-naive's on the same windows.

    Both are in units of the deviation that this model was trained with: two models' `mse` alone do not compare.
    """

    windows: int
    mse: float
    naive_mse: float

    def plus(self, other: "ForecastError") -> "ForecastError":
        """Both over all of their windows."""
        windows = self.windows + other.windows

        def mean(own: float, others: float) -> float:
            return (own * self.windows + others * other.windows) / windows

        return ForecastError(windows, mean(self.mse, other.mse), mean(self.naive_mse, other.naive_mse))

    def over(self, champion: "ForecastError") -> float | None:
        """This error as a multiple of the champion's, each relative to seasonal-naive's; None: not to be compared."""
        if not (isfinite(champion.mse) and isfinite(champion.naive_mse)):
            return None
        if not isfinite(self.naive_mse):
            return nan
        if not self.naive_mse and not champion.naive_mse:
            return _quotient(self.mse, champion.mse)  # a stuck sensor: repeating it makes no error
        if not self.naive_mse or not champion.naive_mse:
            return None
        return _quotient(self.mse / self.naive_mse, champion.mse / champion.naive_mse)


@dataclass(frozen=True)
class Measured:
    """What a bake saw of the candidate: runs (jobs, or requests) and how many failed, rows and how many failed.

    `latency_ms` is the 95th percentile a window, of several parts the slowest's. `live_windows` is None where nothing
    was scored live. `error` and `champion` are over the same windows; None where nothing could be compared.
    """

    runs: int = 0
    failed_runs: int = 0
    rows: int = 0
    failed_rows: int = 0
    latency_ms: float | None = None
    live_windows: int | None = None
    error: ForecastError | None = None
    champion: ForecastError | None = None

    @property
    def windows(self) -> int:
        """How many windows a verdict can stand on."""
        return self.error.windows if self.error else 0

    @property
    def error_percent(self) -> float:
        return 100 * self.failed_runs / self.runs if self.runs else nan

    @property
    def failed_rows_percent(self) -> float:
        every = self.rows + self.failed_rows
        return 100 * self.failed_rows / every if every else nan

    def plus(self, other: "Measured") -> "Measured":
        """Both parts together."""
        latencies = [part.latency_ms for part in (self, other) if part.latency_ms is not None]
        live = [part.live_windows for part in (self, other) if part.live_windows is not None]
        return Measured(
            runs=self.runs + other.runs,
            failed_runs=self.failed_runs + other.failed_runs,
            rows=self.rows + other.rows,
            failed_rows=self.failed_rows + other.failed_rows,
            latency_ms=_slowest(latencies),
            live_windows=sum(live) if live else None,
            error=_both(self.error, other.error),
            champion=_both(self.champion, other.champion),
        )


@dataclass(frozen=True)
class Ruling:
    """A verdict with its numbers, and the sentence that page, mail, log and audit share."""

    verdict: Verdict
    results: tuple[GateResult, ...]
    sentence: str


def steps(policy: RampPolicy, *, first: bool, online: bool = False) -> tuple[Step, ...]:
    """The ramp's steps. The last gives the candidate everything: what there is to see was seen before it.

    A `first` deployment displaces nothing and shares with nothing: it is baked once, over all windows, unless the
    policy bakes nothing at all. An `online` candidate is sent copies of requests before it has a share of them.
    """
    if first and len(policy.steps) > 1:
        return (Step(100, look_back=policy.windows),)
    mirrors = online and policy.mirror_percent > 0 and not first
    mirror = Step(0, look_back=policy.windows, mirrored=policy.mirror_percent)
    befores = (0, *policy.steps)
    rising = (
        Step(share, before, baked=share < 100, look_back=look_back(policy.windows, share - before))
        for before, share in zip(befores, policy.steps, strict=False)
    )
    return (mirror, *rising) if mirrors else tuple(rising)


def steps_between_kinds(policy: RampPolicy) -> tuple[Step, ...]:
    """The steps of a candidate that is served otherwise than its champion: nothing splits what one job and one endpoint
    do, so it is baked once beside it, over all windows, unless the policy bakes nothing at all."""
    return (Step(0, look_back=policy.windows),) if len(policy.steps) > 1 else ()


def look_back(windows: int, percent: int) -> int:
    """How many issue times hold `windows` that fall to a part of so many percent, but once in 30,000 times."""
    share = percent / 100
    deviation = _DEVIATIONS * sqrt(1 - share)
    # the smallest n with n·share − deviation·√(n·share) ≥ windows
    root = (deviation + sqrt(deviation**2 + 4 * windows)) / 2
    return ceil(root**2 / share)


def rule_of(stage: Stage) -> str:
    """Who it is that rules: in the audit log, and on what was rolled back."""
    return f"rollback rule of {stage}"


def hold_look_hours(policy: RampPolicy) -> float:
    """How long to wait before a held step is looked at again."""
    return policy.hold_hours / LOOKS


def decide(
    ramp: RampPolicy, rollback: RollbackPolicy, measured: Measured, *, first: bool, hours: float
) -> Ruling:
    """Whether the candidate goes on, waits for more data or goes back, `hours` after its step began.

    Failed runs, failed rows and slow windows send it back however few there were; a forecast error counts once there
    are windows enough. What was not measured never advances: it is held, and goes back when the hold is over. With
    rollback switched off nothing goes back by itself: what would, is held.
    """
    missing = _missing(ramp, measured, first=first)
    operation, comparison = _operation(rollback, measured), _comparison(rollback, measured)
    results = (*operation, *comparison)
    failed = tuple(result for result in (operation if missing else results) if not result.passed)
    said = summary(failed) if failed else missing
    if not said:
        nothing = "; first deployment, there is nothing to compare with" if first else ""
        passed = f"{counted(measured.windows, 'window')}: {summary(results)}{nothing}"
        return Ruling(Verdict.ADVANCE, results, passed)
    over = hours >= ramp.hold_hours
    if not rollback.enabled:
        return Ruling(Verdict.HOLD, results, f"{said}; automatic rollback is off")
    if failed or over:
        return Ruling(Verdict.ROLL_BACK, results, said if failed else f"{said} within {ramp.hold_hours:g} h")
    return Ruling(Verdict.HOLD, results, said)


def _operation(policy: RollbackPolicy, measured: Measured) -> tuple[GateResult, ...]:
    """What the candidate did, apart from how well: only what was measured is a result."""
    given = (
        ("max_error_percent", measured.error_percent if measured.runs else None, policy.error_percent),
        (
            "max_failed_rows_percent",
            measured.failed_rows_percent if measured.rows + measured.failed_rows else None,
            policy.error_percent,
        ),
        ("max_latency_p95_ms", measured.latency_ms, policy.latency_ms),
    )
    return tuple(
        GateResult(gate, value <= limit, value, limit) for gate, value, limit in given if value is not None
    )


def _comparison(policy: RollbackPolicy, measured: Measured) -> tuple[GateResult, ...]:
    """The forecast error over the champion's, where both were measured; a candidate's NaN does not pass."""
    ratio, limit = _ratio(measured), 1 + policy.champion_margin
    return () if ratio is None else (GateResult("max_error_over_champion", ratio <= limit, ratio, limit),)


def _ratio(measured: Measured) -> float | None:
    if measured.error is None or measured.champion is None:
        return None
    return measured.error.over(measured.champion)


def _missing(ramp: RampPolicy, measured: Measured, *, first: bool) -> str:
    """What there is too little of for a verdict; "" if nothing."""
    if measured.live_windows == 0:
        return "too little data: no window was scored live"
    if measured.windows < ramp.windows:
        return f"too little data: {measured.windows} of {counted(ramp.windows, 'window')}"
    if measured.latency_ms is None or not measured.rows + measured.failed_rows or not measured.runs:
        return "too little data: no row was scored"
    if first:
        return "" if measured.error and isfinite(measured.error.mse) else "the forecast error is not a number"
    if measured.champion is None or 2 * measured.champion.windows < ramp.windows:
        return "too little data: the champion's forecast error is missing"
    return "the champion's forecast error cannot be compared" if _ratio(measured) is None else ""


def _both(one: ForecastError | None, other: ForecastError | None) -> ForecastError | None:
    parts = [part for part in (one, other) if part is not None and part.windows]
    match parts:
        case []:
            return None
        case [part]:
            return part
        case _:
            return parts[0].plus(parts[1])


def _slowest(latencies: list[float]) -> float | None:
    """NaN counts as the slowest: it is no latency that could pass."""
    if not latencies:
        return None
    return nan if any(map(isnan, latencies)) else max(latencies)


def _quotient(error: float, champion: float) -> float:
    """A champion without any error is only equalled by another."""
    if champion:
        return error / champion
    return 1.0 if error == 0 else error if isnan(error) else inf


def decide_fleet(policy: RollbackPolicy, changed: int, rolled_back: int) -> Ruling:
    """Whether a release goes on to its next wave, or all of it goes back; `changed` circuits were ramped so far."""
    percent = 100 * rolled_back / changed if changed else 0.0
    within = percent <= policy.fleet_percent or rolled_back < FLEET_MINIMUM or not policy.enabled
    result = GateResult("max_fleet_percent", within, percent, policy.fleet_percent)
    said = f"{rolled_back} of {counted(changed, 'circuit')} rolled back"
    if within:
        return Ruling(Verdict.ADVANCE, (result,), said)
    return Ruling(Verdict.ROLL_BACK, (result,), f"{said}, more than {policy.fleet_percent:g} %")
