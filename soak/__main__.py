"""Runs the soak test: python -m soak [--profile single|replicas|all|platform-away]; docs/soak.md explains it."""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
from pathlib import Path

from soak.away import platform_away
from soak.bounds import Scale
from soak.run import Options, soak
from soak.schedule import Profile

_AWAY = "platform-away"


def main() -> int:
    """Run with the arguments of the command line; returns 0 if all invariants held."""
    parser = argparse.ArgumentParser(prog="python -m soak", description=__doc__)
    minutes = float(os.environ.get("SOAK_MINUTES", "30"))
    seed = int(os.environ.get("SOAK_SEED") or random.SystemRandom().randrange(1_000_000))
    parser.add_argument("--profile", choices=[*Profile, _AWAY], default=Profile.ALL.value, help="which daemons run")
    parser.add_argument("--minutes", type=float, default=minutes, help="duration; default: SOAK_MINUTES or 30")
    parser.add_argument("--seed", type=int, default=seed, help="seed of the schedule; default: SOAK_SEED or random")
    parser.add_argument("--users", type=int, help="users at the start; default: 120, or 3000 for platform-away")
    parser.add_argument("--keep-going", action="store_true", help="continue after the first violation")
    parser.add_argument("--keep", action="store_true", help="keep configuration, state and logs")
    arguments = parser.parse_args()
    # A run that is stopped from outside must stop its daemons and unmount its disk.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    folder = Path(tempfile.mkdtemp(prefix="soak-"))
    seconds = arguments.minutes * 60
    if arguments.profile == _AWAY:
        return platform_away(folder, arguments.users or 3000, seconds, _say)
    scale = Scale(users=arguments.users or 120)
    options = Options(arguments.seed, seconds, Profile(arguments.profile), scale, arguments.keep_going)
    violations = soak(options, folder, _say)
    if violations or arguments.keep:
        _say(f"configuration and logs: {folder}")
    return 1 if violations else 0


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
