"""The daemon as a process: what it serves while the platform, its files and its operator do their worst."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests
import yaml
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from support.alertmanager_stub import Alertmanager
from support.running import (
    ADMIN_TOKEN,
    PASSWORD,
    ROOT,
    Exporter,
    Running,
    a_record,
    a_simulator,
    command,
    free_port,
    get,
    samples_of,
    wait_until,
    write_config,
)

from exporter.app.daemon import Daemon
from exporter.app.in_force import InForce
from exporter.common.clock import SystemClock
from exporter.config.errors import ReloadError
from exporter.config.load import load
from exporter.model.event import Change
from exporter.platform.yunxiao.simulator.faults import Fault
from exporter.web.listen import ListenAddress, listen
from exporter.web.security import WebSecurity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exporter.platform.yunxiao.simulator.server import Simulator

UP = 'yunxiao_user_up{{organization="acme",user="{0}",user_id="{0}"}}'
SUCCESS = 'yunxiao_user_last_success_timestamp_seconds{{organization="acme",user="{0}",user_id="{0}"}}'
EXPIRY = (
    'yunxiao_token_expiry_timestamp_seconds{{organization="acme",token="ci",token_id="{1}",user="{0}",user_id="{0}"}}'
)
FAILURE = 'yunxiao_user_failure{{organization="acme",reason="{1}",user="{0}",user_id="{0}"}}'
RELOADED = "yunxiao_exporter_config_last_reload_successful"
FILE_ERRORS = 'yunxiao_exporter_file_errors_total{{kind="{0}",organization="acme"}}'
USERS = 'yunxiao_users{organization="acme"}'


@pytest.fixture
def platform() -> Iterator[Simulator]:
    with a_simulator({user: [a_record(f"pt-{user}")] for user in "ABCD"}) as simulator:
        yield simulator


def test_a_failing_user_keeps_its_tokens_and_does_not_affect_the_others(platform: Simulator, tmp_path: Path) -> None:
    with Exporter(write_config(tmp_path, platform, "ABCD")).ready() as exporter:
        before = exporter.samples()
        assert all(before[UP.format(user)] == 1 for user in "ABCD")
        for user, fault in (("A", "500"), ("B", "hang"), ("C", "html")):
            platform.faults.for_user(user, Fault.parse(fault))
        platform.enterprise.set_tokens("D", [a_record("pt-new")])

        def all_failing() -> dict[str, float] | None:
            samples = exporter.samples()
            return samples if [samples[UP.format(user)] for user in "ABCD"] == [0, 0, 0, 1] else None

        wait_until(all_failing)
        polled = platform.requests("D")
        wait_until(lambda: platform.requests("D") > polled + 1)  # D goes on while B hangs
        after = exporter.samples()
        for user in "ABC":
            assert after[EXPIRY.format(user, f"pt-{user}")] == before[EXPIRY.format(user, f"pt-{user}")]
            assert before[SUCCESS.format(user)] <= after[SUCCESS.format(user)]
        assert EXPIRY.format("D", "pt-new") in after
        assert EXPIRY.format("D", "pt-D") not in after
        assert after[SUCCESS.format("D")] > after[SUCCESS.format("A")]
        for user, reason in (("A", "server_error"), ("B", "timeout"), ("C", "invalid_response")):
            assert after[FAILURE.format(user, reason)] == 1
        times = {series: value for series, value in after.items() if "_timestamp_seconds" in series.partition("{")[0]}
        assert all(value > 0 for value in times.values())
        assert before.keys() - after.keys() == {series for series in before if "pt-D" in series}, (
            "no series but the deleted token's may go"
        )


def test_changes_of_tokens_are_logged_counted_and_exposed(platform: Simulator, tmp_path: Path) -> None:
    def told(exporter: Exporter, limit: str = "") -> list[dict[str, Any]]:
        events: list[dict[str, Any]] = get(f"{exporter.url}/api/v1/events{limit}").json()
        return events

    with Exporter(write_config(tmp_path, platform, "AB"), "--log.format", "json").ready() as exporter:
        assert told(exporter) == []
        platform.faults.for_user("B", Fault.parse("500"))
        longer = a_record(
            "pt-A", expires_in=2 * 86_400, name="张三", permissions=["base_user_read", "lingma_chat_read"]
        )
        platform.enterprise.set_tokens("A", [longer])
        # the log line comes last, after the counter and the list
        wait_until(lambda: exporter.output.count('"stream": "audit"') == 3)
        renamed, widened, renewed = told(exporter)
        assert (renamed["event"], renamed["token"], renamed["old_name"]) == ("renamed", "张三", "ci")
        assert (widened["event"], widened["added"]) == ("permissions_widened", ["lingma_chat_read"])
        assert "removed" not in widened
        assert (renewed["event"], renewed["user_id"], renewed["token_id"]) == ("renewed", "A", "pt-A")
        assert renewed["new_expiry"] > renewed["old_expiry"]
        assert told(exporter, "?limit=1") == [renamed]
        samples = exporter.samples()
        counted = {
            event: samples[f'yunxiao_token_events_total{{event="{event}",organization="acme"}}'] for event in Change
        }
        assert {event for event, count in counted.items() if count} == {"renamed", "permissions_widened", "renewed"}
        lines = [json.loads(line) for line in exporter.output.splitlines() if '"stream": "audit"' in line]
        assert [line["change"] for line in lines] == ["renewed", "permissions_widened", "renamed"]
        assert (lines[1]["level"], lines[1]["token_id"], lines[1]["added"]) == ("info", "pt-A", "lingma_chat_read")
        for limit in ("?limit=-1", "?limit=", "?limit=x", "?limit=\u0663"):
            assert get(f"{exporter.url}/api/v1/events{limit}").status_code == 400
        assert len(told(exporter, "?limit=9999999999999999999999")) == 3
        # Another configuration takes over what is known: nothing is new by that.
        config = tmp_path / "config.yaml"
        config.write_text(config.read_text().replace("timeout: 1s", "timeout: 2s"))
        exporter.signal(signal.SIGHUP)
        wait_until(lambda: "configuration reloaded" in exporter.output)
        polled = platform.requests("A")
        wait_until(lambda: platform.requests("A") > polled + 1)
        assert len(told(exporter)) == 3


def test_alertmanager_is_notified_of_widened_permissions_and_broken_policies(
    platform: Simulator, tmp_path: Path
) -> None:
    with Alertmanager() as stub:
        config = write_config(tmp_path, platform, "AB")
        sections = {
            "alerting": {"permissions_widened": True, "alertmanagers": [{"url": stub.url}], "resend_interval": "1s"},
            "policies": {"forbidden_permissions": {"permissions": ["base_orgmember_read_write"]}},
        }
        config.write_text(config.read_text() + yaml.safe_dump(sections))
        with Exporter(config).ready():
            platform.enterprise.set_tokens(
                "A", [a_record("pt-A", permissions=["base_user_read", "base_orgmember_read_write"])]
            )
            (widened, *_) = wait_until(lambda: stub.alerts("PermissionsWidened"))
            (broken, *_) = wait_until(lambda: stub.alerts("YunxiaoPolicyViolation"))
    assert widened["labels"] == {
        "alertname": "YunxiaoTokenPermissionsWidened",
        "severity": "warning",
        "organization": "acme",
    }
    assert (broken["labels"]["policy"], broken["labels"]["severity"]) == ("forbidden_permissions", "critical")
    assert "A (1)" in broken["annotations"]["description"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_time_while_a_request_hangs(
    platform: Simulator, tmp_path: Path, number: signal.Signals
) -> None:
    platform.faults.for_user("B", Fault.parse("hang"))
    with Exporter(write_config(tmp_path, platform, "AB", poll={"timeout": "60s"})) as exporter:
        wait_until(lambda: platform.requests("B") == 1)
        started = time.monotonic()
        exporter.signal(number)
        assert exporter.ended() == 0
        assert time.monotonic() - started < 5
        assert "Traceback" not in exporter.output


def test_a_broken_file_leaves_the_old_configuration_in_force(platform: Simulator, tmp_path: Path) -> None:
    config = write_config(tmp_path, platform, "AB")
    good = config.read_text()
    with Exporter(config).ready() as exporter:
        assert exporter.samples()[RELOADED] == 1
        config.write_text("poll: {interval: 90}\n")
        exporter.signal(signal.SIGHUP)
        wait_until(lambda: exporter.samples()[RELOADED] == 0)
        assert exporter.samples()[USERS] == 2
        assert "must be a duration with its unit" in exporter.output
        config.write_text(yaml.safe_dump(without_user(good, "A")))
        exporter.signal(signal.SIGHUP)
        exporter.signal(signal.SIGHUP)
        wait_until(lambda: exporter.samples()[RELOADED] == 1)
        wait_until(lambda: exporter.samples()[USERS] == 1)
        samples = exporter.samples()
        assert not [series for series in samples if 'user_id="A"' in series]
        assert samples[UP.format("B")] == 1


def test_a_defect_in_a_reload_does_not_end_the_daemon(
    platform: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = load(write_config(tmp_path, platform, "A"), {})
    daemon = Daemon(settings, lambda: settings, [], WebSecurity.none(), SystemClock())

    def crash(*_: object) -> None:
        raise OverflowError("date value out of range")

    # As after the first configuration: before it, a reload is refused.
    daemon._parts.base.current.replace(InForce(settings, 1))
    monkeypatch.setattr(daemon._parts.organizations, "prepare", crash)
    with pytest.raises(ReloadError, match="internal error"):
        daemon.reload()


def without_user(text: str, user: str) -> object:
    data = yaml.safe_load(text)
    static = data["organizations"][0]["users"]["static"]
    data["organizations"][0]["users"]["static"] = [entry for entry in static if entry["id"] != user]
    return data


def test_a_reload_while_a_request_hangs_gives_one_consistent_result(platform: Simulator, tmp_path: Path) -> None:
    platform.faults.for_user("B", Fault.parse("hang"))
    config = write_config(tmp_path, platform, "ABC", poll={"timeout": "30s"})
    with Exporter(config) as exporter:
        wait_until(lambda: platform.requests("B") == 1)
        data = yaml.safe_load(config.read_text())
        data["organizations"][0] |= {"name": "globex", "timezone": "UTC"}
        config.write_text(yaml.safe_dump(data))
        platform.faults.heal()
        exporter.signal(signal.SIGHUP)
        exporter.signal(signal.SIGHUP)
        exporter.ready()
        samples = exporter.samples()
        assert not [series for series in samples if 'organization="acme"' in series]
        assert samples['yunxiao_users{organization="globex"}'] == 3
        assert samples['yunxiao_user_up{organization="globex",user="B",user_id="B"}'] == 1


def test_reload_over_http(platform: Simulator, tmp_path: Path) -> None:
    config = write_config(tmp_path, platform, "AB")
    with Exporter(config, "--web.enable-lifecycle").ready() as exporter:
        reload = f"{exporter.url}/-/reload"
        assert requests.get(reload, timeout=5).status_code == 405
        config.write_text(yaml.safe_dump(without_user(config.read_text(), "A")))
        answer = requests.post(reload, timeout=5)
        assert (answer.status_code, answer.text) == (200, "Configuration reloaded.\n")
        assert exporter.samples()[USERS] == 1
        config.write_text("x: 1")
        answer = requests.put(reload, timeout=5)
        assert answer.status_code == 500
        assert "unknown key" in answer.text
        assert exporter.samples()[USERS] == 1


def test_reload_over_http_is_off_by_default(platform: Simulator, tmp_path: Path) -> None:
    with Exporter(write_config(tmp_path, platform, "A")).ready() as exporter:
        assert requests.post(f"{exporter.url}/-/reload", timeout=5).status_code == 403


def test_before_the_first_sweep_it_is_alive_but_not_ready(platform: Simulator, tmp_path: Path) -> None:
    platform.faults.for_user("A", Fault.parse("hang"))
    with Exporter(write_config(tmp_path, platform, "A", poll={"timeout": "20s"})) as exporter:
        wait_until(lambda: platform.requests("A") == 1)
        wait_until(lambda: exporter.answers("/-/healthy"))
        ready = get(f"{exporter.url}/-/ready")
        assert (ready.status_code, "no sweep completed yet of acme" in ready.text) == (503, True)
        samples = exporter.samples()
        assert samples['yunxiao_users_pending{organization="acme"}'] == 1
        assert UP.format("A") not in samples
        assert get(f"{exporter.url}/").status_code == 200
        platform.faults.heal()


def test_the_http_surface(platform: Simulator, tmp_path: Path) -> None:
    with Exporter(write_config(tmp_path, platform, "AB")).ready() as exporter:
        url = exporter.url
        assert get(f"{url}/nope").status_code == 404
        assert get(f"{url}/metrics/nope").status_code == 404
        for method in ("POST", "DELETE", "PUT"):
            assert requests.request(method, f"{url}/metrics", timeout=5).status_code == 405
        head = requests.head(f"{url}/metrics", timeout=5)
        assert (head.status_code, head.content) == (200, b"")
        plain = get(f"{url}/metrics", headers={"Accept-Encoding": "identity"})
        assert plain.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert "Content-Encoding" not in plain.headers
        packed = get(f"{url}/metrics", headers={"Accept-Encoding": "gzip"})
        assert packed.headers["Content-Encoding"] == "gzip"
        assert samples_of(packed.text).keys() == samples_of(plain.text).keys()
        openmetrics = get(f"{url}/metrics", headers={"Accept": "application/openmetrics-text;version=1.0.0"})
        assert openmetrics.headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
        assert openmetrics.text.endswith("# EOF\n")
        families = {family.name for family in text_string_to_metric_families(openmetrics.text)}
        assert {"yunxiao_token_expires_in_seconds", "yunxiao_sweeps", "process_cpu_seconds"} <= families
        assert "Traceback" not in exporter.output


def test_the_tokens_as_json(tmp_path: Path) -> None:
    tokens = {"A": [a_record("pt-late", expires_in=9e5), a_record("pt-soon", expires_in=3600)], "B": []}
    with a_simulator(tokens) as platform, Exporter(write_config(tmp_path, platform, "AB")).ready() as exporter:
        answer = get(f"{exporter.url}/api/v1/tokens")
        assert answer.headers["Content-Type"] == "application/json"
        assert answer.headers["Cache-Control"] == "no-store"
        assert [(one["user_id"], one["token_id"], one["state"]) for one in answer.json()] == [
            ("A", "pt-soon", "active"),
            ("A", "pt-late", "active"),
        ]


def test_a_refused_token_ends_the_sweep_and_marks_every_user(platform: Simulator, tmp_path: Path) -> None:
    config = write_config(tmp_path, platform, "ABCD", limits={"concurrency": 1, "requests_per_second": None})
    with Exporter(config).ready() as exporter:
        (tmp_path / "token").write_text("pt-dead_0000")
        wait_until(lambda: exporter.samples().get(FAILURE.format("D", "unauthorized")))
        samples = exporter.samples()
        assert [samples[UP.format(user)] for user in "ABCD"] == [0] * 4
        assert all(EXPIRY.format(user, f"pt-{user}") in samples for user in "ABCD")
        asked = platform.requests("A"), platform.requests("D")
        wait_until(lambda: platform.requests("A") > asked[0] + 1)
        assert platform.requests("D") == asked[1]  # no user is polled after the first refusal
        (tmp_path / "token").write_text(ADMIN_TOKEN)
        wait_until(lambda: exporter.samples()[UP.format("D")] == 1)


def test_changed_user_files_take_effect_and_new_users_are_polled_soon(platform: Simulator, tmp_path: Path) -> None:
    users = tmp_path / "users"
    users.mkdir()
    (users / "a.yaml").write_text('- {id: "A", name: "张三"}\n', encoding="utf-8")
    config = write_config(
        tmp_path, platform, [], poll={"interval": "1h", "stale_after": "2h"}, users={"files": ["users/*.yaml"]}
    )
    with Exporter(config, env={"LANG": "C", "LC_ALL": "C"}).ready() as exporter:
        assert exporter.samples()[UP.format("A").replace('user="A"', 'user="张三"')] == 1
        (users / "b.yaml").write_text('\ufeff- {id: "B"}\n', encoding="utf-8")
        wait_until(lambda: exporter.samples().get(UP.format("B")) == 1)
        (users / "b.yaml").write_text("- {id: 0123}\n")
        wait_until(lambda: "user files became invalid" in exporter.output)
        assert exporter.samples()[UP.format("B")] == 1
        wait_until(lambda: exporter.samples()[FILE_ERRORS.format("users_file")] == 1)  # counters may be a second old
        (users / "b.yaml").write_text('- {id: "B", thresholds: {warning: 1h}}\n')
        wait_until(lambda: "user B: the critical threshold (3d) must be shorter" in exporter.output)
        assert exporter.samples()[UP.format("B")] == 1
        (users / "b.yaml").unlink()
        wait_until(lambda: UP.format("B") not in exporter.samples())
        assert 'b.yaml:1: [0].id: id 0123 is not quoted, YAML reads it as 83; write \\"0123\\"' in exporter.output


def test_a_mounted_secret_that_is_swapped_by_symlink(platform: Simulator, tmp_path: Path) -> None:
    config = write_config(tmp_path, platform, "A", token_file="secret/token")
    for version, token in (("v1", "pt-old_0000"), ("v2", ADMIN_TOKEN)):
        (tmp_path / version).mkdir()
        (tmp_path / version / "token").write_text(token)
    (tmp_path / "secret").symlink_to("v1")
    with Exporter(config).ready() as exporter:
        assert exporter.samples()[UP.format("A")] == 0
        (tmp_path / "new").symlink_to("v2")
        (tmp_path / "new").rename(tmp_path / "secret")
        wait_until(lambda: exporter.samples()[UP.format("A")] == 1)
        (tmp_path / "v2" / "token").write_text("")
        wait_until(lambda: "token file became invalid" in exporter.output)
        assert exporter.samples()[UP.format("A")] == 1
        wait_until(lambda: exporter.samples()[FILE_ERRORS.format("token_file")] == 1)  # counters may be a second old


def test_invalid_entries_of_one_user_are_skipped_and_affect_nothing_else(tmp_path: Path) -> None:
    users = [f"u{number}" for number in range(50)]
    with a_simulator({user: [a_record(f"pt-{user}")] for user in users}) as platform:
        good = '{"token_id": "pt-good", "name": "ci", "expired_at": "2036-06-01T00:00:00Z"}'
        platform.faults.for_user("u7", Fault.parse(f"body:[7, null, {{}}, {good}]"))
        with Exporter(
            write_config(tmp_path, platform, users, poll={"interval": "1h", "stale_after": "2h"})
        ) as exporter:
            samples = exporter.ready().samples()
        assert all(samples[UP.format(user)] == 1 for user in users)
        assert samples[EXPIRY.format("u7", "pt-good")] == 2_095_891_200  # 2036-06-01T00:00:00Z
        assert sum(value for series, value in samples.items() if series.startswith("yunxiao_parse_errors_total")) == 3


def test_scrapes_during_polls_see_each_user_wholly_old_or_wholly_new(tmp_path: Path) -> None:
    full = [a_record(f"pt-{number}") for number in range(300)]
    with a_simulator({"A": full}) as platform:
        config = write_config(tmp_path, platform, "A")
        with Exporter(config).ready() as exporter, ThreadPoolExecutor(8) as scrapers:
            stop = threading.Event()

            def alternate() -> None:
                while not stop.wait(0.05):
                    platform.enterprise.set_tokens("A", [] if platform.enterprise.tokens("A") else full)

            alternating = threading.Thread(target=alternate)
            alternating.start()

            def scrape(_: int) -> tuple[int, float, int]:
                answer = requests.get(f"{exporter.url}/metrics", timeout=10)
                samples = samples_of(answer.text)
                total = sum(value for series, value in samples.items() if series.startswith("yunxiao_user_tokens"))
                lines = sum(series.startswith("yunxiao_token_expiry_timestamp_seconds") for series in samples)
                return answer.status_code, total, lines

            seen = list(scrapers.map(scrape, range(240)))
            stop.set()
            alternating.join()
    assert {(200, 300.0, 300), (200, 0.0, 0)} >= set(seen)


def test_sweeps_of_one_organization_never_overlap_and_skipped_ones_are_counted(tmp_path: Path) -> None:
    with a_simulator({"A": [], "B": []}) as platform:
        platform.faults.latency = 1.3
        config = write_config(tmp_path, platform, "AB", poll={"timeout": "5s"}, limits={"concurrency": 1})
        with Exporter(config).ready() as exporter:
            skipped = 'yunxiao_sweeps_skipped_total{organization="acme"}'
            wait_until(lambda: exporter.samples()[skipped] >= 2)
            before = platform.requests()
            wait_until(lambda: platform.requests() > before + 1)  # and it goes on
            platform.faults.latency = 0
    assert platform.overlaps() == 0
    assert platform.most_at_once() == 1


def test_a_port_in_use_is_reported_before_any_request(platform: Simulator, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        config = write_config(tmp_path, platform, "A")
        result = command("serve", "--config.file", str(config), "--web.listen-address", address)
    assert result.returncode == 1
    assert result.stderr.startswith(f"cannot listen on {address}: the port is in use")
    assert platform.requests() == 0


@pytest.mark.parametrize(
    ("listen", "hosts"), [(":{}", ["127.0.0.1", "[::1]"]), ("[::1]:{}", ["[::1]"]), ("localhost:{}", ["127.0.0.1"])]
)
def test_listen_addresses(platform: Simulator, tmp_path: Path, listen: str, hosts: list[str]) -> None:
    with Exporter(write_config(tmp_path, platform, "A")) as first:
        first.ready()
        port = first.port
        first.signal(signal.SIGTERM)
        first.ended()
        with Exporter(tmp_path / "config.yaml", "--web.listen-address", listen.format(port)) as exporter:
            exporter.ready()
            for host in hosts:
                assert get(f"http://{host}:{port}/-/healthy").status_code == 200


def test_a_folder_of_user_files_that_vanishes_leaves_the_last_list_in_effect(
    platform: Simulator, tmp_path: Path
) -> None:
    users = tmp_path / "users"
    users.mkdir()
    (users / "a.yaml").write_text('- {id: "A"}\n')
    config = write_config(tmp_path, platform, [], users={"files": ["users/*.yaml"]})
    with Exporter(config).ready() as exporter:
        users.rename(tmp_path / "elsewhere")
        wait_until(lambda: "matches no file" in exporter.output)
        assert exporter.samples()[USERS] == 1
    result = command("check-config", "--config.file", str(config))
    assert result.returncode == 1
    assert "users/*.yaml: matches no file; check the pattern" in result.stderr


def test_a_corrected_token_is_tried_at_once(platform: Simulator, tmp_path: Path) -> None:
    config = write_config(tmp_path, platform, "AB", poll={"interval": "1h", "stale_after": "2h", "spread": True})
    (tmp_path / "token").write_text("pt-dead_0000")
    with Exporter(config) as exporter:
        wait_until(lambda: "the exporter's own token" in exporter.output)
        wait_until(lambda: exporter.answers("/-/ready"))
        time.sleep(3)  # the watch must have seen which token was refused
        (tmp_path / "token").write_text(ADMIN_TOKEN)
        wait_until(lambda: exporter.samples()[UP.format("B")] == 1)


def test_a_file_that_is_not_regular_is_refused_without_waiting(platform: Simulator, tmp_path: Path) -> None:
    config = write_config(tmp_path, platform, "A")
    os.mkfifo(tmp_path / "pipe")
    good = config.read_text()
    with Exporter(config).ready() as exporter:
        for key, value in (("token_file", "pipe"), ("users", {"files": ["pipe"]}), ("token_file", "to\0ken")):
            data = yaml.safe_load(good)
            data["organizations"][0][key] = value
            config.write_text(yaml.safe_dump(data))
            exporter.signal(signal.SIGHUP)
            wait_until(lambda: exporter.samples()[RELOADED] == 0)
            config.write_text(good)
            exporter.signal(signal.SIGHUP)
            wait_until(lambda: exporter.samples()[RELOADED] == 1)
        assert "is not a regular file" in exporter.output
        assert "contains a NUL character" in exporter.output
        exporter.signal(signal.SIGTERM)
        assert exporter.ended() == 0


def test_odd_accept_headers_get_the_plain_format(platform: Simulator, tmp_path: Path) -> None:
    with Exporter(write_config(tmp_path, platform, "A")).ready() as exporter:
        for accept in ("application/openmetrics-text; version=abc", "text/plain; version=x.y", '"', "*/*;q=x"):
            assert get(f"{exporter.url}/metrics", headers={"Accept": accept}).status_code == 200


def test_secrets_of_configuration_and_environment_show_nowhere(platform: Simulator, tmp_path: Path) -> None:
    config = write_config(
        tmp_path, "http://acme.invalid", "A", proxy_url=f"http://me:{PASSWORD}@127.0.0.1:9", token_env="THE_TOKEN"
    )
    data = yaml.safe_load(config.read_text())
    del data["organizations"][0]["token_file"]
    config.write_text(yaml.safe_dump(data))
    with Exporter(config, env={"THE_TOKEN": ADMIN_TOKEN}) as exporter:
        exporter.ready()
        assert exporter.samples()[FAILURE.format("A", "connection")] == 1
        for path in ("/", "/metrics", "/-/ready"):
            assert PASSWORD not in get(exporter.url + path).text
        assert "the proxy cannot be reached" in exporter.output
        assert PASSWORD not in exporter.output
        assert ADMIN_TOKEN not in exporter.output
    assert platform.requests() == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another user")
def test_a_secret_of_another_user_is_a_clear_error(platform: Simulator, tmp_path: Path) -> None:
    config = write_config(tmp_path, platform, "A")
    (tmp_path / "token").chmod(0o400)
    for folder in (tmp_path, *tmp_path.parents):
        if folder.owner() == "root" and folder.stat().st_mode & 0o005 != 0o005 and "pytest" in str(folder):
            folder.chmod(0o755)
    result = command_as_nobody("check-config", "--config.file", str(config))
    assert result.returncode == 1
    assert "token cannot be read: Permission denied; " in result.stderr
    assert "uid 65534 may read it" in result.stderr


def command_as_nobody(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command that gives up root once everything is imported: the interpreter itself may be root's alone."""
    become = (
        "import os, encodings.utf_8_sig, exporter.cli, exporter.app.daemon\n"
        "os.setgroups([]), os.setgid(65534), os.setuid(65534), exporter.cli.main()"
    )
    return subprocess.run(
        [sys.executable, "-c", become, *arguments],
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
        cwd=ROOT,
    )


