"""The nodes of the region's clusters in this process: which run what, who waits, and when idle ones leave.

Everything but reading (`nodes`, `waiting`, `errors`) happens on the event loop.
"""

import asyncio
import hashlib
from collections import deque
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from localazure.machine_learning.jobs.graph import InvalidJob


@dataclass(frozen=True)
class Plan:
    """What a cluster may have: `cores` of one node count against the region's quota of its priority."""

    min_nodes: int
    max_nodes: int
    idle_seconds: float
    cores: int
    priority: str = "Dedicated"


@dataclass(frozen=True)
class Node:
    id: str
    run: str | None = None


class Cluster:
    """One compute. Jobs are served in the order in which they came; a node that has nothing to do leaves in time."""

    def __init__(self, region: "Region", key: str, plan: Plan):
        self._region = region
        self._key = key
        self.plan = plan
        self.nodes: tuple[Node, ...] = ()
        self.error: str | None = None
        self._waiting: deque[tuple[str, asyncio.Future[Node]]] = deque()
        self._leaving: dict[str, asyncio.TimerHandle] = {}
        self._added = 0
        self._gone = False
        self._serve()

    @property
    def waiting(self) -> tuple[str, ...]:
        return tuple(run for run, future in list(self._waiting) if not future.done())

    @asynccontextmanager
    async def node(self, run: str) -> AsyncGenerator[Node]:
        """A node for `run`, once there is one. Raises `InvalidJob` when the compute is deleted before."""
        future: asyncio.Future[Node] = asyncio.get_running_loop().create_future()
        self._waiting.append((run, future))
        self._serve()
        try:
            node = await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled() and not future.exception():
                self._release(future.result())
            self._serve()
            raise
        try:
            yield node
        finally:
            self._release(node)

    def change(self, plan: Plan) -> None:
        """Grow or shrink to `plan`; nodes at work leave when their job has ended."""
        self.plan = plan
        for handle in self._leaving.values():
            handle.cancel()
        self._leaving.clear()
        for node in [node for node in self.nodes if node.run is None]:
            self._retire_later(node)
        self._serve()

    def close(self) -> None:
        """The compute is deleted: who waits is told, idle nodes leave."""
        self._gone = True
        self.plan = replace(self.plan, min_nodes=0, max_nodes=0)
        for _, future in self._waiting:
            if not future.done():
                future.set_exception(InvalidJob(f"The compute {self._key.rpartition('/')[2]} was deleted."))
        self._waiting.clear()
        for node in [node for node in self.nodes if node.run is None]:
            self._retire(node)

    def _serve(self) -> None:
        """Give nodes to those who wait, and have as many as there must be at least."""
        while self._waiting:
            run, future = self._waiting[0]
            if not future.done():
                node = self._idle_node() or self._new_node()
                if node is None:
                    break
                self._replace(node, replace(node, run=run))
                future.set_result(replace(node, run=run))
            self._waiting.popleft()
        while len(self.nodes) < self.plan.min_nodes and self._new_node():
            pass
        if not self._waiting:
            self.error = None

    def _idle_node(self) -> Node | None:
        return next((node for node in self.nodes if node.run is None), None)

    def _new_node(self) -> Node | None:
        if len(self.nodes) >= self.plan.max_nodes:
            return None
        if not self._region.has_room(self.plan):
            self.error = self._region.full(self.plan)
            return None
        self.error = None
        self._added += 1
        node = Node(f"tvmps_{hashlib.sha256(f'{self._key}/{self._added}'.encode()).hexdigest()}_d"[:48])
        self.nodes = (*self.nodes, node)
        return node

    def _release(self, node: Node) -> None:
        idle = replace(node, run=None)
        self._replace(node, idle)
        if self._gone or len(self.nodes) > self.plan.max_nodes:
            self._retire(idle)
            return
        self._serve()
        if idle in self.nodes:
            self._retire_later(idle)

    def _retire_later(self, node: Node) -> None:
        delay = 0.0 if len(self.nodes) > self.plan.max_nodes else self.plan.idle_seconds
        loop = asyncio.get_running_loop()
        self._leaving[node.id] = loop.call_later(delay, self._retire_idle, node)

    def _retire_idle(self, node: Node) -> None:
        self._leaving.pop(node.id, None)
        if node in self.nodes and len(self.nodes) > self.plan.min_nodes:
            self._retire(node)

    def _retire(self, node: Node) -> None:
        self.nodes = tuple(one for one in self.nodes if one.id != node.id)
        self._region.changed()

    def _replace(self, old: Node, new: Node) -> None:
        if handle := self._leaving.pop(old.id, None):
            handle.cancel()
        self.nodes = tuple(new if node.id == old.id else node for node in self.nodes)

    def serve(self) -> None:
        self._serve()


class Region:
    """Every cluster by `<scope's key>/<name>`, and the quota of cores that they share."""

    def __init__(self, cores: Mapping[str, int]):
        self._cores = cores
        self._clusters: dict[str, Cluster] = {}

    def cluster(self, key: str) -> Cluster | None:
        return self._clusters.get(key)

    def set(self, key: str, plan: Plan) -> None:
        """Add a cluster, or change the one there is."""
        if known := self._clusters.get(key):
            known.change(plan)
        else:
            self._clusters[key] = Cluster(self, key, plan)

    def remove(self, key: str) -> None:
        if known := self._clusters.pop(key, None):
            known.close()

    def used(self, priority: str) -> int:
        clusters = [one for one in list(self._clusters.values()) if one.plan.priority == priority]
        return sum(len(cluster.nodes) * cluster.plan.cores for cluster in clusters)

    def limit(self, priority: str) -> int:
        return self._cores[priority]

    def has_room(self, plan: Plan) -> bool:
        return self.used(plan.priority) + plan.cores <= self.limit(plan.priority)

    def full(self, plan: Plan) -> str:
        return (
            f"The region's quota of {self.limit(plan.priority)} {plan.priority} vCPUs is used up "
            f"({self.used(plan.priority)} in use): one more node needs {plan.cores}."
        )

    def changed(self) -> None:
        """Cores are free again: whoever waits for them may go on."""
        for cluster in list(self._clusters.values()):
            cluster.serve()
