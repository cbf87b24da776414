"""A static check of orchestrators: what a replay would see differently, found in the source, without running it.

It knows an orchestrator by its `orchestration_trigger` (as a decorator or called with the function), by
`Orchestrator.create` and `add_orchestrator`; in files that are named, and in a folder named `orchestrators`, every
generator function at a module's top level counts as one. From an orchestrator it follows the functions that are
called by name, through the imports of modules below the root. It does not follow methods, functions that are handed
on as values, and installed packages; and it cannot tell what type a value has.

`# durable: allow <reason>` on a line allows what was found there.
"""

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from localazure.functions_host.check.body import Body
from localazure.functions_host.check.orchestrators import orchestrators_in
from localazure.functions_host.check.sins import NO_REASON, Sin
from localazure.functions_host.check.sources import CannotCheck, Function, FunctionNode, Sources

__all__ = ["CannotCheck", "Finding", "Report", "check"]

_ALLOWED = re.compile(r"#\s*durable:\s*allow\b[\s:,-]*(?P<reason>.*)")


@dataclass(frozen=True)
class Finding:
    """Something an orchestrator should not do. `orchestrator` is the one that leads to `function`."""

    path: Path
    line: int
    column: int
    function: str
    orchestrator: str
    what: str
    sin: Sin

    def __str__(self) -> str:
        place = f"{self.path}:{self.line}:{self.column}"
        through = f" (called by {self.orchestrator})" if self.orchestrator != self.function else ""
        kind = "warning: " if self.sin.warning else ""
        return f"{place}: {kind}{self.function}{through}: {self.what} {self.sin.why}. Instead: {self.sin.instead}."


@dataclass(frozen=True)
class Report:
    """What was found in which orchestrators, by name."""

    orchestrators: tuple[str, ...]
    findings: tuple[Finding, ...]

    @property
    def failed(self) -> bool:
        """Whether more than warnings was found."""
        return any(not finding.sin.warning for finding in self.findings)

    @property
    def summary(self) -> str:
        """What was looked at, and with what result."""
        count = len(self.findings)
        looked_at = f"{len(self.orchestrators)} orchestrator{'s' if len(self.orchestrators) != 1 else ''}"
        return f"{looked_at}, {count or 'no'} finding{'s' if count != 1 else ''}."


def check(paths: Sequence[Path], root: Path) -> Report:
    """Check the orchestrators in `paths`, files and folders; imports start from `root`. Raises `CannotCheck`."""
    sources = Sources(root)
    orchestrators = [found for path in paths for found in orchestrators_in(sources, path)]
    seen = dict[FunctionNode, None]()
    findings = list[Finding]()
    for orchestrator in orchestrators:
        findings += _check(sources, orchestrator, orchestrator.node.name, seen)
    names = tuple(dict.fromkeys(function.node.name for function in orchestrators))
    return Report(names, tuple(sorted(set(findings), key=lambda f: (f.path, f.line, f.column))))


def _check(
    sources: Sources, function: Function, orchestrator: str, seen: dict[FunctionNode, None]
) -> Iterator[Finding]:
    """The findings in a function and in those it calls; each function is looked at once."""
    if function.node in seen:
        return
    seen[function.node] = None
    body = Body(function.module, function.node)
    for node, what, sin in body.found:
        yield from _allowed(function, orchestrator, node, what, sin)
    for name in body.calls:
        called = sources.called(function.module, name)
        if called is not None:
            yield from _check(sources, called, orchestrator, seen)


def _allowed(function: Function, orchestrator: str, node: ast.AST, what: str, sin: Sin) -> Iterator[Finding]:
    """The finding, unless its line allows it; one that is allowed without a reason is a finding too."""
    line, column = getattr(node, "lineno", 1), getattr(node, "col_offset", 0) + 1
    path, name = _shown(function.module.path), function.node.name
    allowed = _ALLOWED.search(function.module.text.splitlines()[line - 1])
    if allowed is None:
        yield Finding(path, line, column, name, orchestrator, what, sin)
    elif not allowed["reason"].strip():
        yield Finding(path, line, allowed.start() + 1, name, orchestrator, "the comment", NO_REASON)


def _shown(path: Path) -> Path:
    """As one types it where one is."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
