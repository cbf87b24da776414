"""What an operator may do with an orchestration in each state, and why not."""

import pytest

from busbar.domain.recovery import Control, InstanceStatus, Standing, allowed, refusal

P, R, S, C, F, T = InstanceStatus


def standing(status: InstanceStatus) -> Standing:
    return Standing("train-1", "training_pipeline", status)


@pytest.mark.parametrize(
    ("status", "controls"),
    [
        (P, {"pause", "cancel"}),
        (R, {"pause", "cancel"}),
        (S, {"resume", "cancel"}),
        (C, {"retry"}),
        (F, {"retry"}),
        (T, {"retry"}),
    ],
)
def test_each_state_allows_what_makes_sense_in_it(status: InstanceStatus, controls: set[str]):
    assert set(allowed(standing(status))) == controls


@pytest.mark.parametrize(
    ("control", "status", "why"),
    [
        (Control.PAUSE, S, "train-1 is paused already"),
        (Control.PAUSE, C, "train-1 has ended already: it completed"),
        (Control.RESUME, R, "train-1 is not paused, it is running"),
        (Control.CANCEL, T, "train-1 was cancelled already"),
        (Control.CANCEL, F, "train-1 has ended already: it failed"),
        (Control.RETRY, R, "train-1 is running: it can be retried once it has ended, or cancel it"),
    ],
)
def test_a_refusal_names_the_id_and_the_state(control: Control, status: InstanceStatus, why: str):
    assert refusal(control, standing(status)) == why
