"""Computes: clusters as resources, and the nodes that jobs wait for."""
