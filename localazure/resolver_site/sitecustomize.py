"""Found through PYTHONPATH when any Python starts: names below `localhost` resolve; then the usual sitecustomize."""

import importlib.util
import sys
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path

_HERE = Path(__file__).resolve().parent


def _execute(spec: ModuleSpec | None) -> object:
    if spec is None or spec.loader is None:
        return None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _without_this_folder() -> list[str]:
    return [path for path in sys.path if Path(path).resolve() != _HERE]


_resolver = _execute(
    importlib.util.spec_from_file_location("localazure_resolver", _HERE.parent / "resolver.py")
)
_resolver.install()  # pyright: ignore[reportOptionalMemberAccess, reportAttributeAccessIssue]  # the file beside
_execute(PathFinder.find_spec("sitecustomize", _without_this_folder()))
