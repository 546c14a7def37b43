"""Alerts about a token that expires, in the real Alertmanager: sent by the daemon and by Prometheus' rules."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import requests
from support.alert_oracle import due
from support.alertmanager import AlertmanagerServer
from support.builders import a_watchdog
from support.prometheus import Prometheus
from support.running import ROOT, Exporter, a_simulator, command, free_port, wait_until, write_config

from exporter.alerts.alert import Alert
from exporter.alerts.notification import Moment
from exporter.alerts.receivers.alertmanager import AlertmanagerReceiver
from exporter.alerts.receivers.http import HttpTarget
from exporter.alerts.tracker import Tracker
from exporter.common.clock import SystemClock
from exporter.common.redaction import Redactor
from exporter.platform.yunxiao.simulator.enterprise import TokenRecord

if TYPE_CHECKING:
    from pathlib import Path

OWNER = {"id": "A", "name": "张三", "labels": {"team": "platform", "email": "zhang.san@example.com"}}
THRESHOLDS = {"warning": "15s", "critical": "8s"}
DAY = 86400.0


def a_dying_token() -> TokenRecord:
    """Created 100 days ago, expires in 18 seconds: the warning fires in 3, the critical alert in 10."""
    now = time.time()
    return TokenRecord("pt-dying", "流水线", ("base_user_read",), now - 100 * DAY, now + 18)


def a_config(folder: Path, platform: Any, **alerting: Any) -> Path:
    config = write_config(folder, platform, [], users={"static": [OWNER]})
    section = {"thresholds": THRESHOLDS, "resend_interval": "1s"} | alerting
    config.write_text(config.read_text() + json.dumps({"alerting": section})[1:-1])
    return config


def fires_alone(server: AlertmanagerServer, name: str) -> bool:
    return server.names() == [name]


def goes_through_all_stages(server: AlertmanagerServer, platform: Any, way: str) -> None:
    seen: dict[str, dict[str, Any]] = {}
    for name, words in (
        ("YunxiaoTokenExpiringWarning", "expires at "),
        ("YunxiaoTokenExpiringCritical", "expires at "),
        ("YunxiaoTokenExpired", "expired at "),
    ):
        wait_until(partial(fires_alone, server, name), 30)
        server.transcript(f"{way}, {name}")
        (alert,) = [one for one in server.alerts() or [] if one["labels"]["alertname"] == name]
        labels = {key: alert["labels"][key] for key in ("organization", "user_id", "user", "token_id", "token")}
        assert labels == {
            "organization": "acme",
            "user_id": "A",
            "user": "张三",
            "token_id": "pt-dying",
            "token": "流水线",
        }
        assert alert["labels"]["team"] == "platform"
        assert alert["labels"]["email"] == "zhang.san@example.com"
        assert f"of 张三 in acme {words}" in alert["annotations"]["description"]
        assert alert["annotations"]["summary"].startswith("Token 流水线 of 张三 in acme ")
        assert " Asia/Shanghai" in alert["annotations"]["summary"]
        assert alert["annotations"]["runbook_url"].endswith(f"/{name}.md")
        assert "instance" not in alert["labels"]
        seen[name] = alert
    starts = [alert["startsAt"] for alert in seen.values()]
    assert starts == sorted(starts)
    platform.enterprise.renew("A", "pt-dying", time.time() + 99 * DAY)
    wait_until(lambda: server.names() == [], 30)
    server.transcript(f"{way}, renewed")


def test_the_daemon_notifies_alertmanager_of_every_stage(alertmanager: str, tmp_path: Path) -> None:
    with (
        a_simulator({"A": [a_dying_token()]}) as platform,
        AlertmanagerServer(alertmanager, tmp_path).ready() as server,
        Exporter(a_config(tmp_path, platform, alertmanagers=[{"url": server.url}])).ready(),
    ):
        goes_through_all_stages(server, platform, "directly")


def test_prometheus_rules_notify_alertmanager_of_every_stage(
    alertmanager: str, prometheus: str, tmp_path: Path
) -> None:
    with a_simulator({"A": []}) as platform:
        config = a_config(tmp_path, platform)
        rules = tmp_path / "rules.yaml"
        rules.write_text(command("rules", "--config.file", str(config)).stdout, encoding="utf-8")
        more = f"""rule_files: [{rules}]
