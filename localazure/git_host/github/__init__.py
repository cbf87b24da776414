"""GitHub: its REST below /api/v3, and its webhooks."""
