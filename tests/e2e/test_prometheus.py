"""The real Prometheus scrapes the daemon, and its answers are those worked out by hand."""

from __future__ import annotations

import re
import subprocess
import time
from typing import TYPE_CHECKING, Any, cast

import pytest
from playwright.sync_api import sync_playwright
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from support.dashboards import queries
from support.prometheus import Prometheus
from support.running import (
    ROOT,
    Exporter,
    a_record,
    a_simulator,
    command,
    get,
    wait_until,
    write_config,
)

from exporter.metrics.rendered_users import CHUNK_USERS

if TYPE_CHECKING:
    from pathlib import Path

DAY = 86400.0


def test_queries_give_the_numbers_worked_out_by_hand(prometheus: str, tmp_path: Path) -> None:
    tokens = {
        "li": [
            a_record("pt-1", expires_in=5 * DAY, permissions=["base_user_read", "lingma_chat_read"]),
            a_record("pt-2", expires_in=50 * DAY, permissions=["base_user_read"]),
            a_record("pt-3", expires_in=-2 * DAY, permissions=["base_user_read", "lingma_feedback_read"]),
            a_record("pt-4", expires_in=-9 * DAY, permissions=["lingma_feedback_read"]),
        ],
        "张三": [a_record("pt-5", expires_in=None, permissions=["base_user_read"]), a_record("pt-6", expires_in=90)],
        "none": [],
    }
    start = float(int(time.time()))
    with (
        a_simulator(tokens) as platform,
        Exporter(write_config(tmp_path, platform, list(tokens))).ready() as exporter,
        Prometheus(prometheus, tmp_path, f"127.0.0.1:{exporter.port}").ready() as server,
    ):
        assert server.value('up{job="yunxiao"}') == 1
        # six tokens are listed above
        assert wait_until(lambda: server.value("count(yunxiao_token_expires_in_seconds)")) == 6
        counts = {
            ("li", "active"): 2,
            ("li", "expired"): 2,
            ("张三", "never_expires"): 1,
            ("张三", "active"): 1,
        }
        by_state = {
            (dict(series)["user"], dict(series)["state"]): value
            for series, value in server.query("yunxiao_user_tokens").items()
        }
        assert {key: value for key, value in by_state.items() if value} == counts
        assert len(by_state) == 12  # three users, four states each

        # base_user_read expires with pt-1; lingma_feedback_read did with pt-3, the later of its two tokens.
        for user, permission, expires_at in (
            ("li", "base_user_read", start + 5 * DAY),
            ("li", "lingma_chat_read", start + 5 * DAY),
            ("li", "lingma_feedback_read", start - 2 * DAY),
        ):
            selector = f'{{user="{user}",permission="{permission}"}}'
            timestamp = server.value(f"yunxiao_user_permission_expiry_timestamp_seconds{selector}")
            assert timestamp == pytest.approx(expires_at, abs=1)
            # at the time of the sample, not of the query
            left = server.value(f"yunxiao_user_permission_expires_in_seconds{selector}")
            sampled = server.value(f"timestamp(yunxiao_user_permission_expires_in_seconds{selector})")
            assert left is not None
            assert sampled is not None
            assert left == pytest.approx(expires_at - sampled, abs=1)
        assert server.value('yunxiao_user_permission_tokens{user="li",permission="base_user_read"}') == 2
        assert server.value('yunxiao_user_permission_tokens{user="li",permission="lingma_feedback_read"}') == 0
        endless = server.value('yunxiao_token_expires_in_seconds{token_id="pt-5"}')
        assert endless == float("inf")


def test_a_stream_joined_from_many_chunks_is_read_whole(prometheus: str, tmp_path: Path) -> None:
    users = 3 * CHUNK_USERS
    tokens = {
        f"u{number}": [a_record(f"pt-{number}", expires_in=(number + 1) * DAY, permissions=[])]
        for number in range(users)
    }
    with (
        a_simulator(tokens) as platform,
        Exporter(write_config(tmp_path, platform, list(tokens), poll={"interval": "10m"})).ready() as exporter,
        Prometheus(prometheus, tmp_path, f"127.0.0.1:{exporter.port}").ready() as server,
    ):
        assert wait_until(lambda: server.value("count(yunxiao_token_expires_in_seconds)")) == users
        assert server.value("count(count by (user_id) (yunxiao_token_expiry_timestamp_seconds))") == users
        # 1 + 2 + ... + 384 days, less what has passed since the start
        days = server.value("sum(yunxiao_token_expires_in_seconds) / 86400")
        assert days == pytest.approx(users * (users + 1) / 2, abs=1)
        # After the users' families, at the end of the stream.
        assert server.value("yunxiao_sweep_interval_seconds") == 600


