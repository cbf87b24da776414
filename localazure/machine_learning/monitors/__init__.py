"""Model monitors: their signals, metrics, runs and breaches."""
