"""Readings on their way into the table: gathered to batches of bounded size, each merged in one commit."""

from collections import Counter

import numpy as np
from etl.findings import Findings, Key, SensorRange
from shared.delta import merge_readings

BATCH = 1_000_000


class Merge:
    """Takes readings in the order in which they count (a later one wins) and merges them batch by batch."""

    def __init__(self, table: str, findings: Findings, batch: int = BATCH) -> None:
        self.counts: Counter[str] = Counter(inserted=0, updated=0, duplicates=0)
        self._table = table
        self._batch = batch
        self._ranges = findings.sensors
        self._waiting: dict[Key, list[tuple[np.ndarray, np.ndarray]]] = {}
        self._size = 0

    def add(self, key: Key, moments: np.ndarray, values: np.ndarray) -> None:
        """Take a sensor's readings: microseconds since the epoch, and values (NaN: a gap)."""
        self._ranges.setdefault(key, SensorRange()).add(moments, values)
        self._waiting.setdefault(key, []).append((moments, values))
        self._size += len(moments)

    @property
    def is_full(self) -> bool:
        return self._size >= self._batch

    def flush(self) -> None:
        """Merge what waits."""
        readings = {
            key: (np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts]))
            for key, parts in self._waiting.items()
        }
        self._waiting, self._size = {}, 0
        self.counts.update(merge_readings(self._table, readings))
