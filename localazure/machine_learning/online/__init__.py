"""Managed online endpoints: resources, traffic, and the processes that score."""
