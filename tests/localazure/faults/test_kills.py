"""The host under SIGKILL; `make prove-engine` is the long form."""

import asyncio
import os
import random

from tests.localazure.faults.prove import Plan, prove


def test_a_host_that_is_killed_again_and_again_loses_nothing(tmp_path):
    seed = int(os.environ.get("SEED") or random.randrange(10**6))
    print(f"SEED={seed}")  # shown on failure, and repeats the run
    counts = asyncio.run(prove(Plan(kills=8, seed=seed), tmp_path))
    assert counts["activity results"], "nothing was committed between the kills"
