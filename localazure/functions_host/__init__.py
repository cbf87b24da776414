"""A Functions host in one process: serves a real `function_app.py` over HTTP, Event Grid, timers and durable triggers."""
