"""A stage's schedule came due: its circuits' cutoff dates move, and the commit trains them."""

from activities.refresh import refresh_cutoffs
from busbar.domain.steps import RefreshRun
from busbar.wire import Context, Steps, call


def scheduled_refresh(ctx: Context, request: RefreshRun) -> Steps[str]:
    """Once a period: the instance's id names the stage and when it was due."""
    refreshed = yield from call(ctx, refresh_cutoffs, request)
    return refreshed.sentence
