"""Changes the code at random places and reports which changes no unit test notices.

Each module is changed in a copy of the repository, and its own unit tests run against each change. A change that
survives is either a gap in the tests or makes no difference: read each diff. usage: mutants.py [MODULE]...
"""

from __future__ import annotations

import argparse
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from cosmic_ray.work_db import WorkDB, use_db
from cosmic_ray.work_item import TestOutcome, WorkerOutcome, WorkResult

ROOT = Path(__file__).resolve().parent.parent
MODULES = (
    "alerts/conditions",
    "alerts/tracker",
    "cluster/leadership",
    "cluster/lease",
    "model/event",
    "model/state",
    "model/token",
    "platform/pacing",
    "platform/yunxiao/dates",
    "platform/yunxiao/wire",
    "policies/evaluate",
)
CONFIG = """[cosmic-ray]
module-path = "exporter/{module}.py"
timeout = {timeout}
test-command = "{python} -m pytest -q -x -p no:cacheprovider {tests}"
[cosmic-ray.distributor]
name = "local"
"""
NO_DIFFERENCE = "ReplaceBinaryOperator_BitOr"
"""Nearly all of these change an annotation such as `str | None`, which is never evaluated."""


def tests_of(module: str) -> str:
    """The unit tests of a module."""
    path = Path(module)
    return f"tests/unit/{path.parent}/test_{path.name}.py"


def sample(database: WorkDB, most: int, rng: random.Random) -> int:
    """Skip all changes but a random sample; the number of those that are left."""
    jobs = [
        item.job_id
        for item in database.work_items
        if not any(NO_DIFFERENCE in mutation.operator_name for mutation in item.mutations)
    ]
    chosen = {*rng.sample(sorted(jobs), min(most, len(jobs)))}
    skipped = [item.job_id for item in database.work_items if item.job_id not in chosen]
    database.set_multiple_results(skipped, WorkResult(worker_outcome=WorkerOutcome.SKIPPED))
    return len(chosen)


def try_module(module: str, folder: Path, most: int, timeout: float, rng: random.Random) -> list[str]:
    """Try a sample of changes to one module; the diffs of those that survived."""
    config, session = folder / "mutants.toml", folder / f"{module.replace('/', '-')}.sqlite"
    tests = tests_of(module)
    config.write_text(CONFIG.format(module=module, timeout=timeout, python=sys.executable, tests=tests))
    cosmic_ray = (sys.executable, "-m", "cosmic_ray.cli")
    for step in ((*cosmic_ray, "baseline", config.name), (*cosmic_ray, "init", config.name, session.name)):
        subprocess.run(step, cwd=folder, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - our own arguments
    with use_db(str(session), mode=WorkDB.Mode.open) as database:
        tried = sample(database, most, rng)
    step = (*cosmic_ray, "exec", config.name, session.name)
    subprocess.run(step, cwd=folder, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - the same
    with use_db(str(session), mode=WorkDB.Mode.open) as database:
        survived = [result.diff or "" for _, result in database.results if result.test_outcome is TestOutcome.SURVIVED]
    print(f"{module}: {tried} changes, {len(survived)} survived", flush=True)
    return survived


def main() -> int:
    """Try each module and print what survived."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("modules", nargs="*", default=MODULES, metavar="MODULE", help="such as model/token")
    parser.add_argument("--per-module", type=int, default=40, help="changes to try in each module")
    parser.add_argument("--timeout", type=float, default=60.0, help="seconds after which a test run counts as failed")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="chooses the changes")
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}")
    rng = random.Random(arguments.seed)  # noqa: S311 - a sample, no secret
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("exporter", "tests"):
            shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", folder)
        for module in arguments.modules:
            for diff in try_module(module, folder, arguments.per_module, arguments.timeout, rng):
                print(diff)
    return 0


if __name__ == "__main__":
    sys.exit(main())
