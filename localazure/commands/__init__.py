"""The commands of `python -m localazure`, one module each."""
