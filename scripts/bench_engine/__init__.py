"""The durable engine beside others on one workload. `python -m scripts.bench_engine` prints the table."""
