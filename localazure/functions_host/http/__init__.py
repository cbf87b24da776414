"""HTTP triggers: routes, constraints, limits, bodies."""
