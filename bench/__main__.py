"""Runs the benchmarks and prints their tables: python -m bench [--users 10000] [--write docs/performance.md]."""

from __future__ import annotations

import argparse
import os
import platform
from pathlib import Path

from bench.scrape import rendering, scraping
from bench.sweep import sweeping
from exporter import __version__
from exporter.common import logs
from exporter.common.log_options import Format, Level

_HEAD = """# Performance

<!-- Made by `make bench`; run it on your machine. -->

Every figure stands beside its peers', measured in the same run: the ratios travel from one machine to another, the
seconds do not. [scaling.md](scaling.md) says what they mean for an enterprise of some size.
"""


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=10_000, help="users in the scrapes")
    parser.add_argument("--sweep-users", type=int, default=5_000, help="users in the sweep")
    parser.add_argument("--write", type=Path, help="file to write the tables to as well")
    arguments = parser.parse_args()
    logs.configure(Level.ERROR, Format.LOGFMT)
    parts = [_HEAD, f"Version {__version__} on {_machine()}.\n"]
    for one, users in ((rendering, arguments.users), (scraping, arguments.users), (sweeping, arguments.sweep_users)):
        parts.append(one(users))
        print(parts[-1], flush=True)
    if arguments.write is not None:
        arguments.write.write_text("\n".join(parts), encoding="utf-8")


def _machine() -> str:
    model = "a processor of unknown make"
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{model}, {os.cpu_count()} cores, {memory:.0f} GiB, Linux, Python {platform.python_version()}"


if __name__ == "__main__":
    main()
