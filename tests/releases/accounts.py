"""What must hold of a stack whose host was killed again and again: everything once, and everything explained."""

from collections import Counter
from collections.abc import Iterable

from busbar.domain.circuits import CircuitKey
from busbar.domain.policies import Stage
from tests.journeys import people
from tests.journeys.stack import Stack
from tests.releases import steps


def check(stack: Stack, circuits: Iterable[CircuitKey]) -> None:
    """Raises AssertionError for whatever is there twice, is missing or contradicts something else."""
    snapshot = stack.snapshot()
    assert set(snapshot.circuits) == set(circuits)
    for stage in Stage:
        _check_deployments(stack, stage)
    _check_audit(stack)
    mails = Counter((mail["to"][0], mail["subject"]) for mail in people.mails(stack))
    assert not [mail for mail, times in mails.items() if times > 1], (
        "somebody was mailed twice for one purpose"
    )
    assert not snapshot.pending, "a question is open though everything has ended"


def _check_deployments(stack: Stack, stage: Stage) -> None:
    """Each circuit is served by one deployment, which stands; nothing stands that no record names."""
    circuits = stack.snapshot().circuits.values()
    records = [state.deployments[stage] for state in circuits if stage in state.deployments]
    assert all(record.candidate is None for record in records), "a ramp was left behind"
    serving = [(record.endpoint, record.deployment) for record in records]
    before = [(record.endpoint, record.previous.deployment) for record in records if record.previous]
    workspace = stack.workspace(stage)
    standing = [
        (endpoint.name, one.name)
        for endpoint in workspace.batch_endpoints.list()
        for one in workspace.batch_deployments.list(endpoint.name)
    ]
    assert len(standing) == len(set(standing))
    assert set(serving) <= set(standing) <= {*serving, *before}, (stage, sorted(standing))


def _check_audit(stack: Stack) -> None:
    verified = steps.operator(stack, "audit", "--verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    entries = stack.api.whole_audit().entries
    outcomes = Counter(entry.subject for entry in entries if entry.kind == "verdict")
    assert outcomes, "nothing was decided"
    assert not [request for request, times in outcomes.items() if times > 1], "a question has two outcomes"
    assert len({entry.id for entry in entries}) == len(entries)