READ_ONLY = """
set -e
mount --make-rprivate /
mount -o remount,ro,bind / 2>/dev/null || mount --bind / / && mount -o remount,ro,bind /
! touch /tmp/written 2>/dev/null
exec "$@"
"""


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("unshare") is None, reason="needs root and unshare")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_as_pid_1_on_a_read_only_file_system(platform: Simulator, tmp_path: Path, number: signal.Signals) -> None:
    platform.faults.for_user("B", Fault.parse("hang"))
    config = write_config(tmp_path, platform, "AB", poll={"timeout": "30s"})
    port = free_port()
    contained = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", READ_ONLY, "sh"]
    serve = ["serve", "--config.file", str(config), "--web.listen-address", f"127.0.0.1:{port}"]
    with Running([*contained, sys.executable, "-m", "exporter", *serve]) as container:
        wait_until(lambda: platform.requests("B") == 1 or container.process.poll() is not None)
        assert container.process.poll() is None, container.output
        samples = samples_of(get(f"http://127.0.0.1:{port}/metrics").text)
        assert samples[USERS] == 2
        inside = Path(f"/proc/{container.process.pid}/task/{container.process.pid}/children").read_text().split()
        status = Path(f"/proc/{inside[0]}/status").read_text()
        assert "NSpid:\t" in status
        assert status.split("NSpid:")[1].split("\n")[0].split()[-1] == "1"
        started = time.monotonic()
        os.kill(int(inside[0]), number)
        assert container.ended() == 0
        assert time.monotonic() - started < 5


def test_the_image_runs_as_nobody_and_hands_signals_to_the_exporter() -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    stages = [line for line in lines if line.startswith("FROM")]
    assert len(stages) == 2
    assert all("slim" in stage for stage in stages)
    assert "USER 65534:65534" in lines
    entry = next(line for line in lines if line.startswith("ENTRYPOINT"))
    assert json.loads(entry.removeprefix("ENTRYPOINT ")) == ["/opt/exporter/bin/python", "-m", "exporter"]


def test_it_starts_and_serves_without_a_writable_place(platform: Simulator, tmp_path: Path) -> None:
    config = write_config(tmp_path, platform, "A")
    env = {"HOME": "/nonexistent", "TMPDIR": "/nonexistent", "PYTHONDONTWRITEBYTECODE": "1"}
    with Exporter(config, env=env) as exporter:
        assert exporter.ready().samples()[UP.format("A")] == 1


def test_answers_are_not_held_back_by_nagles_algorithm() -> None:
    (opened,) = listen(ListenAddress.parse("127.0.0.1:0"))
    with opened, socket.create_connection(opened.getsockname()), opened.accept()[0] as accepted:
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
