"""Releases of a light fleet while its host is killed: `python -m tests.releases.prove --kills 20 [--seed n]`.

The host is a real process over a real task hub, with a real Azurite and the emulated Azure behind it; it gets SIGKILL
at random moments until it has had enough of them and the release under way has ended. Then the accounts are checked.
"""

import argparse
import random
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from busbar.domain.policies import Stage
from busbar.domain.records import RunStatus
from tests.journeys.stack import Stack, running
from tests.releases import accounts, light, steps
from tests.releases.killing import killed_now_and_then
from tests.releases.steps import LightFleet

SECONDS = 900.0  # that a release may take, with all its deaths


def prove(stack: Stack, fleet: LightFleet, kills: int, seed: int) -> int:
    """Release after release under kills; gives the number of releases. Raises AssertionError for what went wrong."""
    releases = 0
    with killed_now_and_then(stack, kills, seed) as killer:
        while not (killer.satisfied and releases):
            cutoff = date.fromisoformat(light.CUTOFF_DATE) + timedelta(days=releases)
            commit = fleet.push(policies=steps.policies(), cutoff_date=cutoff.isoformat())
            run = steps.release(stack, commit, SECONDS)
            releases += 1
            assert run.status is RunStatus.COMPLETED, run.sentence
            board = steps.seen(stack)
            serving = [steps.serving(board, stage) for stage in Stage]
            assert serving == [dict.fromkeys(fleet.keys, str(releases))] * len(Stage)
            print(f"release {releases} after {len(killer.kills)} kills: {run.sentence}", flush=True)
    accounts.check(stack, fleet.keys)
    return releases


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--circuits", type=int, default=steps.CIRCUITS)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    asked = parser.parse_args()
    print(f"--seed {asked.seed} repeats this run", flush=True)
    with TemporaryDirectory(prefix="prove-releases-") as folder, running(Path(folder)) as stack:
        fleet = LightFleet.found(stack, Path(folder) / "clone", asked.circuits)
        releases = prove(stack, fleet, asked.kills, asked.seed)
    print(f"{asked.kills} kills in {releases} releases: everything once, and the audit log is whole")


if __name__ == "__main__":
    main()
