"""What is wrong with a fleet's configuration, each with its place."""

from dataclasses import dataclass

from busbar.domain.errors import ConfigurationError

type Path = tuple[str | int, ...]


@dataclass(frozen=True, order=True)
class Problem:
    """One thing to mend: file (relative to `config/`), line (from 1), key (`circuits[3].cutoff_date`), what to do."""

    file: str
    line: int
    key: str
    message: str

    def __str__(self) -> str:
        key = f" {self.key}:" if self.key else ""
        return f"config/{self.file}:{self.line}:{key} {self.message}"


class ConfigurationErrors(ConfigurationError):
    """Everything that is wrong with the configuration at a commit, one line a problem, in file and line order."""

    def __init__(self, problems: tuple[Problem, ...]):
        self.problems = tuple(sorted(set(problems)))
        super().__init__("\n".join(str(problem) for problem in self.problems))


def dotted(path: Path) -> str:
    """`("circuits", 3, "cutoff_date")` as `circuits[3].cutoff_date`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")
