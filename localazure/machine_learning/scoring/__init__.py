"""Programs that run in a deployment's own environment: in a folder of their own, which they take off the path."""
