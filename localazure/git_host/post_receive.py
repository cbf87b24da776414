"""The hook git runs after a push (standard library only): note the push on disk, then poke the server if it is up.

Runs in the bare repository with `old new ref` lines on stdin; argument: the file that holds the server's UDP port.
"""

import os
import socket
import sys
import time
from pathlib import Path

SPOOL = "announcements"


def main(port_file: Path) -> None:
    """Leave one file under `announcements/`; its name orders pushes by time."""
    spool = Path.cwd() / SPOOL
    spool.mkdir(exist_ok=True)
    name = f"{time.time_ns()}-{os.getpid()}"
    draft = spool / f".{name}"
    draft.write_bytes(sys.stdin.buffer.read())
    draft.replace(spool / name)
    poke(port_file)


def poke(port_file: Path) -> None:
    """Wake the server; one that is down finds the note when it comes up."""
    try:
        port = int(port_file.read_text())
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"push", ("127.0.0.1", port))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
