"""Runbooks and pages about users and tokens over HTTP, and everything below a route prefix."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

import pytest
import requests
import yaml
from support.alertmanager_stub import Alertmanager
from support.running import Exporter, a_record, a_simulator, command, get, wait_until, write_config

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from exporter.platform.yunxiao.simulator.server import Simulator

NAME = "R&D / 云效"


@pytest.fixture
def platform() -> Iterator[Simulator]:
    record = a_record("pt-1", name="<i>ci</i>", expires_in=-60.0, permissions=("code_read",))
    with a_simulator({"u 1": [record]}) as simulator:
        yield simulator


def a_config(folder: Path, platform: Simulator, **sections: Any) -> Path:
    user = {"id": "u 1", "name": "li.wei"}
    config = write_config(folder, platform, [], name=NAME, users={"static": [user]})
    config.write_text(config.read_text("utf-8") + json.dumps(sections)[1:-1], encoding="utf-8")
    return config


def test_an_alert_links_to_pages_that_the_exporter_serves(platform: Simulator, tmp_path: Path) -> None:
    with Alertmanager() as alertmanager:
        config = a_config(tmp_path, platform, alerting={"alertmanagers": [{"url": alertmanager.url}], "language": "zh"})
        external = "http://proxy.example.com/yte"
        with Exporter(config, "--web.external-url", external).ready_below("/yte") as exporter:
            alert = wait_until(lambda: next((one for _, batch in alertmanager.posts for one in batch), None))
            page, runbook = alert["generatorURL"], alert["annotations"]["runbook_url"]
            assert page == f"{external}/tokens/R%26D%20%2F%20%E4%BA%91%E6%95%88/pt-1"
            assert alert["annotations"]["page_url"] == page
            assert runbook == f"{external}/runbooks/YunxiaoTokenExpired"
            # As a proxy that keeps the path passes them on.
            answer = get(page.replace("http://proxy.example.com", exporter.url))
            assert answer.status_code == 200
            assert "&lt;i&gt;ci&lt;/i&gt;" in answer.text
            assert answer.headers["Content-Language"] == "zh"
            link = answer.text.partition('href="../../users/')[2].partition('"')[0]
            user = get(urljoin(answer.url, "../../users/" + link))
            assert user.status_code == 200
            assert user.url == f"{exporter.url}/yte/users/R%26D%20%2F%20%E4%BA%91%E6%95%88/u%201"
            assert "含义" in get(runbook.replace("http://proxy.example.com", exporter.url)).text


def test_alerts_about_many_link_to_the_list_of_these(tmp_path: Path) -> None:
    tokens = {
        "u 1": [a_record("pt-forever", expires_in=None), a_record("pt-1")],
        "u 2": [a_record("pt-2")],
    }
    with a_simulator(tokens) as platform, Alertmanager() as alertmanager:
        config = write_config(tmp_path, platform, ["u 1", "u 2"], name=NAME)
        external = "http://proxy.example.com/yte"
        more = {
            "alerting": {"alertmanagers": [{"url": alertmanager.url}]},
            "policies": {"never_expires": "forbid", "name_pattern": {"pattern": "no-such-name"}},
            "web": {"external_url": external},
        }
        config.write_text(config.read_text("utf-8") + yaml.safe_dump(more), encoding="utf-8")
        with Exporter(config).ready_below("/yte") as exporter:

            def link(**labels: str) -> str:
                def posted() -> list[dict[str, Any]]:
                    every = [one for _, batch in alertmanager.posts for one in batch]
                    return [one for one in every if labels.items() <= one["labels"].items()]

                alert = wait_until(posted, within=40.0)[-1]
                assert alert["annotations"]["page_url"] == alert["generatorURL"]
                assert alert["annotations"]["description"].endswith(f" Details: {alert['generatorURL']}")
                return str(alert["generatorURL"]).replace("http://proxy.example.com", exporter.url)

            def rows(url: str, column: str) -> list[str]:
                answer = get(url)
                assert answer.status_code == 200
                return re.findall(rf'<td class="c-{column}(?: wide)?"><a href="[^"]*/([^/"]+)"', answer.text)

            violations = link(alertname="YunxiaoPolicyViolation", policy="never_expires", organization=NAME)
            assert rows(violations, "token") == ["pt-forever"]
            named = link(alertname="YunxiaoPolicyViolation", policy="name_pattern", organization=NAME)
            assert sorted(rows(named, "token")) == ["pt-1", "pt-2", "pt-forever"]
            platform.token = "replaced"
            unreadable = link(alertname="YunxiaoOrganizationUnreadable", organization=NAME)
            assert wait_until(lambda: sorted(rows(unreadable, "user")) == ["u%201", "u%202"])


@pytest.mark.parametrize(
    ("path", "accept", "heading"),
    [
        ("", "", "Meaning"),
        ("", "zh-CN,zh;q=0.9,en;q=0.8", "含义"),
        ("?lang=en", "zh-CN", "Meaning"),
        ("?lang=zh", "en", "含义"),
    ],
)
def test_a_runbook_is_in_the_language_of_the_reader(server: Exporter, path: str, accept: str, heading: str) -> None:
    answer = get(f"{server.url}/runbooks/YunxiaoTokenExpired{path}", headers={"Accept-Language": accept})
    assert f">{heading}</h2>" in answer.text
    assert answer.headers["Vary"] == "Accept-Language"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"


@pytest.mark.parametrize(
    "path",
    [
        "/runbooks/Unknown",
        "/runbooks/..%2Fplatform",
        "/runbooks/zh/README",
        "/tokens/acme",
        "/tokens/acme/pt-9",
        "/tokens/acme/pt-1/x",
        "/users/%00/%ff",
        "/users//",
        "/docs/metrics",
    ],
)
def test_what_there_is_not_is_not_found(server: Exporter, path: str) -> None:
    assert requests.get(server.url + path, timeout=10).status_code == 404


def test_pages_answer_head_and_no_other_method(server: Exporter) -> None:
    for path in ("/runbooks/", "/docs/platform", "/users/acme/A"):
        assert requests.head(server.url + path, timeout=10).status_code == 200
        assert requests.post(server.url + path, timeout=10).status_code == 405


def test_without_a_prefix_nothing_redirects(server: Exporter) -> None:
    assert requests.get(f"{server.url}/", timeout=10, allow_redirects=False).status_code == 200


def test_the_root_redirects_to_the_prefix_without_naming_a_host(platform: Simulator, tmp_path: Path) -> None:
    with Exporter(a_config(tmp_path, platform), "--web.route-prefix", "yte/").ready_below("/yte") as exporter:
        for path in ("/", "/yte"):
            answer = requests.get(
                exporter.url + path, headers={"Host": "evil.example.com"}, timeout=10, allow_redirects=False
            )
            assert (answer.status_code, answer.headers["Location"]) == (302, "/yte/")
        assert get(f"{exporter.url}/yte/metrics").status_code == 200
        assert requests.get(f"{exporter.url}/metrics", timeout=10).status_code == 404


def test_a_proxy_that_removes_the_path_needs_no_prefix(platform: Simulator, tmp_path: Path) -> None:
    config = a_config(tmp_path, platform, web={"external_url": "https://proxy.example.com/yte/"})
    with Exporter(config, "--web.route-prefix=/").ready() as exporter:
        assert get(f"{exporter.url}/metrics").status_code == 200


def test_an_invalid_url_or_prefix_is_refused_with_a_hint(platform: Simulator, tmp_path: Path) -> None:
    config = str(a_config(tmp_path, platform))
    for flag, value, hint in (
        ("--web.external-url", "proxy.example.com", "write http:// or https://"),
        ("--web.route-prefix", "/a?b", "write a path such as /tokens"),
    ):
        result = command("serve", "--config.file", config, flag, value, env={"COLUMNS": "200"})
        assert result.returncode == 2
        assert hint in " ".join(result.stderr.replace("│", " ").split())


def test_rules_link_to_the_external_url_of_the_flag_or_the_configuration(platform: Simulator, tmp_path: Path) -> None:
    config = str(a_config(tmp_path, platform, web={"external_url": "https://a.example.com"}))
    from_file = command("rules", "--config.file", config).stdout
    from_flag = command("rules", "--config.file", config, "--web.external-url", "https://b.example.com").stdout
    assert "runbook_url: https://a.example.com/runbooks/YunxiaoTokenExpired\n" in from_file
    assert "runbook_url: https://b.example.com/runbooks/YunxiaoTokenExpired\n" in from_flag
    assert "github.com" not in from_file + from_flag


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exporter]:
    with a_simulator({"A": [a_record("pt-1")]}) as simulator:
        config = write_config(tmp_path_factory.mktemp("pages"), simulator, ["A"])
        with Exporter(config).ready() as exporter:
            yield exporter
