"""Event Grid: custom topics and system sources, subscriptions, at-least-once delivery to the functions host."""

from localazure.event_grid.service import EventGrid

__all__ = ["EventGrid"]
