"""What the notebook's cells call: each gives a piece of the page."""

import json
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Any

from document import DRAWN, Circuit, Release, read_release
from figures import figure
from shared.errors import InputError
from shared.storage import read_below

READERS = 8
ERRORS = (
    *("circuit", "model", "MAE", "RMSE", "accuracy", "error", "seasonal-naive", "champion", "skill"),
    "tightest limit",
)
COVERAGE = ("circuit", "cutoff date", "rows", "missing", "windows: train", "validation", "test")


class Html(str):
    """HTML that a notebook shows as such."""

    def __repr__(self) -> str:
        return f"HTML of {len(self)} characters"

    def _repr_html_(self) -> str:
        return str(self)


@dataclass(frozen=True)
class Cell:
    """One cell of a table; `good` colours it."""

    text: str
    good: bool | None = None
    left: bool = False


@dataclass(frozen=True)
class Evidence:
    """A release set, and where its workspace keeps what the training jobs wrote."""

    release: Release
    data: str

    @classmethod
    def of(cls, release: str, data: str) -> "Evidence":
        return cls(read_release(Path(release)), data)

    def summary(self) -> Html:
        """What is asked to be released, in a few sentences."""
        release, circuits = self.release, self.release.circuits
        beaten = sum(circuit.skill > 0 for circuit in circuits)
        against = [ratio for circuit in circuits if (ratio := circuit.against_champion) is not None]
        better = sum(ratio < 1 for ratio in against)
        failed = [circuit.name for circuit in circuits if any(not gate.passed for gate in circuit.gates)]
        champions = f"{better} of {len(against)} beat the model they were measured against"
        lines = (
            f"{_counted(len(circuits), 'model')} of {_counted(len(release.plants), 'plant')}, trained from commit "
            f"{release.commit[:8]}, asked for by {release.requester}.",
            f"{beaten} of {len(circuits)} beat seasonal-naive; "
            f"{champions if against else 'none had a champion to be measured against'}.",
            f"Beyond a limit of test or prod: {', '.join(failed) or 'none'}.",
            f"Release set {release.release_id}, digest {release.digest}.",
        )
        return Html("".join(f"<p>{escape(line)}</p>" for line in lines))

    def metrics(self) -> Html:
        """Every model's errors beside the champion's and seasonal-naive's."""
        return _table(ERRORS, (self._errors(circuit) for circuit in self.release.circuits))

    def plant(self, plant: str) -> Html:
        """The plant's circuits that are looked at closely, drawn."""
        chosen = self.release.drawn()
        circuits = [circuit for circuit in self.release.of_plant(plant) if circuit.name in chosen]
        if not circuits:
            return Html("<p>None is the best, the worst or close to a limit.</p>")
        return Html("".join(self._drawn(circuit, chosen[circuit.name]) for circuit in circuits))

    def undrawn(self) -> Html:
        """The circuits close to a limit that there was no room to draw."""
        drawn = self.release.drawn()
        rest = [
            f"{circuit.name} ({gate})" for circuit, gate in self.release.close() if circuit.name not in drawn
        ]
        if not rest:
            return Html("")
        return Html(f"<p>{DRAWN} are drawn; close to a limit, too: {escape('; '.join(rest))}.</p>")

    def coverage(self) -> Html:
        """What the models were trained and measured on."""
        return _table(COVERAGE, (self._coverage(circuit) for circuit in self.release.circuits))

    def lineage(self) -> Html:
        """What made each model."""
        names = list(dict.fromkeys(name for circuit in self.release.circuits for name in circuit.lineage))
        rows = (
            (
                *(_name(circuit), Cell(circuit.model_version), Cell(circuit.job, left=True)),
                *(Cell(_text(circuit.lineage.get(name)), left=True) for name in names),
            )
            for circuit in self.release.circuits
        )
        return _table(("circuit", "model", "job", *(name.replace("_", " ") for name in names)), rows)

    def _errors(self, circuit: Circuit) -> tuple[Cell, ...]:
        measured, ratio, gate = circuit.metrics, circuit.against_champion, circuit.tightest
        own, naive = measured.get("standardised_mse"), measured.get("seasonal_naive_mse")
        return (
            _name(circuit),
            Cell(circuit.model_version),
            *(Cell(_number(measured.get(name))) for name in ("mae", "rmse", "accuracy")),
            Cell(_number(own)),
            Cell(_number(naive), None if own is None or naive is None else own < naive),
            Cell(_number(measured.get("champion_mse")), None if ratio is None else ratio < 1),
            Cell(f"{circuit.skill:+.1%}", circuit.skill > 0),
            Cell(str(gate or "–"), gate.passed if gate else None, left=True),
        )

    def _coverage(self, circuit: Circuit) -> tuple[Cell, ...]:
        document = self._reports.get(circuit.name)
        if document is None:
            return (
                _name(circuit),
                Cell("the job's metrics.json is gone", False, left=True),
                *[Cell("–")] * 5,
            )
        windows, missing = document["windows"], document["training"].get("missing_share")
        return (
            _name(circuit),
            Cell(str(document["cutoff_date"])),
            Cell(f"{document['rows']:,}"),
            Cell("–" if missing is None else f"{missing:.2%}", None if missing is None else missing < 0.05),
            *(Cell(f"{windows.get(part, 0):,}") for part in ("train", "validation", "test")),
        )

    def _drawn(self, circuit: Circuit, why: str) -> str:
        title = f"<h3>{escape(circuit.name)}</h3><p>Model {escape(circuit.model_version)}: {escape(why)}.</p>"
        try:
            return title + figure(circuit, self.data)
        except (
            InputError
        ) as problem:  # its data was purged meanwhile: said in its place, the others are drawn
            return f"{title}<p class='bad'>Not drawn: {escape(str(problem))}</p>"

    @cached_property
    def _reports(self) -> Mapping[str, Mapping[str, Any]]:
        """metrics.json of each training job that still has one."""
        with ThreadPoolExecutor(READERS) as pool:
            found = pool.map(self._report, self.release.circuits)
            return {name: document for name, document in found if document is not None}

    def _report(self, circuit: Circuit) -> tuple[str, Mapping[str, Any] | None]:
        try:
            return circuit.name, json.loads(read_below(self.data, f"jobs/{circuit.job}/metrics.json"))
        except InputError:
            return circuit.name, None


def _table(header: Iterable[str], rows: Iterable[tuple[Cell, ...]]) -> Html:
    head = "".join(f"<th>{escape(name)}</th>" for name in header)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    return Html(f"<div class='wide'><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>")


def _cell(cell: Cell) -> str:
    classes = ["left"] * cell.left + ([] if cell.good is None else ["good" if cell.good else "bad"])
    return f"<td class='{' '.join(classes)}'>{escape(cell.text)}</td>"


def _name(circuit: Circuit) -> Cell:
    return Cell(circuit.name, left=True)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


def _text(value: object) -> str:
    return "–" if value is None else str(value)


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
