"""One function's body: the sins in it, and the functions it calls."""

import ast
from collections.abc import Iterator

from localazure.functions_host.check import sins
from localazure.functions_host.check.sins import Sin
from localazure.functions_host.check.sources import FunctionNode, Module, assignments

type Found = tuple[ast.AST, str, Sin]

_UNORDERED = frozenset({"all", "any", "frozenset", "len", "max", "min", "set", "sorted", "sum"})
_ORDERED = frozenset({"enumerate", "iter", "list", "map", "filter", "tuple", "zip", "reversed"})


class Body(ast.NodeVisitor):
    """Walks a function, nested functions included; what it finds is in `found` and `calls`."""

    def __init__(self, module: Module, function: FunctionNode):
        self.found: list[Found] = []
        self.calls: list[str] = []
        self._module, self._function = module, function
        self._local = set(_bound(function))
        self._sets = {name for name, value in assignments(ast.walk(function)) if _is_set(value)}
        self._order_does_not_matter = set[ast.AST]()
        self._replaying, self._depth = False, 0
        if isinstance(function, ast.AsyncFunctionDef):
            self._report(function, f"async def {function.name}", sins.ASYNC)
        for statement in function.body:
            self.visit(statement)

    def visit_Call(self, node: ast.Call) -> None:
        if name := self._dotted(node.func):
            self.calls.append(name)
            sin = sins.sin_of_call(name, arguments=len(node.args) + len(node.keywords))
            self._report_call(node, sin)
        if isinstance(node.func, ast.Attribute):
            self._visit_method(node, node.func)
        if name == "next" and node.args and self._is_module_state(node.args[0]):
            self._report(node, ast.unparse(node), sins.GLOBAL)
        self._visit_order(node, name or "")
        self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if sin := sins.READ.get(self._dotted(node) or ""):
            self._report(node, ast.unparse(node), sin)
        self._visit_store(node, node.value)
        self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> None:
        """`environ` after `from os import environ`."""
        if isinstance(node.ctx, ast.Load) and (sin := sins.READ.get(self._dotted(node) or "")):
            self._report(node, node.id, sin)

    def visit_Await(self, node: ast.Await) -> None:
        self._report(node, "await", sins.ASYNC)
        self.generic_visit(node)

    def visit_Global(self, node: ast.Global) -> None:
        self._report(node, f"global {', '.join(node.names)}", sins.GLOBAL)

    def visit_Nonlocal(self, node: ast.Nonlocal) -> None:
        """Of a nested function it is a variable of the orchestrator's own."""
        if self._depth == 0:
            self._report(node, f"nonlocal {', '.join(node.names)}", sins.GLOBAL)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._depth += 1
        self.generic_visit(node)
        self._depth -= 1

    def visit_Subscript(self, node: ast.Subscript) -> None:
        self._visit_store(node, node.value)
        self.generic_visit(node)

    def visit_If(self, node: ast.If) -> None:
        """What stands under `if not ctx.is_replaying:` happens once."""
        before = self._replaying
        self._replaying = before or _asks_whether_replaying(node.test)
        for statement in node.body:
            self.visit(statement)
        self._replaying = before
        for other in (node.test, *node.orelse):
            self.visit(other)

    def visit_For(self, node: ast.For) -> None:
        self._visit_iterated(node.iter)
        self.generic_visit(node)

    def visit_ListComp(self, node: ast.ListComp) -> None:
        self._visit_comprehension(node, node.generators)

    def visit_DictComp(self, node: ast.DictComp) -> None:
        self._visit_comprehension(node, node.generators)

    def visit_GeneratorExp(self, node: ast.GeneratorExp) -> None:
        self._visit_comprehension(node, node.generators)

    def _visit_comprehension(self, node: ast.expr, generators: list[ast.comprehension]) -> None:
        if node not in self._order_does_not_matter:
            for generator in generators:
                self._visit_iterated(generator.iter)
        self.generic_visit(node)

    def _visit_order(self, node: ast.Call, name: str) -> None:
        if name in _UNORDERED:
            self._order_does_not_matter |= set(node.args)
        joins = isinstance(node.func, ast.Attribute) and node.func.attr == "join"
        if (name in _ORDERED or joins) and node not in self._order_does_not_matter:
            for argument in node.args:
                self._visit_iterated(argument)

    def _visit_iterated(self, node: ast.expr) -> None:
        if _is_set(node) or (isinstance(node, ast.Name) and node.id in self._sets):
            self._report(node, ast.unparse(node), sins.SET_ORDER)

    def _visit_method(self, node: ast.Call, method: ast.Attribute) -> None:
        owner = self._dotted(method.value.func) if isinstance(method.value, ast.Call) else None
        self._report_call(node, sins.sin_of_method(method.attr, owner))
        if method.attr in sins.MUTATORS and self._is_module_state(method.value):
            self._report(node, f"{ast.unparse(node.func)}()", sins.GLOBAL)

    def _visit_store(self, node: ast.Subscript | ast.Attribute, owner: ast.expr) -> None:
        if isinstance(node.ctx, ast.Store | ast.Del) and self._is_module_state(owner):
            self._report(node, ast.unparse(node), sins.GLOBAL)

    def _is_module_state(self, node: ast.expr) -> bool:
        return isinstance(node, ast.Name) and node.id in self._module.assigned and node.id not in self._local

    def _dotted(self, node: ast.expr) -> str | None:
        """The dotted name of what `node` means, unless it begins with a local variable."""
        first = node
        while isinstance(first, ast.Attribute):
            first = first.value
        is_local = isinstance(first, ast.Name) and first.id in self._local - self._module.aliases.keys()
        return None if is_local else self._module.dotted(node)

    def _report_call(self, node: ast.Call, sin: Sin | None) -> None:
        if sin is not None and not (sin is sins.PRINT and self._replaying):
            self._report(node, f"{ast.unparse(node.func)}()", sin)

    def _report(self, node: ast.AST, what: str, sin: Sin) -> None:
        self.found.append((node, what, sin))


def _bound(function: FunctionNode) -> Iterator[str]:
    """The parameters and the variables of a function and of the functions in it."""
    shared = {name for node in ast.walk(function) if isinstance(node, ast.Global) for name in node.names}
    for node in ast.walk(function):
        if isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id not in shared:
            yield node.id


def _is_set(node: ast.expr) -> bool:
    match node:
        case ast.Set() | ast.SetComp() | ast.Call(func=ast.Name(id="set" | "frozenset")):
            return True
        case ast.BinOp(left=left, op=ast.BitOr() | ast.BitAnd() | ast.Sub() | ast.BitXor(), right=right):
            return _is_set(left) or _is_set(right)
        case _:
            return False


def _asks_whether_replaying(test: ast.expr) -> bool:
    return (
        isinstance(test, ast.UnaryOp)
        and isinstance(test.op, ast.Not)
        and isinstance(test.operand, ast.Attribute)
        and test.operand.attr == "is_replaying"
    )
