"""Drift on the command line."""

from typing import Annotated

import typer

from busbar.api import DriftState
from busbar.commands.console import LOCAL_URL, Key, Url, ask, refuse, say, show, started, table
from busbar.domain.drift import DriftRecord, DriftVerdict
from busbar.domain.policies import Stage

MARKS = 14
_MARK = {DriftVerdict.SOUND: "·", DriftVerdict.NOT_JUDGED: "?", DriftVerdict.WATCH: "~"}
InStage = Annotated[Stage, typer.Option("--stage", help="Deployment stage.")]


def drift(
    circuit: Annotated[str, typer.Argument(help="PLANT1/CIRC1; all if left out.")] = "",
    stage: InStage = Stage.PROD,
    url: Url = LOCAL_URL,
    key: Key = "",
) -> None:
    """Every circuit's drift verdict, its last two weeks, and what is done; of one circuit all findings."""
    state = ask(lambda api: api.drift(stage), url, key)
    if circuit:
        _one(circuit, stage, state)
        return
    found = table("circuit", "day", "verdict", "last 14 days", "error", "why, and what is done")
    for record in state.circuits:
        judged = record.judged
        ratio = f"{judged.ratio:.2f}" if judged.ratio is not None else "–"
        told = "; ".join(part for part in (judged.reason, judged.forecasts, record.response) if part)
        found.add_row(str(judged.key), judged.day, judged.verdict, _marks(record), ratio, told)
    show(found, f"nothing in {stage} has been looked at yet: `busbar look` does it now")
    waiting = [one for one in state.incidents if not one.status.ended]
    for one in waiting:
        say(f"{one.status}: {one.sentence} ({one.id})")


def look(
    circuits: Annotated[
        str, typer.Argument(help="PLANT1/CIRC1,…; all that the stage serves if left out.")
    ] = "",
    stage: InStage = Stage.PROD,
    day: Annotated[str, typer.Option(help="YYYY-MM-DD; yesterday if left out.")] = "",
    url: Url = LOCAL_URL,
    key: Key = "",
) -> None:
    """Check forecasts, measure errors and judge drift of a day now; a repeat replaces."""
    started(lambda api: api.look(stage, day, circuits), url, key)


def _one(circuit: str, stage: Stage, state: DriftState) -> None:
    record = next((one for one in state.circuits if str(one.key) == circuit), None)
    if record is None:
        raise refuse(f"nobody has looked at {circuit} in {stage} yet")
    judged = record.judged
    for sentence in (f"{judged.day} {judged.sentence}", judged.forecasts, record.response):
        if sentence:
            say(sentence)
    say(f"last {MARKS} days: {_marks(record)}")
    found = table("kind", "sensor", "days", "measured", "limit", "what was found")
    for one in judged.findings:
        figures = (f"{value:.3g}" if value is not None else "–" for value in (one.measured, one.limit))
        found.add_row(one.kind, one.sensor or "–", str(one.days), *figures, one.sentence)
    if judged.findings:
        show(found, "")
    for incident in state.incidents:
        if record.key in incident.circuits:
            say(f"{incident.opened[:10]} {incident.status}: {incident.said or incident.sentence}")


def _marks(record: DriftRecord) -> str:
    """A character a day that was looked at: `·` no drift, `~` watch, `?` not judged, `!` an alert."""
    return "".join(_MARK.get(mark.verdict, "!") for mark in record.marks[-MARKS:])
