"""Plays the scrapes of several worlds through the rules that the command prints, in one run of promtool."""

from __future__ import annotations

import json
import os
import re
import subprocess
from typing import TYPE_CHECKING

import yaml

from exporter.alerts.prometheus_rules import rules
from support.alert_history import LENGTH
from support.alert_history_oracle import NOT_REMOVED, Key, Terms
from support.alert_history_play import LABELS, Mismatch, compared, config
from support.alert_history_process import CHECKED, key_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from support.alert_history_play import Player

_SHOWN = ("alertname", "organization", "user_id", "user", "token_id", "token", "team", "kind")
_QUERY = f'count by ({", ".join(_SHOWN)}) (ALERTS{{alertstate="firing"}})'
_RESULT = re.compile(r"time: (\w+),\s+exp: nil\s+got: (.*)")
_SAMPLE = re.compile(r"\{([^}]*)\} ([^ ,\n]+)")
_LABEL = re.compile(r'(\w+)="([^"]*)"')


def rules_file(file: Path) -> None:
    """Write the rules that are checked, for all worlds; without texts, which cost most and are tested elsewhere."""
    every = [
        config(Terms(info=30 * 86_400.0, never_expires=True, one_by=form), "x")
        for form in ("per_policy", "per_user", "per_token")
    ]
    contents = [rules(one.alerting, one.poll, LABELS, one.policies) for one in every]
    # The series of a world are for one of the forms of an alert.
    contents[1:] = [
        {
            "groups": [
                {"name": f"form {number}", "rules": [one for one in group["rules"] if one["alert"] == NOT_REMOVED]}
                for group in content["groups"]
            ]
        }
        for number, content in enumerate(contents[1:])
    ]
    groups = []
    for group in [group for content in contents for group in content["groups"]]:
        about = [
            {key: value for key, value in rule.items() if key != "annotations"}
            for rule in group["rules"]
            if rule["alert"] in CHECKED
        ]
        if about:
            groups.append({"name": group["name"], "rules": about})
    file.write_text(yaml.safe_dump({"groups": groups}), encoding="utf-8")


def play_rules(players: Sequence[Player], promtool: str, folder: Path, seconds: float = 300) -> list[Mismatch]:
    """What is wrong with the alerts that the rules raise."""
    if not (folder / "rules.yaml").exists():
        rules_file(folder / "rules.yaml")
    series = {name: samples for player in players for name, samples in player.series.items()}
    case = {
        "interval": "1m",
        "input_series": [{"series": name, "values": promtool_values(samples)} for name, samples in series.items()],
        "promql_expr_test": [
            {"expr": _QUERY, "eval_time": f"{minute}m", "exp_samples": []} for minute in range(LENGTH + 1)
        ],
    }
    document = {"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": [case]}
    (folder / "histories.test.yaml").write_text(json.dumps(document), encoding="utf-8")
    result = subprocess.run(
        [promtool, "test", "rules", "histories.test.yaml"],
        # One processor and a lazy garbage collector cost a third less.
        cwd=folder, env=os.environ | {"GOMAXPROCS": "1", "GOGC": "400"}, timeout=seconds,
        capture_output=True, encoding="utf-8", check=False,
    )  # fmt: skip
    firing, counts = _read(result.stdout + result.stderr)
    if result.returncode and not firing:
        raise AssertionError(result.stdout[-2000:] + result.stderr[-2000:])
    mismatches = [
        Mismatch("rules", minute * 60.0, key[1], frozenset(), frozenset(), f"{count:g} alerts {key}")
        for (minute, key), count in counts.items()
        if count != 1
    ]
    for player in players:
        for minute, users in player.expected.items():
            for user_id, expected in users.items():
                found = firing.get((minute, user_id), ())
                if found or expected[0]:
                    mismatches += compared("rules", minute * 60.0, user_id, found, expected)
    return mismatches


def promtool_values(samples: Mapping[int, float]) -> str:
    """Samples by minute in promtool's notation, with repetitions."""
    words: list[str] = []
    last, count, next_minute = "", 0, 0

    def flush() -> None:
        if count:
            words.append(f"{last}x{count - 1}" if last[-1].isdigit() and count > 1 else " ".join([last] * count))

    for minute, value in samples.items():
        word = "stale" if value != value else "+Inf" if value == float("inf") else repr(value)  # noqa: PLR0124
        if word != last or minute != next_minute:
            flush()
            if minute > next_minute:
                words.append(f"_x{minute - next_minute}")
            last, count = word, 0
        count += 1
        next_minute = minute + 1
    flush()
    return " ".join(words)


def _read(output: str) -> tuple[dict[tuple[int, str], set[Key]], dict[tuple[int, Key], float]]:
    """The alerts by minute and user, and how many there are of each, from promtool's complaints: it expects none."""
    firing: dict[tuple[int, str], set[Key]] = {}
    counts: dict[tuple[int, Key], float] = {}
    for time, got in _RESULT.findall(output):
        minute = _minutes(time)
        for text, value in _SAMPLE.findall(got):
            labels = dict(_LABEL.findall(text))
            key = key_of(labels)
            firing.setdefault((minute, key[1]), set()).add(key)
            counts[minute, key] = float(value)
    return firing, counts


def _minutes(text: str) -> int:
    """A duration as promtool writes it, such as 1h or 59m."""
    return sum(int(count) * {"h": 60, "m": 1, "s": 0}[unit] for count, unit in re.findall(r"(\d+)([hms])", text))


def first_of_each(mismatches: Iterable[Mismatch]) -> list[Mismatch]:
    """The first of each user."""
    found: dict[str, Mismatch] = {}
    for one in sorted(mismatches, key=lambda one: one.at):
        found.setdefault(one.user_id, one)
    return list(found.values())
