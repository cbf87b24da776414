"""The rules of ARCHITECTURE.md that import-linter cannot see: third-party code, determinism, names, import cost."""

import ast
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from activities import ACTIVITIES
from localazure.functions_host.check import check
from orchestrators import ORCHESTRATORS

ROOT = Path(__file__).parent.parent

SERVICE_SDKS = (
    "azure.ai",
    "azure.communication",
    "azure.data",
    "azure.eventgrid",
    "azure.identity",
    "azure.storage",
    "httpx",
)
DURABLE = ("durabletask", "azure.durable_functions")
HEAVY = ("tensorflow", "mlflow", "pandas", "deltalake", "numpy")

# package → the folders and files (below the root) that may import it
ALLOWED = {
    **dict.fromkeys(
        SERVICE_SDKS,
        ("busbar/clients/", "busbar/api.py", "demo/", "tests/", "localazure/", "ml_components/", "scripts/"),
    ),
    **dict.fromkeys(
        DURABLE,
        (
            "orchestrators/",
            "busbar/wire.py",
            "busbar/durable.py",
            "function_app.py",
            "localazure/",
            "tests/",
            "scripts/",
        ),
    ),
    **dict.fromkeys(HEAVY, ("ml_components/", "demo/", "scripts/bench_", "tests/")),
}

ROOMS = ("activities", "busbar", "demo", "localazure", "ml_components", "orchestrators", "scripts", "tests")


def sources() -> Iterator[Path]:
    yield ROOT / "function_app.py"
    for room in ROOMS:
        yield from (ROOT / room).rglob("*.py")


def imports(tree: ast.AST) -> Iterator[tuple[str, bool]]:
    """(module, whether it is imported when the file is), type-checking blocks left out."""
    guarded = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for inner in ast.walk(node)
    }
    local = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in guarded:
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name, id(node) not in local) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module, id(node) not in local


def within(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


@pytest.mark.parametrize("package", ALLOWED)
def test_third_party_code_stays_in_its_room(package: str) -> None:
    strays = [
        f"{path.relative_to(ROOT)} imports {module}"
        for path in sources()
        if not str(path.relative_to(ROOT)).startswith(ALLOWED[package])
        for module, _ in imports(ast.parse(path.read_text()))
        if within(module, package)
    ]
    assert not strays, strays


def test_clients_import_their_sdk_where_they_use_it() -> None:
    eager = [
        f"{path.relative_to(ROOT)} imports {module} at its top"
        for path in (ROOT / "busbar" / "clients").rglob("*.py")
        for module, at_top in imports(ast.parse(path.read_text()))
        if at_top and any(within(module, sdk) for sdk in SERVICE_SDKS)
    ]
    assert not eager, eager


def test_orchestrators_are_deterministic() -> None:
    report = check([ROOT / "orchestrators"], ROOT)
    assert {function.__name__ for function in ORCHESTRATORS} <= set(report.orchestrators)
    assert [str(finding) for finding in report.findings] == []


def test_no_decorators_in_orchestrators_and_activities() -> None:
    """Registration is the tuple, in one place."""
    decorated = [
        f"{path.relative_to(ROOT)}: {node.name}"
        for room in ("orchestrators", "activities")
        for path in (ROOT / room).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef)
        and any("contextmanager" not in ast.dump(decorator) for decorator in node.decorator_list)
    ]
    assert not decorated, decorated


def test_function_names_are_unique() -> None:
    triggers = [
        node.name
        for node in ast.parse((ROOT / "function_app.py").read_text()).body
        if isinstance(node, ast.FunctionDef)
    ]
    names = Counter([*(function.__name__ for function in (*ORCHESTRATORS, *ACTIVITIES)), *triggers])
    assert [name for name, count in names.items() if count > 1] == []


def test_the_app_imports_nothing_heavy() -> None:
    """Service SDKs, pandas, jinja2 and the rest are imported where used; TensorFlow and MLflow never."""
    heavy = [*SERVICE_SDKS, *HEAVY, "jinja2", "pydantic", "ruamel", "localazure"]
    program = f"import sys, function_app; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "[]", done.stdout + done.stderr