alerting:
  alertmanagers:
    - static_configs: [{{targets: ["127.0.0.1:{(port := free_port())}"]}}]
"""
        with (
            AlertmanagerServer(alertmanager, tmp_path, port).ready() as server,
            Exporter(config).ready() as exporter,
            Prometheus(prometheus, tmp_path, f"127.0.0.1:{exporter.port}", more=more).ready(),
        ):
            platform.enterprise.set_tokens("A", [a_dying_token()])
            goes_through_all_stages(server, platform, "by rules")


def own_alerts(server: AlertmanagerServer) -> list[dict[str, Any]]:
    return [one for one in server.alerts() or [] if "ExporterTokenExpiring" in one["labels"]["alertname"]]


def test_the_daemon_notifies_alertmanager_of_its_own_token(alertmanager: str, tmp_path: Path) -> None:
    with (
        a_simulator({"A": []}) as platform,
        AlertmanagerServer(alertmanager, tmp_path).ready() as server,
    ):
        platform.own_expires_at = time.time() + 20  # the warning comes in 5
        config = a_config(tmp_path, platform, alertmanagers=[{"url": server.url}], labels={"site": "x"})
        config.write_text(config.read_text() + "\nstorage: {path: state.db}\n")
        with Exporter(config).ready() as exporter:
            assert own_alerts(server) == []
            (alert,) = wait_until(lambda: own_alerts(server))
            server.transcript("own token")
            assert alert["labels"] == {
                "alertname": "YunxiaoExporterTokenExpiring",
                "organization": "acme",
                "severity": "warning",
                "site": "x",
            }
            assert alert["annotations"]["description"].startswith("The exporter's own token for acme expires at ")
            # The warning ends when the critical alert begins, and Alertmanager is never without one of them.
            wait_until(lambda: "acme expired at " in own_alerts(server)[0]["annotations"]["description"], 25)
            server.transcript("own token, expired")
            (alert,) = own_alerts(server)
            assert (alert["labels"]["alertname"], alert["labels"]["severity"]) == (
                "YunxiaoExporterTokenExpiringCritical",
                "critical",
            )
        with Exporter(config).ready() as exporter:
            # The restart started no new alert.
            time.sleep(2)
            (after,) = own_alerts(server)
            assert after["startsAt"] == alert["startsAt"]
            platform.own_expires_at = time.time() + 99 * DAY
            exporter.signal(signal.SIGTERM)
            assert exporter.ended() == 0
        with Exporter(config).ready():
            wait_until(lambda: own_alerts(server) == [])


def test_an_alert_keeps_its_start_after_alertmanager_was_down_longer_than_the_lease(
    alertmanager: str, tmp_path: Path
) -> None:
    now = time.time()
    token = TokenRecord("pt-1", "ci", ("base_user_read",), now - 100 * DAY, now + DAY)
    with a_simulator({"A": [token]}) as platform:
        port = free_port()
        config = a_config(
            tmp_path,
            platform,
            thresholds={"warning": "14d", "critical": "3d"},
            alertmanagers=[{"url": f"http://127.0.0.1:{port}", "timeout": "1s"}],
        )
        with Exporter(config).ready() as exporter:
            with AlertmanagerServer(alertmanager, tmp_path, port) as first:
                wait_until(lambda: first.names() == ["YunxiaoTokenExpiringCritical"])
                (before,) = first.alerts() or []
            polled = platform.requests("A")
            slowest = 0.0
            away = time.monotonic()
            while time.monotonic() - away < 6:  # the lease is four resends, one a second
                started = time.monotonic()
                assert requests.get(f"{exporter.url}/metrics", timeout=5).status_code == 200
                slowest = max(slowest, time.monotonic() - started)
                time.sleep(0.2)
            assert slowest < 1
            assert platform.requests("A") >= polled + 4  # polls continued, one a second
            assert "cannot deliver notifications" in exporter.output
            (tmp_path / "fresh").mkdir()
            with AlertmanagerServer(alertmanager, tmp_path / "fresh", port) as second:
                wait_until(lambda: second.names() == ["YunxiaoTokenExpiringCritical"])
                (after,) = second.alerts() or []
                # three days before the expiry; Alertmanager keeps milliseconds
                assert after["startsAt"] == before["startsAt"]
                assert after["labels"] == before["labels"]
                exporter.signal(signal.SIGTERM)
                assert exporter.ended() == 0


class OffClock(SystemClock):
    """A clock whose wall-clock time is wrong by a number of seconds."""

    off = 0.0

    def now(self) -> float:
        return super().now() + self.off


@pytest.mark.parametrize(("at_start", "at_end"), [(3600, 0), (3600, 3600), (0, 3600), (-3600, 0), (-3600, -3600)])
def test_a_wrong_or_corrected_clock_leaves_no_alert_firing(
    alertmanager: str, tmp_path: Path, at_start: float, at_end: float
) -> None:
    clock = OffClock()
    watchdog = a_watchdog(clock)
    watchdog.start()
    alert = Alert((("alertname", "YunxiaoTokenExpired"),), (), clock.now() + at_start)
    with AlertmanagerServer(alertmanager, tmp_path).ready() as server:
        client = AlertmanagerReceiver(HttpTarget(server.url, 5.0), watchdog, clock, Redactor())
        tracker = Tracker()
        clock.off = at_start
        (first,) = due(tracker, [alert], Moment.of(clock), 60.0)
        # The first answer has Alertmanager's time.
        client.send([first])
        client.send([first])
        assert server.names() == ["YunxiaoTokenExpired"]
        clock.off = at_end
        client.send(due(tracker, [], Moment.of(clock), 60.0))
        assert server.names() == []
        client.close()
    watchdog.stop()


@pytest.mark.parametrize("file", ["deploy/alertmanager.example.yml", "deploy/compose/alertmanager.yml"])
def test_the_example_configurations_of_alertmanager_are_valid(amtool: str, file: str) -> None:
    result = run(amtool, "check-config", str(ROOT / file))
    assert "SUCCESS" in result


ROUTES = [
    ({"alertname": "YunxiaoTokenExpired", "severity": "critical", "team": "platform"}, "platform-oncall"),
    ({"alertname": "YunxiaoTokenExpiringWarning", "severity": "warning", "team": "platform"}, "platform"),
    # no other route matches its labels, so only the owner
    ({"alertname": "YunxiaoTokenExpiringWarning", "email": "li.wei@example.com"}, "owner-by-mail"),
    (
        {
            "alertname": "YunxiaoTokenExpired",
            "severity": "critical",
            "team": "platform",
            "email": "li.wei@example.com",
        },
        "owner-by-mail,platform-oncall",
    ),
    # alerts about the exporter are not for owners
    ({"alertname": "YunxiaoUserPollFailing", "severity": "warning", "email": "li.wei@example.com"}, "security"),
    ({"alertname": "YunxiaoTokenExpiringWarning", "severity": "warning"}, "security"),
    ({"alertname": "YunxiaoExporterDown", "severity": "critical"}, "security-oncall"),
    ({"alertname": "YunxiaoOrganizationUnreadable", "severity": "critical"}, "security-oncall"),
    ({"alertname": "YunxiaoExporterTokenExpiringCritical", "severity": "critical"}, "security-oncall"),
    ({"alertname": "YunxiaoTokenNotRemoved", "severity": "info", "team": "platform"}, "security"),
]


@pytest.mark.parametrize(("labels", "receiver"), ROUTES)
def test_alerts_are_routed_by_team_and_mail(amtool: str, labels: dict[str, str], receiver: str) -> None:
    pairs = [f"{name}={value}" for name, value in labels.items()]
    file = ROOT / "deploy/alertmanager.example.yml"
    run(amtool, "config", "routes", "test", f"--config.file={file}", f"--verify.receivers={receiver}", *pairs)


def run(*arguments: str) -> str:
    result = subprocess.run(arguments, capture_output=True, encoding="utf-8", check=False, timeout=60)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def test_rules_and_their_unit_tests(promtool: str) -> None:
    folder = ROOT / "prometheus"
    files = [str(folder / "rules.yaml"), str(folder / "tests/custom.rules.yaml")]
    assert run(promtool, "check", "rules", *files).count("SUCCESS") == 2
    tests = sorted(str(file) for file in (folder / "tests").glob("*.test.yaml"))
    assert len(tests) >= 4
    assert run(promtool, "test", "rules", *tests).count("SUCCESS") == len(tests)