def test_queries_tell_the_next_token_from_the_loss_of_a_permission(prometheus: str, tmp_path: Path) -> None:
    tokens = {
        "li": [
            a_record("pt-1", expires_in=2 * DAY, permissions=["base_user_read"]),
            a_record("pt-2", expires_in=300 * DAY, permissions=["base_user_read_write"]),
            a_record("pt-3", expires_in=3 * DAY, permissions=["base_license_read"]),
            a_record("pt-4", expires_in=None, permissions=["base_license_read"]),
        ]
    }
    start = float(int(time.time()))
    with a_simulator(tokens) as platform:
        config = write_config(tmp_path, platform, list(tokens))
        config.write_text(config.read_text() + "metrics: {permission_lost: true}\n")
        with (
            Exporter(config).ready() as exporter,
            Prometheus(prometheus, tmp_path, f"127.0.0.1:{exporter.port}").ready() as server,
        ):

            def by_permission(query: str) -> dict[str, float]:
                return {dict(series)["permission"]: value for series, value in server.query(query).items()}

            read, read_write, license_read = "base_user_read", "base_user_read_write", "base_license_read"
            wait_until(lambda: by_permission("yunxiao_user_permission_tokens"))
            assert by_permission("yunxiao_user_permission_tokens") == {read: 2, read_write: 1, license_read: 2}
            lost = "yunxiao_user_permission_lost_timestamp_seconds"
            assert by_permission(f"{lost} < +Inf") == {
                read: pytest.approx(start + 300 * DAY, abs=2),
                read_write: pytest.approx(start + 300 * DAY, abs=2),
            }
            assert by_permission(f"{lost} == +Inf") == {license_read: float("inf")}
            # The dashboard's table: the next token in days, and when the permission is lost; -2 stands for never.
            first, last = (
                query.filled() for query in queries() if query.panel == "Permissions by the next token to expire"
            )
            left = time.time() - start
            assert by_permission(first) == {
                read: pytest.approx(2 * DAY - left, abs=3),
                license_read: pytest.approx(3 * DAY - left, abs=3),
                read_write: pytest.approx(300 * DAY - left, abs=3),
            }
            assert by_permission(last) == {
                read: pytest.approx(300 * DAY - left, abs=3),
                read_write: pytest.approx(300 * DAY - left, abs=3),
                license_read: -2,
            }
            # The runbook's query: nothing is lost with pt-1, both levels are with pt-2.
            page = (ROOT / "docs/runbooks/YunxiaoTokenExpiringCritical.md").read_text()
            (runbook,) = re.findall(r"^(yunxiao_user_permission_lost.*?)^```", page, re.MULTILINE | re.DOTALL)
            of_token = {
                token: by_permission(runbook.replace("<user_id>", "li").replace("<token_id>", token)).keys()
                for token in ("pt-1", "pt-2", "pt-3")
            }
            assert of_token == {"pt-1": set(), "pt-2": {read, read_write}, "pt-3": set()}


def test_promtool_and_the_strict_parser_find_nothing_wrong(promtool: str, tmp_path: Path) -> None:
    with a_simulator(size=40) as platform:
        users = [user.user_id for user in platform.enterprise.users()]
        with Exporter(write_config(tmp_path, platform, users)).ready() as exporter:
            text = get(f"{exporter.url}/metrics").content
            openmetrics = get(
                f"{exporter.url}/metrics", headers={"Accept": "application/openmetrics-text;version=1.0.0"}
            )
    lint = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, check=False)
    assert (lint.returncode, lint.stdout, lint.stderr) == (0, b"", b"")
    families = {family.name: family for family in text_string_to_metric_families(openmetrics.text)}
    listed = sum(len(platform.enterprise.tokens(user)) for user in users)
    assert len(families["yunxiao_token_created_timestamp_seconds"].samples) == listed


def test_a_token_expires_and_is_renewed_before_prometheus_eyes(prometheus: str, tmp_path: Path) -> None:
    with (
        a_simulator({"A": [a_record(expires_in=8)]}) as platform,
        Exporter(write_config(tmp_path, platform, ["A"])).ready() as exporter,
        Prometheus(prometheus, tmp_path, f"127.0.0.1:{exporter.port}").ready() as server,
    ):
        expired = 'yunxiao_user_tokens{state="expired"}'
        wait_until(lambda: server.value(expired) == 1)
        assert (server.value("yunxiao_token_expires_in_seconds") or 0) <= 0
        platform.enterprise.renew("A", "pt-1", time.time() + DAY)
        wait_until(lambda: server.value(expired) == 0)
        assert (server.value("yunxiao_token_expires_in_seconds") or 0) > DAY - 60


def test_the_report_in_a_real_browser_loads_nothing_and_complains_of_nothing(chromium: str, tmp_path: Path) -> None:
    with a_simulator(size=25) as platform:
        users = [user.user_id for user in platform.enterprise.users()]
        config = write_config(tmp_path, platform, users)
        config.write_text(config.read_text() + "policies: {never_expires: forbid, max_lifetime: {limit: 30d}}\n")
        page_file = tmp_path / "report.html"
        result = command("report", "--config.file", str(config), "--output-file", str(page_file))
        assert result.returncode == 0, result.stderr
        listed = sum(len(platform.enterprise.tokens(user)) for user in users)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        complaints: list[str] = []
        requests: list[str] = []
        for scheme in ("light", "dark"):
            page = browser.new_page(color_scheme=cast("Any", scheme), viewport={"width": 1100, "height": 900})
            page.on("console", lambda message: complaints.append(message.text))
            page.on("request", lambda request: requests.append(request.url))
            page.goto(page_file.as_uri())
            tiles = page.locator(".tile b").all_inner_texts()
            assert tiles[:2] == ["25", str(listed)]
            assert page.locator("svg[role=img]").count() == 3
            background = page.evaluate("getComputedStyle(document.body).backgroundColor")
            ink = page.evaluate("getComputedStyle(document.body).color")
            assert contrast(background, ink) > 7
            # nothing sticks out to the side
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        page.emulate_media(media="print")
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert page.pdf(format="A4").startswith(b"%PDF")
        browser.close()
    assert complaints == []
    assert requests == [page_file.as_uri()] * 2


def contrast(one: str, other: str) -> float:
    """The contrast of two colours as WCAG has it, from 1 to 21."""

    def luminance(color: str) -> float:
        parts = [int(part) / 255 for part in re.findall(r"\d+", color)[:3]]
        linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)
