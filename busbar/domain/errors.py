"""What can go wrong, by who can mend it. Each message says what to do."""


class BusbarError(Exception):
    """Base of every error that Busbar raises on purpose. A `permanent` one does not go away by trying again."""

    permanent = False


class BadRequest(BusbarError):
    """Input from outside is wrong; `field` names the part. The sender can mend it."""

    permanent = True

    def __init__(self, field: str, problem: str):
        super().__init__(f"{field}: {problem}")
        self.field = field


class ConfigurationError(BusbarError):
    """The fleet's files at a commit are wrong. The author of the commit can mend it."""

    permanent = True


class VersionConflict(BusbarError):
    """Content changed under a version that is already registered. The author of the commit can mend it."""

    permanent = True


class NotFound(BusbarError):
    """Something that should exist upstream does not."""


class Conflict(BusbarError):
    """Somebody else was first (an insert of a taken key, an update of a changed row)."""


class TemporarilyUnavailable(BusbarError):
    """A service is throttling, restarting or out of reach. Nobody need mend it: the same call, later, may succeed."""


class AccessDenied(BusbarError):
    """A service refuses the app's identity. A platform engineer can mend it by granting the role."""


class Rejected(BusbarError):
    """A service refused a request as wrong; repeating it does not help. The message carries its own reason."""

    permanent = True
