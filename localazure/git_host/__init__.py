"""A git host: bare repositories one can push to, GitHub's REST over them, and GitHub's push webhook."""

from localazure.git_host.service import GitHost

__all__ = ["GitHost"]
