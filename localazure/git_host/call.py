"""What a handler of either REST dialect is handed."""

from dataclasses import dataclass

from starlette.requests import Request

from localazure.documents import Documents
from localazure.git_host.pulls import Pulls
from localazure.git_host.repository import Repository
from localazure.git_host.webhooks import Webhooks


@dataclass(frozen=True)
class RepositoryCall:
    """One authorised request for one repository."""

    request: Request
    repository: Repository
    documents: Documents
    base_url: str
    webhooks: Webhooks

    @property
    def pulls(self) -> Pulls:
        return self.webhooks.pulls

    def path(self, name: str) -> str:
        return self.request.path_params.get(name, "")

    def number(self, name: str = "number") -> int:
        return self.request.path_params[name]
