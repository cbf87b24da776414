"""The scratch clone against a real bare repository."""

import subprocess
from pathlib import Path

from demo.git import Clone


def bare(tmp_path: Path) -> Path:
    remote = tmp_path / "remote.git"
    subprocess.run(["git", "init", "--quiet", "--bare", "--initial-branch=main", str(remote)], check=True)
    return remote


def test_a_second_time_the_same_files_are_the_same_commit(tmp_path: Path) -> None:
    remote = bare(tmp_path)
    clone = Clone.open(tmp_path / "one", remote)
    clone.switch("develop")
    first = clone.commit({"config/a.yaml": b"a: 1\n"}, "Add\n\nFleet: 1", replace=("config",))
    clone.push("develop")

    again = Clone.open(tmp_path / "two", remote)  # a lost scratch clone loses nothing
    again.switch("develop")
    assert again.commit({"config/a.yaml": b"a: 1\n"}, "Add", replace=("config",)) == first
    assert again.find("develop", "Fleet: 1") == first
    assert again.find("develop", "Fleet: 2") is None


def test_files_that_are_no_longer_wanted_go(tmp_path: Path) -> None:
    clone = Clone.open(tmp_path / "one", bare(tmp_path))
    clone.switch("main")
    clone.commit({"config/a.yaml": b"", "README.md": b"kept"}, "One", replace=("config",))
    clone.commit({"config/b.yaml": b""}, "Two", replace=("config",))
    assert clone.git("ls-files").split() == ["README.md", "config/b.yaml"]


def test_a_new_branch_starts_where_it_is_told(tmp_path: Path) -> None:
    clone = Clone.open(tmp_path / "one", bare(tmp_path))
    clone.switch("main")
    main = clone.commit({"README.md": b""}, "Scaffold")
    clone.push("main")
    clone.switch("develop", "main")
    assert clone.head() == main
