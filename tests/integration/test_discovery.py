"""Discovery by the daemon and the commands, against a platform whose lists are odd in every way that has been seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import requests
import yaml
from support.alertmanager_stub import Alertmanager
from support.running import Exporter, a_record, a_simulator, command, get, wait_until, write_config

from exporter.platform.yunxiao.simulator.enterprise import DEPARTMENTS
from exporter.platform.yunxiao.simulator.faults import Fault, Quirks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from exporter.platform.yunxiao.simulator.server import Simulator

FOUND = 'yunxiao_discovered_users{organization="acme"}'
UP = 'yunxiao_discovery_up{organization="acme"}'
SINCE = 'yunxiao_discovery_last_success_timestamp_seconds{organization="acme"}'
USERS = 'yunxiao_users{organization="acme"}'
RARELY = {"interval": "1h", "stale_after": "2h"}


@pytest.fixture
def platform() -> Iterator[Simulator]:
    with a_simulator({user: [a_record(f"pt-{user}")] for user in "ABC"}) as simulator:
        yield simulator


def a_config(folder: Path, platform: Simulator, *, poll: dict[str, str] | None = None, **discover: Any) -> Path:
    """Discovers every second and polls every hour, unless said otherwise."""
    users = {"discover": {"source": "users", "interval": "1s"} | discover}
    return write_config(folder, platform, [], poll=poll or RARELY, users=users)


def user_up(samples: dict[str, float]) -> list[str]:
    return sorted(
        series.split('user_id="')[1].split('"')[0] for series in samples if series.startswith("yunxiao_user_up")
    )


def test_2300_users_in_23_pages_with_wrong_headers_are_found_each_once(tmp_path: Path) -> None:
    with a_simulator(size=2300) as platform:
        platform.faults.quirks = Quirks(wrong_next_page=True)
        with Exporter(a_config(tmp_path, platform, interval="1h")).ready() as exporter:
            samples = exporter.samples()
            assert (samples[FOUND], samples[USERS], samples[UP]) == (2300, 2300, 1)
            assert user_up(samples) == sorted(user.user_id for user in platform.enterprise.users())
            assert platform.requests("/platform/users") == 23
            requests = 'yunxiao_api_requests_total{code="200",operation="list_users",organization="acme"}'
            assert samples[requests] == 23


def test_a_server_that_always_repeats_page_1_keeps_the_previous_list(tmp_path: Path) -> None:
    with a_simulator(size=250) as platform, Exporter(a_config(tmp_path, platform)).ready() as exporter:
        assert exporter.samples()[USERS] == 250
        platform.faults.quirks = Quirks(ignored_page=True)
        wait_until(lambda: exporter.samples()[UP] == 0)
        assert "the server repeats page 1 as page 2" in exporter.output
        samples = exporter.samples()
        assert (samples[FOUND], samples[USERS]) == (250, 250)
        platform.faults.quirks = Quirks(no_page_headers=True)
        wait_until(lambda: exporter.samples()[UP] == 1)


@pytest.mark.parametrize(
    ("quirks", "words"),
    [
        (Quirks(failing_page=2), "HTTP 500"),
        (Quirks(empty_page=2), "page 2 is empty although the server announced 3 pages"),
        (Quirks(nobody=True), "the list is empty, the previous one has 250 users"),
        (Quirks(ignored_page=True, no_page_headers=True), "the server repeats page 1"),
    ],
)
def test_an_incomplete_list_is_rejected(tmp_path: Path, quirks: Quirks, words: str) -> None:
    with a_simulator(size=250) as platform, Exporter(a_config(tmp_path, platform)).ready() as exporter:
        platform.faults.quirks = quirks
        wait_until(lambda: words in exporter.output)
        wait_until(lambda: exporter.samples()[UP] == 0)
        samples = exporter.samples()
        assert (samples[FOUND], samples[USERS]) == (250, 250)


@pytest.mark.parametrize("quirks", [Quirks(capped_page=50), Quirks(link_headers=True), Quirks(no_page_headers=True)])
def test_pages_without_numbers_in_their_headers_are_all_read(tmp_path: Path, quirks: Quirks) -> None:
    with a_simulator(size=120) as platform:
        platform.faults.quirks = quirks
        with Exporter(a_config(tmp_path, platform, interval="1h")).ready() as exporter:
            assert exporter.samples()[FOUND] == 120


def test_a_list_that_shifts_while_it_is_read_drops_no_user(tmp_path: Path) -> None:
    with a_simulator(size=250) as platform, Exporter(a_config(tmp_path, platform)).ready() as exporter:
        everybody = user_up(exporter.samples())
        platform.faults.quirks = Quirks(shifting=1)
        before = platform.requests("/platform/users")
        # The first user leaves between pages 1 and 2 of a list, and joins again between those of the next one.
        wait_until(lambda: platform.requests("/platform/users") > before + 6 * 3)
        assert "until the next list confirms that" in exporter.output
        assert "left=1" not in exporter.output
        first = platform.enterprise.users()[0].user_id
        assert set(everybody) - set(user_up(exporter.samples())) <= {first}


def test_a_list_that_is_too_long_for_the_platform_says_what_to_do(tmp_path: Path) -> None:
    with a_simulator(size=250) as platform:
        platform.faults.quirks = Quirks(most_entries=200)
        result = command("tokens", "--config.file", str(a_config(tmp_path, platform)))
        assert result.returncode == 2
        assert "acme: users cannot be discovered: bad_request: HTTP 400 BadRequest" in result.stderr
        assert (
            "; asked for page 3 of platform/users; the list is too long for the platform, which refuses it after "
            "200 entries; set users.discover.departments, then users are listed by department"
        ) in result.stderr


@pytest.mark.parametrize(
    ("path", "discover", "permission", "operation"),
    [
        ("/platform/users", {"source": "users"}, "base_user_read", "list_users"),
        ("/platform/organizations", {"source": "members"}, "base_organization_read", "list_organizations"),
        (
            "/platform/organizations/org-1/members",
            {"source": "members", "organization_id": "org-1"},
            "base_orgmember_read",
            "list_members",
        ),
        (
            "/platform/departments",
            {"source": "users", "departments": ["dept-1"]},
            "base_sys_dept_read",
            "list_departments",
        ),
        (
            "/platform/organizations/org-1/departments",
            {"source": "members", "organization_id": "org-1", "departments": ["dept-1"]},
            "base_orgdepartment_read",
            "list_departments",
        ),
    ],
)
def test_a_refused_call_is_named_with_the_permission_that_it_needs(
    platform: Simulator, tmp_path: Path, path: str, discover: dict[str, Any], permission: str, operation: str
) -> None:
    platform.faults.for_user(path, Fault.parse("403"))
    result = command("tokens", "--config.file", str(a_config(tmp_path, platform, **discover)))
    assert result.returncode == 2
    assert "acme: users cannot be discovered: forbidden: HTTP 403 Forbidden" in result.stderr
    assert f"the call needs the permission {permission} (" in result.stderr
    assert f"; failed call: {operation} (GET /oapi/v1{path});" in result.stderr


def test_users_that_leave_are_dropped_and_users_that_join_are_polled_soon(platform: Simulator, tmp_path: Path) -> None:
    with Exporter(a_config(tmp_path, platform)).ready() as exporter:
        assert user_up(exporter.samples()) == ["A", "B", "C"]
        platform.enterprise.leave("A")
        wait_until(lambda: not [series for series in exporter.samples() if 'user_id="A"' in series])
        platform.enterprise.set_tokens("D", [a_record("pt-D")])
        wait_until(lambda: user_up(exporter.samples()) == ["B", "C", "D"])
        assert exporter.samples()[FOUND] == 3


def test_configured_users_come_first_and_stay(platform: Simulator, tmp_path: Path) -> None:
    config = a_config(tmp_path, platform, exclude=["C"], owner_labels=["email"])
    data = yaml.safe_load(config.read_text())
    users = data["organizations"][0]["users"]
    users["static"] = [{"id": "A", "name": "boss", "labels": {"team": "core"}}]
    users["files"] = ["more.yaml"]
    config.write_text(yaml.safe_dump(data))
    (tmp_path / "more.yaml").write_text('[{id: "C", name: by-file}]')
    label = 'yunxiao_user_labels{{email="{2}",organization="acme",team="{3}",user="{1}",user_id="{0}"}}'
    with Exporter(config).ready() as exporter:
        samples = exporter.samples()
        assert samples[USERS] == 3
        assert samples[FOUND] == 2  # A and B; C is excluded
        # what is written by hand wins, what it leaves open is filled
        assert samples[label.format("A", "boss", "A@example.com", "core")] == 1
        assert samples[label.format("B", "B", "B@example.com", "")] == 1
        assert samples[label.format("C", "by-file", "", "")] == 1
        # Another file does not change the discovered users.
        platform.faults.for_user("/platform/users", Fault.parse("500"))
        wait_until(lambda: exporter.samples()[UP] == 0)
        (tmp_path / "more.yaml").write_text("[]")
        wait_until(lambda: exporter.samples()[USERS] == 2)
        assert user_up(exporter.samples()) == ["A", "B"]


def test_it_is_not_ready_before_the_users_are_known(platform: Simulator, tmp_path: Path) -> None:
    platform.faults.for_user("/platform/users", Fault.parse("403"))
    with Exporter(a_config(tmp_path, platform)) as exporter:
        wait_until(lambda: "sweep completed" in exporter.output)
        ready = get(f"{exporter.url}/-/ready")
        assert (ready.status_code, ready.text) == (503, "Not ready: no list of users yet of acme.\n")
        samples = exporter.samples()
        assert (samples[UP], samples[USERS], FOUND in samples, SINCE in samples) == (0, 0, False, False)
        platform.faults.heal()
        exporter.ready()
        wait_until(lambda: user_up(exporter.samples()) == ["A", "B", "C"])


def test_after_a_restart_the_previous_users_are_watched_until_the_list_is_fetched(
    platform: Simulator, tmp_path: Path
) -> None:
    config = a_config(tmp_path, platform)
    config.write_text(config.read_text() + "storage: {path: state.db}\n")
    with Exporter(config).ready() as exporter:
        wait_until(lambda: user_up(exporter.samples()) == ["A", "B", "C"])
    platform.faults.for_user("/platform/users", Fault.parse("500"))
    for _ in range(2):  # the second start sees whether the first has kept them
        with Exporter(config).ready() as exporter:
            wait_until(lambda: exporter.samples().get(UP) == 0)
            samples = exporter.samples()
            assert user_up(samples) == ["A", "B", "C"]
            assert (samples[FOUND], SINCE in samples) == (3, False)
    platform.faults.heal()
    platform.enterprise.leave("B")
    with Exporter(config).ready() as exporter:
        wait_until(lambda: user_up(exporter.samples()) == ["A", "C"])


def test_a_reload_keeps_the_list(platform: Simulator, tmp_path: Path) -> None:
    config = a_config(tmp_path, platform)
    with Exporter(config, "--web.enable-lifecycle").ready() as exporter:
        platform.faults.for_user("/platform/users", Fault.parse("500"))
        wait_until(lambda: exporter.samples()[UP] == 0)
        for change in ("interval: 2s", "timezone: UTC"):  # one changes the section, one the client
            data = yaml.safe_load(config.read_text())
            key, value = change.split(": ")
            organization = data["organizations"][0]
            (organization["users"]["discover"] if key == "interval" else organization)[key] = value
            config.write_text(yaml.safe_dump(data))
            reloads = exporter.output.count("configuration reloaded")
            assert posted(f"{exporter.url}/-/reload") == 200
            wait_until(lambda reloads=reloads: exporter.output.count("configuration reloaded") > reloads)  # type: ignore[misc]
            exporter.ready()
            assert exporter.samples()[USERS] == 3
        data["organizations"][0]["users"] = {"static": [{"id": "B"}]}
        config.write_text(yaml.safe_dump(data))
        posted(f"{exporter.url}/-/reload")
        samples = exporter.samples()
        assert user_up(samples) == ["B"]
        assert UP not in samples


def posted(url: str) -> int:
    return requests.post(url, timeout=10).status_code


def test_a_refused_token_is_logged_and_a_new_one_is_used_at_once(platform: Simulator, tmp_path: Path) -> None:
    config = a_config(tmp_path, platform, interval="1h")
    good = (tmp_path / "token").read_text()
    (tmp_path / "token").write_text("pt-dead_0000")
    with Exporter(config) as exporter:
        wait_until(lambda: "discovery failed" in exporter.output)
        assert "reason=unauthorized" in exporter.output
        (tmp_path / "token").write_text(good)
        wait_until(lambda: user_up(exporter.samples()) == ["A", "B", "C"])


@pytest.mark.parametrize(
    ("discover", "expected"),
    [
        ({"source": "members"}, "ABC"),
        ({"source": "members", "organization_id": "org-2"}, "AC"),
        ({"source": "members", "organization_id": "org-2", "organization_in_path": False}, "AC"),
        ({"source": "members", "status": "disabled"}, ""),
        ({"source": "users", "status": "enabled", "include": ["[AB]"], "exclude": ["B@.*"]}, "A"),
    ],
)
def test_tokens_are_those_of_the_users_that_are_found(
    platform: Simulator, tmp_path: Path, discover: dict[str, Any], expected: str
) -> None:
    result = command("tokens", "--config.file", str(a_config(tmp_path, platform, **discover)), "-o", "csv")
    assert (result.returncode, result.stderr) == (0, "")
    assert [line.split(",")[1] for line in result.stdout.splitlines()[1:]] == list(expected)


def test_tokens_of_an_organization_whose_users_cannot_be_found_exit_with_2(platform: Simulator, tmp_path: Path) -> None:
    platform.faults.for_user("/platform/users", Fault.parse("403"))
    result = command("tokens", "--config.file", str(a_config(tmp_path, platform)))
    assert result.returncode == 2
    assert "acme: users cannot be discovered: forbidden: HTTP 403 Forbidden" in result.stderr


def test_owners_that_were_discovered_reach_alertmanager(platform: Simulator, tmp_path: Path) -> None:
    platform.enterprise.set_tokens("A", [a_record("pt-soon", expires_in=300)])
    config = a_config(tmp_path, platform)
    with Alertmanager() as stub:
        alerting = {"alertmanagers": [{"url": stub.url}], "owner_labels": ["email"], "thresholds": {"critical": "1m"}}
        config.write_text(config.read_text() + yaml.safe_dump({"alerting": alerting}))
        with Exporter(config).ready() as exporter:
            (alert, *_) = wait_until(lambda: [one for one in stub.alerts() if one["labels"].get("user_id") == "A"])
            department = alert["annotations"].pop("owner_department")
            assert department in {name for name, _ in DEPARTMENTS.values()}
            assert alert["annotations"]["owner_email"] == "A@example.com"
            assert alert["labels"]["email"] == "A@example.com"
            assert "department" not in alert["labels"]
            # It is only in texts for alert rules.
            found = {series.partition("{")[0] for series in exporter.samples() if "example.com" in series}
            assert found == {"yunxiao_token_alert_expiry_timestamp_seconds"}


def test_after_a_restart_configured_users_do_not_count_as_discovered(platform: Simulator, tmp_path: Path) -> None:
    # Only configured users were known before, so that an empty list is accepted.
    config = a_config(tmp_path, platform, include=["nobody"])
    data = yaml.safe_load(config.read_text())
    data["organizations"][0]["users"]["static"] = [{"id": "A"}]
    config.write_text(yaml.safe_dump(data | {"storage": {"path": "state.db"}}))
    for _ in range(2):
        with Exporter(config).ready() as exporter:
            wait_until(lambda: exporter.samples().get(SINCE))
            samples = exporter.samples()
            assert (samples[UP], samples[FOUND], samples[USERS]) == (1, 0, 1)
