import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from localazure.machine_learning.computes.nodes import Cluster, Plan, Region
from localazure.machine_learning.jobs.graph import InvalidJob

PLAN = Plan(min_nodes=0, max_nodes=2, idle_seconds=60, cores=4)


def in_loop(work: Callable[[], Awaitable[None]]) -> None:
    async def run() -> None:
        await work()

    asyncio.run(run())


def region(cores: int = 100) -> Region:
    return Region({"Dedicated": cores, "LowPriority": 0})


def cluster_of(owner: Region, name: str = "one", plan: Plan = PLAN) -> Cluster:
    owner.set(name, plan)
    found = owner.cluster(name)
    assert found
    return found


class Job:
    """Holds a node until it is told to end."""

    def __init__(self, cluster: Cluster, name: str):
        self.ended = asyncio.Event()
        self.has_node = False
        self.task = asyncio.create_task(self._run(cluster, name))

    async def _run(self, cluster: Cluster, name: str) -> None:
        async with cluster.node(name):
            self.has_node = True
            await self.ended.wait()

    async def end(self) -> None:
        self.ended.set()
        await self.task


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_jobs_get_nodes_in_the_order_they_came() -> None:
    async def work() -> None:
        cluster = cluster_of(region())
        jobs = [Job(cluster, str(number)) for number in range(4)]
        await settle()
        assert [job.has_node for job in jobs] == [True, True, False, False]
        assert cluster.waiting == ("2", "3")
        await jobs[1].end()
        await settle()
        assert [node.run for node in cluster.nodes] == ["0", "2"]
        for number in (0, 2, 3):
            await jobs[number].end()

    in_loop(work)


def test_the_smallest_number_of_nodes_is_there_from_the_start() -> None:
    async def work() -> None:
        cluster = cluster_of(region(), plan=replace(PLAN, min_nodes=2, idle_seconds=0))
        assert len(cluster.nodes) == 2
        await Job(cluster, "a").end()
        await asyncio.sleep(0.01)
        assert len(cluster.nodes) == 2
        cluster.change(replace(PLAN, idle_seconds=0))
        await asyncio.sleep(0.01)
        assert cluster.nodes == ()

    in_loop(work)


def test_shrinking_lets_jobs_end() -> None:
    async def work() -> None:
        cluster = cluster_of(region())
        jobs = [Job(cluster, name) for name in "ab"]
        await settle()
        cluster.change(replace(PLAN, max_nodes=1))
        assert len(cluster.nodes) == 2
        await jobs[0].end()
        assert [node.run for node in cluster.nodes] == ["b"]
        await jobs[1].end()

    in_loop(work)


def test_cores_are_shared_by_the_region() -> None:
    async def work() -> None:
        owner = region(cores=4)
        first, second = cluster_of(owner, "first", replace(PLAN, idle_seconds=0)), cluster_of(owner, "second")
        holder, waiter = Job(first, "holder"), Job(second, "waiter")
        await settle()
        assert (holder.has_node, waiter.has_node) == (True, False)
        assert "quota of 4 Dedicated vCPUs" in str(second.error)
        await holder.end()
        await asyncio.sleep(0.01)
        assert (waiter.has_node, second.error) == (True, None)
        await waiter.end()

    in_loop(work)


def test_deleting_tells_who_waits() -> None:
    async def work() -> None:
        owner = region()
        cluster = cluster_of(owner, plan=replace(PLAN, max_nodes=1))
        at_work, waiting = Job(cluster, "at work"), Job(cluster, "waiting")
        await settle()
        owner.remove("one")
        with pytest.raises(InvalidJob, match="deleted"):
            await waiting.task
        await at_work.end()
        assert cluster.nodes == ()

    in_loop(work)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["start", "end", "cancel", "grow", "shrink"]), st.integers(0, 5)),
        max_size=25,
    )
)
def test_whatever_happens_nodes_and_jobs_agree(steps: list[tuple[str, int]]) -> None:
    async def work() -> None:
        cluster = cluster_of(region(), plan=replace(PLAN, idle_seconds=0))
        jobs: dict[int, Job] = {}
        for step, number in steps:
            match step:
                case "start" if number not in jobs:
                    jobs[number] = Job(cluster, str(number))
                case "end" if number in jobs and jobs[number].has_node:
                    await jobs.pop(number).end()
                case "cancel" if number in jobs:
                    jobs.pop(number).task.cancel()
                case "grow":
                    cluster.change(replace(cluster.plan, max_nodes=number + 1))
                case "shrink":
                    cluster.change(replace(cluster.plan, max_nodes=max(1, cluster.plan.max_nodes - number)))
                case _:
                    pass
            await settle()
            at_work = {node.run for node in cluster.nodes if node.run}
            assert at_work == {str(number) for number, job in jobs.items() if job.has_node}
            if cluster.waiting:
                assert len(at_work) >= cluster.plan.max_nodes
        for job in jobs.values():
            job.task.cancel()
        await settle()
        await asyncio.sleep(0.01)
        assert (cluster.nodes, cluster.waiting) == ((), ())

    in_loop(work)
