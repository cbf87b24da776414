"""Durable Functions on the host: triggers for the task hub, gRPC for clients, the management API."""
