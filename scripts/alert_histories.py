"""Plays random histories of tokens through both ways of alerts, against the oracle of tests/support.

    python scripts/alert_histories.py --worlds 400         # 20,000 histories, about ten minutes
    python scripts/alert_histories.py --first 67 --worlds 1

A world is one exporter with fifty users, each with a history of its own. Everything follows from the number of the
world. Needs promtool. Exits with 1 if an alert fires that may not, or one that must does not.
"""

from __future__ import annotations

import argparse
import collections
import logging
import shutil
import sys
import tempfile
import time
from pathlib import Path

import structlog

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from support.alert_history import USERS, world
from support.alert_history_check import Check

_AT_ONCE = 5


def main() -> int:
    """Play the worlds of the command line."""
    parser = argparse.ArgumentParser(description="Plays random histories of tokens through both ways of alerts.")
    parser.add_argument("--first", type=int, default=0, metavar="N", help="number of the first world (default 0)")
    parser.add_argument(
        "--worlds", type=int, default=400, metavar="N", help=f"worlds of {USERS} histories (default 400)"
    )
    chosen = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    promtool = shutil.which("promtool")
    if promtool is None:
        print("promtool is missing; install Debian's package prometheus", file=sys.stderr)
        return 2
    counts: collections.Counter[str] = collections.Counter()
    failed = 0
    end = chosen.first + chosen.worlds
    with tempfile.TemporaryDirectory() as folder:
        check = Check(promtool, Path(folder))
        for first in range(chosen.first, end, _AT_ONCE):
            worlds = [world(number) for number in range(first, min(first + _AT_ONCE, end))]
            mismatches = check.mismatches(worlds)
            counts["direct"] += sum(len(one.people) for one in worlds)
            counts["rules"] += sum(len(one.people) for one in worlds if one.by_rules)
            if mismatches:
                failed += len(mismatches)
                print(f"worlds {first} to {worlds[-1].number}:", check.report(mismatches, worlds), flush=True)
            else:
                print(f"{time.strftime('%H:%M:%S')} {dict(counts)}, {failed} wrong", flush=True)
    print(f"histories played: {counts['direct']} sent by the exporter, {counts['rules']} by rules; {failed} wrong")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
