"""Schedules: when they fire, and what they start."""
