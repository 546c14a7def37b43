"""vmalert plays the cases of `support.rule_cases`, as promtool does."""

from __future__ import annotations

import datetime as dt
import itertools
import time
from typing import TYPE_CHECKING

import pytest
from support.alertmanager_stub import Alertmanager
from support.histories import History, write_rules
from support.rule_cases import CASES, Case
from support.running import free_port
from support.victoriametrics import VictoriaMetrics, running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from exporter.config.schema import Config

_DAY = 86_400
_APART = 3 * _DAY
"""Seconds between two histories in the same server: more than any rule looks back."""
_LIVE = """groups:
- name: live
  rules:
  - alert: Failing
    expr: max by (user, reason) (last_over_time(failing[10m]) != 0)
    for: 2s
    labels: {reason: "", severity: warning}
    annotations: {description: '{{ $labels.reason }}'}
"""
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def server(victoriametrics: str, vmalert: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[VictoriaMetrics]:
    with running(victoriametrics, vmalert, free_port(), tmp_path_factory.mktemp("victoriametrics")) as one:
        yield one


def shifted(config: Config, base: float) -> Config:
    """The same configuration for a history that begins at another midnight: its silences end as much later."""
    days = dt.timedelta(seconds=base)
    last = dt.date(2090, 1, 1)
    ignore = tuple(
        one.model_copy(update={"until": min(one.until, last) + days}) if one.until < last else one
        for one in config.alerting.ignore
    )
    return config.model_copy(update={"alerting": config.alerting.model_copy(update={"ignore": ignore})})


@pytest.mark.parametrize("case", [case for case in CASES if case.replayed], ids=lambda case: case.name)
def test_the_rules_raise_the_expected_alerts(case: Case, server: VictoriaMetrics, tmp_path: Path) -> None:
    today = int(time.time()) // _DAY * _DAY
    history = History(shifted(case.config, base := float(today - next(_numbers) * _APART)), base)
    case.play(history)
    write_rules(case.config, case.label_names, tmp_path / "rules.yaml")
    server.write(history)
    server.replay(tmp_path / "rules.yaml", history)
    found = server.alerts(history)
    assert {minute: found.get(minute, set()) for minute in case.expected} == {
        # Labels without a place of their own are written as name=value there.
        minute: {text.replace("policy=", "") for text in alerts}
        for minute, alerts in case.expected.items()
    }


def test_vmalert_takes_a_label_that_is_a_text_for_no_part_of_the_alert(server: VictoriaMetrics, tmp_path: Path) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text(_LIVE, encoding="utf-8")
    reasons = itertools.cycle(("timeout", "connection"))
    with Alertmanager() as alertmanager, server.evaluating(rules, alertmanager.url):
        end = time.monotonic() + 20
        while len({alert["annotations"]["description"] for _, batch in alertmanager.posts for alert in batch}) < 2:
            assert time.monotonic() < end
            reason = next(reasons)
            other = "timeout" if reason == "connection" else "connection"
            server.write_now(
                {f'failing{{user="li",reason="{reason}"}}': 1, f'failing{{user="li",reason="{other}"}}': 0}
            )
            time.sleep(0.7)
    alerts = [alert for _, batch in alertmanager.posts for alert in batch]
    assert {alert["labels"]["reason"] for alert in alerts} == {""}
    assert len({alert["startsAt"] for alert in alerts}) == 1
