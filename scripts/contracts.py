"""Renews localazure/contracts.json and the routes in localazure/README.md, from the code and from what tests recorded.

`python -m scripts.contracts` takes the routes from the code and keeps what was recorded of them before;
with `--record` it runs the Azure ML tests first and records anew.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from starlette.routing import Route

from scripts.route_notes import NOTES, SECTIONS, section_of

ROOT = Path(__file__).resolve().parent.parent
RECORD = ROOT / "localazure" / "contracts.json"
README = ROOT / "localazure" / "README.md"
SPECS = ROOT.parent / "shared" / "specs"
TESTS = "tests/localazure/machine_learning"
FOLDER = "LOCALAZURE_CONTRACTS"
_PROVIDER = "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.MachineLearningServices"
_SHORT = {
    f"{_PROVIDER}/workspaces/{{workspace}}": "{ws}",
    f"/mferp/managementfrontend{_PROVIDER}/registries/{{registry}}": "{registry}",
    "/subscriptions/{subscription}/resourceGroups/{group}/providers/": "{group}/",
    "/subscriptions/{subscription}/providers/": "{subscription}/",
    "/local/": "/{organization}/",
}
_ASSETS = ("codes", "components", "data", "environments", "models")
Routes = dict[str, dict[str, list[str]]]  # "PUT {ws}/jobs/{name}" → api-version → bodies judged


def served() -> list[str]:
    """Every route of the azure server, `METHOD path`, from the code."""
    from localazure.commands.up import BUILT_IN
    from localazure.runtime import open_runtime
    from localazure.server import services
    from localazure.start_page import StartPage

    with tempfile.TemporaryDirectory() as folder:
        runtime = open_runtime(BUILT_IN, Path(folder))
        emulators = services(runtime)
        rooms = (StartPage(runtime, emulators), *emulators)
        return sorted(
            {
                f"{method} {shortened(route.path)}"
                for room in rooms
                for route in room.routes
                if isinstance(route, Route)
                for method in (route.methods or set()) - {"HEAD"}
            }
        )


def shortened(path: str) -> str:
    for long, short in _SHORT.items():
        path = path.replace(long, short)
    return path


def read() -> dict[str, Any]:
    return json.loads(RECORD.read_text()) if RECORD.exists() else {"checked": None, "routes": {}}


def recorded(folder: Path) -> tuple[Routes, set[str]]:
    """What test runs left in `folder`: routes with their api-versions, and the deviations that were met."""
    routes: defaultdict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    deviations = set[str]()
    for path in folder.glob("*.json"):
        content = json.loads(path.read_text())
        deviations |= set(content["deviations"])
        for method, route, version, judged in content["routes"]:
            routes[f"{method} {shortened(route)}"][version] |= set(judged)
    plain = {
        route: {version: sorted(bodies) for version, bodies in sorted(versions.items())}
        for route, versions in routes.items()
    }
    return plain, deviations


def renewed(old: Mapping[str, Any], routes: Iterable[str], fresh: Routes | None) -> dict[str, Any]:
    """The record of `routes`; without a fresh recording what was known of them stays."""
    known: Routes = old["routes"] if fresh is None else fresh
    return {
        "checked": old["checked"] if fresh is None else f"{datetime.now(UTC):%Y-%m-%d}",
        "missing": missing(routes) if SPECS.is_dir() else old.get("missing", []),
        "routes": {route: known.get(route, {}) for route in routes},
    }


def missing(routes: Iterable[str]) -> list[str]:
    """The types of Azure ML's newest schema that no route serves: `workspaces/connections`."""
    newest = json.loads(max(SPECS.glob("2*-??.json")).read_text())
    types = {name.replace("_", "/") for name in newest["resourceDefinitions"]}
    here = {_type(route) for route in routes}
    return sorted(types - here)


def _type(route: str) -> str:
    path = route.partition(" ")[2].removeprefix("{group}/Microsoft.MachineLearningServices/")
    if path.startswith(("{ws}", "{registry}")):
        path = path.replace("{ws}", "workspaces/w").replace("{registry}", "registries/r")
    return "/".join(path.split("/")[::2])


def as_text(record: Mapping[str, Any]) -> str:
    """JSON with a route a line."""
    lines = ",\n".join(
        f"    {json.dumps(name)}: {json.dumps(value)}" for name, value in record["routes"].items()
    )
    head = {name: value for name, value in record.items() if name != "routes"}
    return f'{json.dumps(head, indent=2)[:-2]},\n  "routes": {{\n{lines}\n  }}\n}}\n'


