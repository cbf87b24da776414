"""A person's working copy, and the repository that it pushes to."""

import os
import subprocess
from pathlib import Path

from localazure.config import Config

REPOSITORY = "plants/fleet"
ZERO = "0" * 40
CONFIG = Config.model_validate({"repositories": [{"name": REPOSITORY, "webhook": "/api/webhooks/github"}]})


class Clone:
    """A person's working copy."""

    def __init__(self, folder: Path, remote: Path):
        self.folder = folder
        folder.mkdir()
        self.git("init", "-q", "-b", "main")
        self.git("remote", "add", "origin", str(remote))

    def git(self, *arguments: str) -> str:
        people = {f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER")
                  for what, value in (("NAME", "Dev One"), ("EMAIL", "dev1@example.com"))}  # fmt: skip
        clean = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        nobody = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
        run = subprocess.run(
            ["git", "-C", str(self.folder), *arguments], env=clean | people | nobody,
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        return run.stdout.strip()

    def commit(self, message: str = "m", **files: str | None) -> str:
        for name, text in files.items():
            path = self.folder / name.replace("__", "/").replace("_yaml", ".yaml")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text) if text is not None else path.unlink()
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")

    def push(self, *arguments: str) -> None:
        self.git("push", "-q", *(arguments or ("origin", "HEAD")))


def bare(runtime):
    return runtime.state / "git" / f"{REPOSITORY}.git"
