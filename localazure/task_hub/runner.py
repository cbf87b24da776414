"""Runs the app's code through the executor; whatever it does, there is something to record."""

import logging

import durabletask.internal.orchestrator_service_pb2 as pb

from localazure.task_hub import batch as batches
from localazure.task_hub.batch import Conclusion
from localazure.task_hub.clock import Clock
from localazure.task_hub.history import orchestrator_started
from localazure.task_hub.model import ActivityFailed, Executor, TurnDeclined, failure_details
from localazure.task_hub.rewind import rewound_history
from localazure.task_hub.store import Active, Activity, Batch, Work
from localazure.task_hub.turn import Decision, decide, failed

_log = logging.getLogger(__name__)

type Outcome = tuple[str | None, pb.TaskFailureDetails | None]


class Runner:
    def __init__(self, executor: Executor, clock: Clock):
        self._executor, self._clock = executor, clock

    async def turn(self, work: Work, past: list[pb.HistoryEvent]) -> Decision:
        """Run an orchestrator's turn. Raises `TurnDeclined`."""
        new = [self._turn_started(), *work.events]
        try:
            return await self._decide(work.instance, past, new)
        except TurnDeclined:
            raise
        except Exception as error:
            _log.exception("The orchestrator %s of %s could not be run", work.instance.name, work.instance.id)
            return failed(type(error).__name__, str(error), new, self._clock.now())

    async def _decide(
        self, instance: Active, past: list[pb.HistoryEvent], new: list[pb.HistoryEvent]
    ) -> Decision:
        response = await self._executor.orchestrate(instance.id, instance.name, past, new)
        rewound = rewound_history(response)
        if rewound is None:
            return decide(response, new, self._clock.now())
        again = [self._turn_started()]
        response = await self._executor.orchestrate(instance.id, instance.name, rewound, again)
        decision = decide(response, again, self._clock.now())
        decision.rewound = rewound
        return decision

    async def batch(self, batch: Batch) -> Conclusion:
        """Run an entity's operations."""
        try:
            result = await self._executor.entity(batch.id, batch.state, batches.requests(batch))
            return batches.conclude(batch, result)
        except Exception as error:
            _log.exception("The entity %s could not be run", batch.id)
            return batches.failed(batch, failure_details(type(error).__name__, str(error)))

    async def activity(self, activity: Activity) -> Outcome:
        """Run an activity; gives its result or its failure."""
        try:
            result = await self._executor.activity(activity.name, activity.payload)
            return _storable(result), None
        except ActivityFailed as error:
            return None, failure_details(error.error_type, error.message, error.stack_trace)
        except Exception as error:
            _log.exception("The activity %s could not be run", activity.name)
            return None, failure_details(type(error).__name__, str(error))

    def _turn_started(self) -> pb.HistoryEvent:
        return orchestrator_started(self._clock.now())


def _storable(result: object) -> str | None:
    """A result as history can keep it. Raises TypeError, UnicodeEncodeError."""
    if result is None or isinstance(result, str):
        (result or "").encode()
        return result
    raise TypeError(f"The activity's result is a {type(result).__name__}; a JSON text was expected.")
