"""Batch endpoints: deployments of components and of models, and the jobs they start."""
