"""Which action a request to Azure Resource Manager needs, and at which scope."""

from dataclasses import dataclass

VERBS = {"GET": "read", "HEAD": "read", "PUT": "write", "PATCH": "write", "DELETE": "delete"}


@dataclass(frozen=True)
class Need:
    """`action` (`Microsoft.MachineLearningServices/workspaces/jobs/read`) over `scope`, an ARM id."""

    action: str
    scope: str


def resource_need(method: str, path: str) -> Need:
    """For the path of a resource or of a list of them. POST `…/jobs/{name}/cancel` is the action
    `jobs/cancel/action` over the job."""
    namespace, *parts = path.rpartition("/providers/")[2].strip("/").split("/")
    types = "/".join([namespace, *parts[::2]])
    if method != "POST":
        return Need(f"{types}/{VERBS[method]}", path)
    return Need(f"{types}/action", path.rpartition("/")[0])
