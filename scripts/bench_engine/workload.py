"""Workload W, as every engine's program runs it.

N circuits of eight steps, at most `WINDOW` circuits at once. Seven steps are activities that add their number to
a running value; the fourth submits a job, and the step after it waits for the external event that ends the job.
"""

STEPS = 8
WINDOW = 5
BEFORE = (1, 2, 3)  # activities, then the submission (4) and its event (5), then three more
SUBMIT, EVENT = 4, 5
AFTER = (6, 7, 8)
EVENT_NAME = "job_finished"


def step(value: int, number: int) -> int:
    """What an activity does: next to nothing, so that the engine is what is measured."""
    return value + number


def expected(circuits: int) -> int:
    """The sum over all circuits of their last values; circuit c starts at c."""
    return sum(range(circuits)) + circuits * sum(range(1, STEPS + 1))
