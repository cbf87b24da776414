"""The scratch clone of the fleet's repository, and real pushes from it."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

AUTHOR = "data-scientist"


class GitError(Exception):
    """git refused; the message is what it said."""


@dataclass(frozen=True)
class Clone:
    """A work tree at `path` whose `origin` is the bare repository `remote`."""

    path: Path
    remote: Path

    @classmethod
    def open(cls, path: Path, remote: Path) -> "Clone":
        """The clone at `path`, made on the first call, with what the remote has fetched."""
        clone = cls(path.absolute(), remote.absolute())
        if not (path / ".git").exists():
            shutil.rmtree(path, ignore_errors=True)
            path.mkdir(parents=True)
            clone.git("init", "--quiet", "--initial-branch=main")
            clone.git("remote", "add", "origin", str(clone.remote))
        clone.git("fetch", "--quiet", "--prune", "origin")
        return clone

    def git(self, *arguments: str) -> str:
        """Run `git <arguments>` in the clone; what it prints. Raises `GitError`."""
        done = subprocess.run(
            ["git", *arguments],
            cwd=self.path,
            env=_environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise GitError(
                f"git {' '.join(arguments)}: {done.stderr.strip() or f'ended with {done.returncode}'}"
            )
        return done.stdout.strip()

    def switch(self, branch: str, start: str | None = None) -> None:
        """Check out `branch` as the remote has it, else as it is here, else anew from `start`; drops local changes."""
        if self.head(f"origin/{branch}"):
            self.git("checkout", "--quiet", "--force", "-B", branch, f"origin/{branch}")
        elif self.head(branch):
            self.git("checkout", "--quiet", "--force", branch)
        elif start:
            self.git("checkout", "--quiet", "--force", "-B", branch, start)
        else:
            self.git("checkout", "--quiet", "--orphan", branch)
        self.git("clean", "--quiet", "-fdx")

    def head(self, reference: str = "HEAD") -> str | None:
        """The commit of `reference`, or None."""
        try:
            return self.git("rev-parse", "--verify", "--quiet", f"{reference}^{{commit}}")
        except GitError:
            return None

    def commit(self, files: Mapping[str, bytes], message: str, *, replace: tuple[str, ...] = ()) -> str:
        """Write `files`; within the folders `replace` nothing else remains. Commits if that changes anything."""
        for folder in replace:
            shutil.rmtree(self.path / folder, ignore_errors=True)
        for name, content in files.items():
            target = self.path / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        self.git("add", "--all")
        if self.head() is None or self.git("status", "--porcelain"):
            self.git("commit", "--quiet", "--allow-empty", "--message", message)
        return self.git("rev-parse", "HEAD")

    def find(self, branch: str, trailer: str) -> str | None:
        """The newest commit of `branch` that carries the line `trailer` in its message, or None."""
        if not self.head(branch):
            return None
        return self.git("log", "-1", "--format=%H", "--fixed-strings", f"--grep={trailer}", branch) or None

    def push(self, branch: str, reference: str = "HEAD") -> None:
        """Push `reference` to `branch`, unless the branch holds it already. Raises `GitError`."""
        if not self.contains(f"origin/{branch}", reference):
            self.git("push", "--quiet", "origin", f"{reference}:refs/heads/{branch}")

    def contains(self, branch: str, reference: str) -> bool:
        """Whether `reference` is an ancestor of `branch`, or its head."""
        ancestor, head = self.head(reference), self.head(branch)
        return head is not None and self.git("merge-base", str(ancestor), head) == ancestor


def _environment() -> dict[str, str]:
    """For a git that minds neither the person's own configuration nor a repository this was started from."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    person = {
        f"GIT_{role}_{part}": value
        for role in ("AUTHOR", "COMMITTER")
        for part, value in (("NAME", AUTHOR), ("EMAIL", f"{AUTHOR}@example.com"))
    }
    return inherited | person | {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C"}
