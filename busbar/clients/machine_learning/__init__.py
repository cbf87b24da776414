"""Azure ML: the workspaces of the three stages and the registry. Adding an operation is a method in a module here."""

from busbar.clients.machine_learning.assets import Assets
from busbar.clients.machine_learning.checks import Checks
from busbar.clients.machine_learning.endpoints import Endpoints
from busbar.clients.machine_learning.keeping import Keeping, Kept
from busbar.clients.machine_learning.models import Models, ModelState
from busbar.clients.machine_learning.monitors import Monitors

__all__ = ["Kept", "MachineLearning", "ModelState"]


class MachineLearning(Assets, Models, Monitors, Checks, Endpoints, Keeping):
    """Everything Busbar asks of Azure ML. A `place` is a stage's value, or "registry".

    Long operations are started, never awaited. Every create looks for its own effect first: the same content is
    success, other content under the same name raises `VersionConflict`. Throttling and outages raise
    `TemporarilyUnavailable` at once: the durable retry policy does the waiting.
    """
