"""The queries of the dashboards against the real Prometheus with the exporter's rules."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from support.alertmanager import AlertmanagerServer
from support.dashboards import marks, queries
from support.prometheus import Prometheus
from support.running import Exporter, a_simulator, command, wait_until, write_config

from exporter.platform.yunxiao.simulator.enterprise import TokenRecord
from exporter.platform.yunxiao.simulator.faults import Fault
from exporter.platform.yunxiao.simulator.quirks import Quirks
from exporter.platform.yunxiao.simulator.records import KeyRecord

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

DAY = 86400.0
PERMISSIONS = ("base_user_read", "lingma_chat_read")


def a_config(folder: Path, platform: Any, users: Iterable[str], url: str) -> Path:
    """Everything that has a panel: discovery, SSH keys, policies, labels of a user, alerts sent by the exporter."""
    static = [{"id": "soon", "labels": {"department": "研发部"}}, *({"id": user} for user in users if user != "soon")]
    config = write_config(
        folder,
        platform,
        [],
        users={"static": static, "discover": {"source": "users", "interval": "1s"}},
        organization_id="org-1",
        credentials=["tokens", "ssh_keys"],
    )
    section = {"alertmanagers": [{"url": url}], "resend_interval": "1s"}
    policies = {"never_expires": "forbid", "max_tokens_per_user": {"limit": 0}}
    config.write_text(f"{config.read_text()}alerting: {json.dumps(section)}\npolicies: {json.dumps(policies)}\n")
    return config


def monday_noon(at: float) -> str:
    """Noon of the Monday of that time's week, in milliseconds, as Grafana takes it."""
    day = datetime.fromtimestamp(at, UTC).replace(hour=12, minute=0, second=0, microsecond=0)
    return f"{1000 * (day - timedelta(days=day.weekday())).timestamp():.0f}"


def test_every_query_of_the_dashboards_returns_series(alertmanager: str, prometheus: str, tmp_path: Path) -> None:
    now = time.time()
    tokens = {
        "soon": [TokenRecord("pt-1", "ci", PERMISSIONS, now - DAY, now + DAY)],
        "gone": [TokenRecord("pt-2", "ci", PERMISSIONS[:1], now - 9 * DAY, now - DAY)],
        "endless": [TokenRecord("pt-3", "ci", PERMISSIONS[:1], now - 400 * DAY, None)],
        "failing": [TokenRecord("pt-4", "ci", PERMISSIONS[:1], now - DAY, now + 90 * DAY)],
    }
    # In the week after the last one that the calendar shows, but less than 26 times 7 days away.
    monday = now - (now - 4 * DAY) % (7 * DAY)
    tokens["later"] = [TokenRecord("pt-5", "ci", PERMISSIONS[:1], now - DAY, monday + 182 * DAY + (now - monday) / 2)]
    with a_simulator(tokens) as platform, AlertmanagerServer(alertmanager, tmp_path).ready() as server:
        platform.faults.quirks = Quirks(ssh_keys="on")
        platform.enterprise.set_keys(
            "soon", [KeyRecord(1, "laptop", "SHA256:x", "ALL", now - 200 * DAY, now + 9 * DAY, now - 100 * DAY)]
        )
        config = a_config(tmp_path, platform, tokens, server.url)
        rules = tmp_path / "rules.yaml"
        rules.write_text(command("rules", "--config.file", str(config)).stdout, encoding="utf-8")
        with (
            Exporter(config).ready() as exporter,
            Prometheus(
                prometheus, tmp_path, f"127.0.0.1:{exporter.port}", more=f"rule_files: [{rules}]"
            ).ready() as source,
        ):
            platform.faults.for_user("failing", Fault.parse("500"))
            platform.enterprise.renew("soon", "pt-1", now + 2 * DAY)
            wait_until(lambda: source.value('yunxiao_user_failure{user_id="failing"}') == 1)
            wait_until(lambda: source.value("sum(rate(yunxiao_notifications_sent_total[10s])) > 0"))
            wait_until(lambda: source.query('ALERTS{alertname="YunxiaoTokenExpired", alertstate="firing"}'))
            wait_until(lambda: source.query('yunxiao_token_last_event_timestamp_seconds{event="renewed"}'))
            assert [query.filled() for query in queries() if not source.query(query.filled())] == []
            check_values(source, now)
            check_the_owner(source)


def check_values(source: Prometheus, now: float) -> None:
    """The tables of what expires next, and the calendar, with values worked out by hand."""
    left, at, urgency = (
        {dict(labels)["token_id"]: value for labels, value in source.query(query.filled()).items()}
        for query in queries()
        if query.panel == "Next to expire"
    )
    elapsed = time.time() - now
    assert left == {
        "pt-1": pytest.approx(2 * DAY - elapsed, abs=2),
        "pt-4": pytest.approx(90 * DAY - elapsed, abs=2),
        "pt-5": pytest.approx(182 * DAY - elapsed, abs=7 * DAY),
    }
    assert at.keys() == left.keys()
    assert at["pt-4"] == pytest.approx(1000 * (now + 90 * DAY), abs=2000)
    assert urgency == {"pt-1": 2, "pt-4": 0, "pt-5": 0}  # the thresholds are 3 and 14 days
    (weeks,) = [query for query in queries() if query.panel == "Expiring by week"]
    found = {dict(labels)["week"]: value for labels, value in source.query(weeks.filled()).items()}
    assert found.keys() == {monday_noon(now + week * 7 * DAY) for week in range(26)}
    assert {week: count for week, count in found.items() if count} == {
        monday_noon(now + 2 * DAY): 1,
        monday_noon(now + 90 * DAY): 1,
    }
    marked = {
        dict(labels)["event"]: value for query in marks() for labels, value in source.query(query.filled()).items()
    }
    assert marked == {"renewed": pytest.approx(1000 * time.time(), abs=60_000)}


def check_the_owner(source: Prometheus) -> None:
    """Users of one department, or all, also by a label that no user has; pages only if their address is known."""
    (first, *_) = [query for query in queries() if query.panel == "Next to expire"]

    def shown(**variables: str) -> dict[str, str | None]:
        return {dict(labels)["user_id"]: dict(labels).get("page") for labels in source.query(first.filled(**variables))}

    assert shown() == dict.fromkeys(("soon", "failing", "later"))
    assert shown(owner="研发部", exporter_url="https://tokens.example.com") == {
        "soon": "https://tokens.example.com/users/acme/soon"
    }
    assert shown(owner_label="team").keys() == {"soon", "failing", "later"}


def test_a_fleet_without_tokens_shows_0(prometheus: str, tmp_path: Path) -> None:
    with (
        a_simulator({"A": []}) as platform,
        Exporter(write_config(tmp_path, platform, "A")).ready() as exporter,
        Prometheus(prometheus, tmp_path, f"127.0.0.1:{exporter.port}").ready() as source,
    ):
        shown = {
            query.panel: list(source.query(query.filled()).values())
            for query in queries()
            if query.board == "overview" and query.expr.endswith("vector(0)")
        }
        assert shown.pop("Users watched") == [1]
        assert len(shown) == 9
        assert set(map(tuple, shown.values())) == {(0.0,)}
