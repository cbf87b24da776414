"""A durable task hub on one SQLite file: orchestrations, timers and events that outlive the process."""
