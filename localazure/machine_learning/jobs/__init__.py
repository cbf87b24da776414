"""Jobs: submitted, planned, queued, run as processes, and shown."""
