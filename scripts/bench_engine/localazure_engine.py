"""Ours: the host, Microsoft's worker library and a SQLite file; a child per circuit, parents in chunks of 25."""

import argparse
import time

from scripts.bench_engine.host_process import HOST, IN_MEMORY, running_host
from scripts.bench_engine.reporting import print_run


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("circuits", type=int)
    parser.add_argument("--shape", choices=("chunks", "window"), default="chunks")
    parser.add_argument("--in-memory", action="store_true")
    arguments = parser.parse_args()
    with running_host(IN_MEMORY if arguments.in_memory else HOST) as host:
        began = time.perf_counter()
        total = host.workload(arguments.circuits, arguments.shape)
        print_run(arguments.circuits, time.perf_counter() - began, total, host.rss)


if __name__ == "__main__":
    main()
