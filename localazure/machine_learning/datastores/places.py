"""Which blob container a datastore of a workspace stands for."""

from localazure.documents import Documents
from localazure.machine_learning.storage import UnknownLocation

KIND = "datastores"
# Azure creates both with every workspace; here they are one container.
BUILT_IN = ("workspaceblobstore", "workspaceartifactstore")
DEFAULT = BUILT_IN[0]


def datastore_container(documents: Documents, workspace: str, name: str) -> str:
    """Raises `UnknownLocation` for a datastore that the workspace does not have."""
    if name in BUILT_IN:
        return f"azureml-{workspace}"
    known = documents.get(KIND, f"workspaces/{workspace}/{name}")
    if known is None:
        raise UnknownLocation(f"The workspace {workspace} has no datastore {name!r}.")
    properties = known["properties"]
    return properties.get("containerName") or properties["filesystem"]
