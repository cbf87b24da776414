"""Errors that the person who wrote the input can fix, and how a command ends on one."""

import logging
import sys
from collections.abc import Callable

LOG = logging.getLogger("component")


class InputError(Exception):
    """What was handed in cannot be used; the message says what is wrong and what to change."""


def run_command(main: Callable[[], None]) -> None:
    """Run `main`, its log on stdout; an `InputError` becomes one line on stderr and exit code 2."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stdout)
    LOG.setLevel(logging.INFO)
    try:
        main()
    except InputError as error:
        sys.stderr.write(f"error: {error}\n")
        raise SystemExit(2) from error
