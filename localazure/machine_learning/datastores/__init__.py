"""Datastores: names for blob containers, with credentials."""
