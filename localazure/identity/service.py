"""Everything of identity, composed."""

from collections.abc import Sequence

from starlette.routing import BaseRoute

from localazure import secrets
from localazure.identity.assignments import Assignments
from localazure.identity.directory import Directory
from localazure.identity.login import Login
from localazure.identity.managed import ManagedIdentity
from localazure.identity.tokens import Tokens
from localazure.service import Runtime


class Identity:
    """Hands out tokens to the configured identities. `tokens` verifies them, and knows what their bearers may do."""

    def __init__(self, runtime: Runtime):
        config, azure = runtime.config, runtime.addresses.azure
        self.tokens = Tokens.of(runtime)
        self.directory = Directory(config)
        known = secrets.load_or_create(runtime.state, config.secret_names)
        of_applications = {
            one.name: known[one.secret_name] for one in config.identities if one.kind == "application"
        }
        self._rooms = (
            ManagedIdentity(self.directory, self.tokens, runtime.secrets["identity_header"]),
            Login(self.directory, self.tokens, of_applications, azure),
            Assignments(config, self.tokens, azure),
        )

    @property
    def routes(self) -> Sequence[BaseRoute]:
        return [route for room in self._rooms for route in room.routes]

    async def start(self) -> None: ...

    async def stop(self) -> None: ...
