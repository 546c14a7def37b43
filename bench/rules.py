"""The cost of evaluating all rules in Prometheus, compared with one plain query over all tokens."""

from __future__ import annotations

import argparse
import contextlib
import shutil
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import requests
import yaml

from bench.scrape import running, wait_for
from bench.table import Row, markdown
from exporter.alerts.prometheus_rules import rules_text
from exporter.config.alerting import Alerting
from exporter.config.schema import Poll

if TYPE_CHECKING:
    from collections.abc import Sequence

_FIRST_PORT = 18_200
_INTERVAL = 15
_QUERY = "count(yunxiao_token_expiry_timestamp_seconds - time() < 14 * 86400)"
_PLAIN = "plain"
_EVALUATIONS = 4


def ruling(users: int, warm_up: float = 60.0, others: Sequence[Path] = ()) -> str:
    """A table of the time of one evaluation of all rules, the shortest of several.

    Args:
        users: the number of users, with four policies.
        warm_up: seconds of scrapes before the first evaluation; rules look ten minutes back.
        others: more rule files to compare with.
    """
    if (prometheus := shutil.which("prometheus")) is None:
        return "Rules were not measured, because Prometheus is not installed.\n"
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        serve = [sys.executable, "-m", "bench.serve", "ours", str(users), str(_FIRST_PORT), "policies"]
        stack.enter_context(running(serve))
        wait_for(_FIRST_PORT)
        config = folder / "prometheus.yml"
        config.write_text(_configuration([]), encoding="utf-8")
        url = f"http://127.0.0.1:{_FIRST_PORT + 1}"
        command = [prometheus, f"--config.file={config}", f"--storage.tsdb.path={folder / 'tsdb'}", "--log.level=error"]
        command += [f"--web.listen-address={url.removeprefix('http://')}", "--web.enable-lifecycle"]
        stack.enter_context(running(command))
        time.sleep(warm_up)
        ours = folder / "ours.yaml"
        ours.write_text(rules_text(Alerting(), Poll()), encoding="utf-8")
        plain = folder / "plain.yaml"
        plain.write_text(
            yaml.safe_dump({"groups": [{"name": _PLAIN, "rules": [{"record": "plain:query", "expr": _QUERY}]}]}),
            encoding="utf-8",
        )
        rows: list[Row] = []
        for file in (ours, *others):
            config.write_text(_configuration([plain, file]), encoding="utf-8")
            requests.post(f"{url}/-/reload", timeout=60).raise_for_status()
            times, alerts = _shortest(url)
            if not rows:
                rows.append(Row("the plain query", times.pop(_PLAIN), f"`{_QUERY}`"))
            times.pop(_PLAIN, None)
            slowest = max(times, key=lambda name: times[name])
            note = f"{alerts:,} alerts fire; the longest is {slowest} with {times[slowest]:.3g} s"
            rows.append(Row("all rules" if file is ours else f"all rules of {file.stem}", sum(times.values()), note))
            print(rows, file=sys.stderr, flush=True)
        return markdown(f"An evaluation of all rules by Prometheus, {users:,} users, four policies", "seconds", rows)


def _configuration(files: Sequence[Path]) -> str:
    return yaml.safe_dump(
        {
            "global": {
                "scrape_interval": f"{_INTERVAL}s",
                "scrape_timeout": f"{_INTERVAL}s",
                "evaluation_interval": f"{_INTERVAL}s",
            },
            "rule_files": [str(file) for file in files],
            "scrape_configs": [{"job_name": "yunxiao", "static_configs": [{"targets": [f"127.0.0.1:{_FIRST_PORT}"]}]}],
        }
    )


def _shortest(url: str) -> tuple[dict[str, float], int]:
    """The shortest evaluation of each rule in seconds, and how many alerts fire or are pending."""
    times: dict[str, list[float]] = defaultdict(list)
    alerts = 0
    seen: set[str] = set()
    end = time.monotonic() + 600
    while len(seen) < _EVALUATIONS and time.monotonic() < end:
        time.sleep(_INTERVAL / 3)
        groups = requests.get(f"{url}/api/v1/rules", timeout=120).json()["data"]["groups"]
        if any(rule["lastEvaluation"].startswith("0001") for group in groups for rule in group["rules"]):
            continue
        seen.add(groups[-1]["rules"][-1]["lastEvaluation"])
        alerts = 0
        for group in groups:
            for number, rule in enumerate(group["rules"]):
                alerts += len(rule.get("alerts", ()))
                name = _PLAIN if group["name"] == _PLAIN else f"{rule['name']} ({group['name']} {number})"
                times[name].append(rule["evaluationTime"])
    return {name: min(some) for name, some in times.items()}, alerts


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=10_000)
    parser.add_argument("--warm-up", type=float, default=660.0, help="seconds of scrapes before the first evaluation")
    parser.add_argument("others", type=Path, nargs="*", help="more rule files to compare with")
    arguments = parser.parse_args()
    print(ruling(arguments.users, arguments.warm_up, arguments.others))
