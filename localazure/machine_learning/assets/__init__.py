"""Assets: versions of codes, environments, components, data and models, in workspaces and registries."""