def table(record: Mapping[str, Any]) -> str:
    """The README's tables: a row per path, its methods, how far it goes."""
    sections: defaultdict[str, list[str]] = defaultdict(list)
    for path, methods in sorted(_folded(record["routes"]).items()):
        note = next((text for pattern, text in NOTES if re.search(pattern, path)), "")
        cell = f"partly: {note}" if note else "implemented"
        sections[section_of(path)].append(f"| `{path}` | {', '.join(sorted(methods))} | {cell} |")
    parts = [
        f"### {name}\n\n| Route | Methods | |\n| --- | --- | --- |\n" + "\n".join(sections[name])
        for name in SECTIONS
        if sections[name]
    ]
    absent = ", ".join(f"`{name}`" for name in record["missing"])
    return "\n\n".join([*parts, f"### Azure ML's resource types that are not here\n\n{absent}."])


def _folded(routes: Iterable[str]) -> dict[str, set[str]]:
    """Methods by path; paths that differ in the kind of asset or in an alternative spelling alone are one."""
    paths: defaultdict[str, set[str]] = defaultdict(set)
    for route in routes:
        method, _, path = route.partition(" ")
        paths[path].add(method)
    folded: dict[str, set[str]] = {}
    for path, methods in paths.items():
        if any(paths.get(usual) == methods for usual in _usual_spellings(path)):
            continue
        common = _common(path)
        alike = all(paths.get(common.replace("{asset}", kind)) == methods for kind in _ASSETS)
        folded[common if alike else path] = methods
    return folded


def _usual_spellings(path: str) -> set[str]:
    """Azure DevOps takes two spellings of pull requests, and leaves the project out where a repository's id says it."""
    camel = path.replace("/pullrequests", "/pullRequests")
    return {camel, camel.replace("{organization}/_apis", "{organization}/{project}/_apis")} - {path}


def _common(path: str) -> str:
    return re.sub(rf"^(\{{(?:ws|registry)\}})/(?:{'|'.join(_ASSETS)})(?=/|$)", r"\1/{asset}", path)


def with_blocks(readme: str, record: Mapping[str, Any]) -> str:
    """The README with its generated parts renewed: `<!-- name -->…<!-- end of name -->`."""
    blocks = {
        "roles": f"\n\n{roles_table()}\n\n",
        "faults": f"\n\n{faults_table()}\n\n",
        "checked": f"Last checked on {record['checked']}.",
        "routes": f"\n\n{table(record)}\n\n",
    }
    for name, text in blocks.items():
        readme = with_block(readme, name, text)
    return readme


def with_block(readme: str, name: str, text: str) -> str:
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    before, _, rest = readme.partition(begin)
    _, _, after = rest.partition(end)
    return f"{before}{begin}{text}{end}{after}"


def roles_table() -> str:
    from localazure.roles import BUILT_IN

    rows = [
        f"| {role.name} | {_spans(role.actions)} | {_spans(role.not_actions)} | {_spans(role.data_actions)} |"
        for role in BUILT_IN.values()
    ]
    return "\n".join(["| Role | Allows | But not | Data actions |", "| --- | --- | --- | --- |", *rows])


def faults_table() -> str:
    from localazure.faults.kinds import KINDS

    rows = [
        f"| `{name}` | {kind.does} | {_spans(kind.aims)} | {_spans(kind.parameters)} | {kind.unasked} |"
        for name, kind in KINDS.items()
    ]
    head = ["| Kind | What happens | Aimed by | Parameters | Unasked |", "| --- | --- | --- | --- | --- |"]
    return "\n".join([*head, *rows])


def _spans(names: Iterable[str]) -> str:
    return ", ".join(f"`{name.replace('Microsoft.', '')}`" for name in names)


def record_tests() -> tuple[Routes, set[str]]:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "--dist", "loadfile", TESTS]
        subprocess.run(command, cwd=ROOT, env={**os.environ, FOLDER: folder}, check=True)
        return recorded(Path(folder))


def unmet(deviations: set[str]) -> Iterator[str]:
    """The accepted deviations that nothing needs any more."""
    from tests.localazure.contracts.deviations import ACCEPTED

    yield from (one.reason for one in ACCEPTED if one.reason not in deviations)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--record", action="store_true", help="run the Azure ML tests first")
    fresh, idle = None, list[str]()
    if parser.parse_args().record:
        if not SPECS.is_dir():
            sys.exit(f"Azure's schemas are not at {SPECS}: nothing can be checked")
        fresh, deviations = record_tests()
        idle = list(unmet(deviations))
    record = renewed(read(), served(), fresh)
    RECORD.write_text(as_text(record))
    README.write_text(with_blocks(README.read_text(), record))
    for reason in idle:
        Console(stderr=True).print(f"No test needs this deviation any more: {reason}", highlight=False)
    return 1 if idle else 0


if __name__ == "__main__":
    sys.exit(main())
