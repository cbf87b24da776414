"""A Functions host in one process: a real `function_app.py` with HTTP, event, timer and durable triggers."""
