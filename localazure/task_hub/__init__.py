"""A durable task hub on one SQLite file: orchestrations, activities, timers and events that outlive the process."""
