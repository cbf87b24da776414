"""Which functions of an app are orchestrators."""

import ast
from collections.abc import Iterator
from pathlib import Path

from localazure.functions_host.check.sources import (
    CannotCheck,
    Function,
    FunctionNode,
    Module,
    Sources,
    python_files,
)

_FACTORY = "orchestration_trigger"
_REGISTERING = frozenset({_FACTORY, "add_orchestrator", "Orchestrator.create"})
_FOLDER = "orchestrators"


def orchestrators_in(sources: Sources, path: Path) -> Iterator[Function]:
    """The orchestrators that a file or folder defines or registers. Raises `CannotCheck`."""
    if not path.exists():
        raise CannotCheck(f"{path} does not exist.")
    for file in python_files(path) if path.is_dir() else [path]:
        module = sources.module(file.resolve())
        every_generator = not path.is_dir() or _FOLDER in (sources.root.name, *module.package.split("."))
        for node in _defined(module, every_generator):
            yield Function(module, node)
        for name in _registered(sources, module):
            if (function := sources.called(module, name)) is not None:
                yield function


def _defined(module: Module, every_generator: bool) -> Iterator[FunctionNode]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            decorated = any(_registers(decorator) for decorator in node.decorator_list)
            if decorated or (every_generator and node in module.tree.body and _is_generator(node)):
                yield node


def _registered(sources: Sources, module: Module) -> Iterator[str]:
    """The dotted names in `app.orchestration_trigger(...)(f)`, `Orchestrator.create(f)` and loops of these."""
    for call in ast.walk(module.tree):
        if isinstance(call, ast.Call) and _registers(call.func) and not _is_factory(call.func):
            names = [node for part in call.args for node in ast.walk(part) if isinstance(node, ast.Name)]
            for name in names:
                yield from _meant(sources, module, name.id)


def _meant(sources: Sources, module: Module, name: str) -> Iterator[str]:
    """The function's own name; for the variable of a loop over a tuple of functions, their names."""
    loops = (node for node in ast.walk(module.tree) if isinstance(node, ast.For))
    over = [loop.iter for loop in loops if isinstance(loop.target, ast.Name) and loop.target.id == name]
    if not over:
        yield module.aliases.get(name, name)
    for iterated in over:
        owner, elements = sources.elements(module, iterated)
        yield from (dotted for element in elements if (dotted := owner.dotted(element)))


def _is_factory(node: ast.expr) -> bool:
    """`orchestration_trigger` takes the function in a second call."""
    return isinstance(node, ast.Attribute | ast.Name) and ast.unparse(node).split(".")[-1] == _FACTORY


def _registers(node: ast.expr) -> bool:
    named = ast.unparse(node.func if isinstance(node, ast.Call) else node).split(".")
    return named[-1] in _REGISTERING or ".".join(named[-2:]) in _REGISTERING


def _is_generator(function: FunctionNode) -> bool:
    """Whether the function itself yields; the functions and lambdas in it do not count."""
    pending: list[ast.AST] = [*function.body]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Yield | ast.YieldFrom):
            return True
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            pending.extend(ast.iter_child_nodes(node))
    return False
