"""What a run of the tests exercised, for `make contracts`: routes, api-versions, which bodies a schema judged."""

import json
import os
import uuid
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from tests.localazure.contracts.check import accepted_findings, sides
from tests.localazure.contracts.exchanges import Exchange

FOLDER = "LOCALAZURE_CONTRACTS"


def keep(exchanges: Iterable[Exchange]) -> None:
    """Write a file of what was served well into the folder that the variable names; without it, nothing."""
    if not (folder := os.environ.get(FOLDER)):
        return
    judged: defaultdict[tuple[str, str, str], set[str]] = defaultdict(set)
    deviations = set[str]()
    for exchange in exchanges:
        if exchange.route and exchange.status < 400:
            judged[exchange.method, exchange.route, exchange.api_version] |= sides(exchange)
        deviations |= accepted_findings(exchange)
    rows = [[*key, sorted(found)] for key, found in judged.items()]
    text = json.dumps({"routes": rows, "deviations": sorted(deviations)})
    Path(folder, f"{uuid.uuid4()}.json").write_text(text)
