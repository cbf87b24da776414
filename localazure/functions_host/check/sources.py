"""Python sources, and which function a name in them means."""

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

_INSTALLED = ("__pycache__", "node_modules", "site-packages")

type FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


class CannotCheck(Exception):
    """A path that does not exist, or a source that is not Python. For whoever named it."""


@dataclass(frozen=True)
class Module:
    """A source file. `package` is the dotted name of the package it is in, by its place below the root."""

    path: Path
    package: str
    text: str
    tree: ast.Module

    @cached_property
    def aliases(self) -> dict[str, str]:
        """Name in this module → dotted name of what was imported, imports inside functions included."""
        found = dict[str, str]()
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    top = alias.name.partition(".")[0]
                    found |= {alias.asname: alias.name} if alias.asname else {top: top}
            elif isinstance(node, ast.ImportFrom):
                origin = self._origin(node)
                found |= {alias.asname or alias.name: f"{origin}.{alias.name}" for alias in node.names}
        return found

    @cached_property
    def functions(self) -> dict[str, FunctionNode]:
        """The functions at the module's top level."""
        return {
            node.name: node
            for node in self.tree.body
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        }

    @cached_property
    def assigned(self) -> dict[str, ast.expr]:
        """What is assigned to the variables at the module's top level."""
        return dict(assignments(self.tree.body))

    def dotted(self, node: ast.expr) -> str | None:
        """`datetime.datetime.now` for `dt.now` after `from datetime import datetime as dt`; None for no name."""
        if isinstance(node, ast.Name):
            return self.aliases.get(node.id, node.id)
        if isinstance(node, ast.Attribute) and (owner := self.dotted(node.value)):
            return f"{owner}.{node.attr}"
        return None

    def _origin(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        above = self.package.split(".")[: -(node.level - 1) or None]
        return ".".join([*above, *(node.module or "").split(".")]).strip(".")


@dataclass(frozen=True)
class Function:
    module: Module
    node: FunctionNode


class Sources:
    """The Python files below `root`, the folder that imports start from; each is read once."""

    def __init__(self, root: Path):
        self.root = root
        self._modules = dict[Path, Module]()

    def module(self, path: Path) -> Module:
        """Raises `CannotCheck`."""
        if path not in self._modules:
            self._modules[path] = self._read(path)
        return self._modules[path]

    def function(self, dotted: str, asked: frozenset[str] = frozenset()) -> Function | None:
        """The function of that dotted name, through re-exports; None for one that is not below the root."""
        owner, _, name = dotted.rpartition(".")
        module = self._importable(owner) if owner and dotted not in asked else None
        if module is None:
            return None
        if name in module.functions:
            return Function(module, module.functions[name])
        exported = module.aliases.get(name)
        return self.function(exported, asked | {dotted}) if exported else None

    def called(self, module: Module, name: str) -> Function | None:
        """The function that `name`, as `Module.dotted` gives it, means in `module`."""
        if name in module.functions:
            return Function(module, module.functions[name])
        return self.function(name)

    def elements(self, module: Module, node: ast.expr) -> tuple[Module, list[ast.expr]]:
        """The elements of a tuple or list, through the variable and the import that it may be behind."""
        if isinstance(node, ast.Tuple | ast.List):
            return module, node.elts
        if isinstance(node, ast.Name) and node.id in module.assigned:
            return self.elements(module, module.assigned[node.id])
        owner, _, name = (module.dotted(node) or "").rpartition(".")
        imported = self._importable(owner) if owner else None
        if imported is None or name not in imported.assigned:
            return module, []
        return self.elements(imported, imported.assigned[name])

    def _importable(self, dotted: str) -> Module | None:
        place = self.root.joinpath(*dotted.split("."))
        candidates = (place.with_name(f"{place.name}.py"), place / "__init__.py")
        return next((self.module(path) for path in candidates if path.is_file()), None)

    def _read(self, path: Path) -> Module:
        parts = path.parent.relative_to(self.root).parts if path.is_relative_to(self.root) else ()
        try:
            text = path.read_text()
            return Module(path, ".".join(parts), text, ast.parse(text))
        except (OSError, UnicodeDecodeError, SyntaxError) as error:
            raise CannotCheck(f"{path} cannot be checked: {error}") from None


def assignments(nodes: Iterable[ast.AST]) -> Iterator[tuple[str, ast.expr]]:
    """Name and value of each assignment to a plain name."""
    for node in nodes:
        if isinstance(node, ast.Assign):
            yield from ((target.id, node.value) for target in node.targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value:
            yield node.target.id, node.value


def python_files(folder: Path) -> Iterator[Path]:
    """The Python files below a folder, except those of installed packages and hidden folders."""
    for place, folders, files in folder.walk():
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in _INSTALLED)
        yield from (place / name for name in sorted(files) if name.endswith(".py"))
