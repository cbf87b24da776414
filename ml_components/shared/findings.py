"""What a check found, by name, in a sentence and with its figures: reports carry these."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Finding:
    """One named finding about a sensor, or about the whole circuit (sensor None)."""

    name: str
    sensor: str | None
    sentence: str
    measured: float | None = None
    limit: float | None = None

    def document(self) -> dict[str, Any]:
        """As reports hold it; figures to six digits."""
        rounded = {key: _rounded(getattr(self, key)) for key in ("measured", "limit")}
        return asdict(self) | rounded


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.6g}")
