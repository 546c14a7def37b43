"""Starts, reloads and stops of the daemon: nothing half done, nothing left behind, nothing that comes back."""

from __future__ import annotations

import gc
import os
import re
import signal
import sqlite3
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
import requests
import yaml
from support.redis import RedisServer
from support.running import Exporter, a_record, a_simulator, free_port, get, samples_of, wait_until, write_config

from exporter.app.daemon import Daemon
from exporter.app.options import Options
from exporter.common.clock import SystemClock
from exporter.config.errors import ReloadError
from exporter.config.load import load
from exporter.config.user_files import UserFiles
from exporter.platform.yunxiao.simulator.faults import Fault
from exporter.state.ledger import Ledger
from exporter.state.storage import Storage
from exporter.web.listen import ListenAddress, listen
from exporter.web.security import WebSecurity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from exporter.config.settings import Settings
    from exporter.platform.yunxiao.simulator.server import Simulator


@pytest.fixture
def platform() -> Iterator[Simulator]:
    with a_simulator({user: [a_record(f"pt-{user}")] for user in "ABCD"}) as simulator:
        yield simulator


def configure(folder: Path, platform: Simulator, **users: str) -> Path:
    """A configuration with storage and one organization for each keyword, whose value names the users."""
    config = write_config(folder, platform, "")
    data = yaml.safe_load(config.read_text())
    (organization,) = data["organizations"]
    data["organizations"] = [
        organization | {"name": name, "users": {"static": [{"id": user} for user in ids]}}
        for name, ids in users.items()
    ]
    config.write_text(yaml.safe_dump(data | {"storage": {"path": "state.db"}}))
    return config


def about(exporter: Exporter, organization: str) -> list[str]:
    """The series of an organization, except for entries for alert rules that have ended."""
    lines = [line for line in get(f"{exporter.url}/metrics").text.splitlines() if f'"{organization}"' in line]
    return [line for line in lines if not (line.endswith((" 0", " 0.0")) and "alert" in line.partition("{")[0])]


def rows_about(folder: Path, organization: str) -> list[tuple[Any, ...]]:
    """What the state file has of an organization, in whatever table."""
    connection = sqlite3.connect(folder / "state.db")
    tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    found = [
        (table, *row)
        for table in tables
        if table != "events"  # the storage's own tests look into those
        for row in connection.execute(f"SELECT * FROM {table}")
        if organization in row
    ]
    connection.close()
    return found


def test_a_removed_organization_disappears_everywhere_and_stays_removed(platform: Simulator, tmp_path: Path) -> None:
    configure(tmp_path, platform, acme="A", gone="BC")
    with Exporter(tmp_path / "config.yaml").ready() as exporter:
        platform.enterprise.set_tokens("B", [a_record("pt-B"), a_record("pt-new")])
        wait_until(lambda: any("yunxiao_token_last_event" in line for line in about(exporter, "gone")))
        wait_until(
            lambda: {row[0] for row in rows_about(tmp_path, "gone")} >= {"users", "organizations", "last_events"}
        )
        platform.faults.for_user("C", Fault.parse("slow:0.8"))
        asked = platform.requests("C")
        wait_until(lambda: platform.requests("C") > asked)
        configure(tmp_path, platform, acme="A")
        exporter.signal(signal.SIGHUP)  # while a poll of the organization is under way
        wait_until(lambda: "configuration reloaded" in exporter.output)
        assert about(exporter, "gone") == []
        time.sleep(1.2)  # that poll has ended, and what waited has been written
        assert about(exporter, "gone") == []
        wait_until(lambda: rows_about(tmp_path, "gone") == [])
        assert all(event["organization"] != "gone" for event in get(f"{exporter.url}/api/v1/events").json())
        assert about(exporter, "acme")
        exporter.signal(signal.SIGTERM)
        assert exporter.ended() == 0
    with Exporter(tmp_path / "config.yaml").ready() as exporter:
        assert about(exporter, "gone") == []


def test_what_is_removed_during_downtime_is_dropped_at_the_next_start(platform: Simulator, tmp_path: Path) -> None:
    configure(tmp_path, platform, acme="AD", gone="BC")
    with Exporter(tmp_path / "config.yaml").ready() as exporter:
        platform.enterprise.set_tokens("B", [a_record("pt-B"), a_record("pt-new")])
        wait_until(lambda: any("yunxiao_token_last_event" in line for line in about(exporter, "gone")))
        exporter.signal(signal.SIGTERM)
        assert exporter.ended() == 0
    assert len([row for row in rows_about(tmp_path, "acme") if row[0] == "users"]) == 2
    configure(tmp_path, platform, acme="A")
    with Exporter(tmp_path / "config.yaml").ready() as exporter:
        assert about(exporter, "gone") == []
        wait_until(lambda: rows_about(tmp_path, "gone") == [])
        wait_until(lambda: len([row for row in rows_about(tmp_path, "acme") if row[0] == "users"]) == 1)
        assert get(f"{exporter.url}/api/v1/events").json() == []


def a_daemon(folder: Path, again: Callable[[], Settings] | None = None) -> tuple[Daemon, str]:
    """A daemon in this process, and its address."""
    config = folder / "config.yaml"
    sockets = listen(ListenAddress.parse("127.0.0.1:0"))
    url = f"http://127.0.0.1:{sockets[0].getsockname()[1]}"
    daemon = Daemon(
        load(config, os.environ),
        again or (lambda: load(config, os.environ)),
        sockets,
        WebSecurity.none(),
        SystemClock(),
        Options(lifecycle=True),
    )
    return daemon, url


def threads_of_daemon(before: set[threading.Thread]) -> list[str]:
    others = ("AnyIO", "process_request_thread")  # the web server's pool, which ends later, and the simulator's threads
    return [one.name for one in threading.enumerate() if one not in before and not any(x in one.name for x in others)]


def test_a_stop_works_before_a_start_and_twice(platform: Simulator, tmp_path: Path) -> None:
    configure(tmp_path, platform, acme="A")
    before = set(threading.enumerate())
    daemon, _ = a_daemon(tmp_path)
    daemon.stop()
    daemon.stop()
    daemon.start()
    assert threads_of_daemon(before) == []
    assert platform.requests() == 0
    assert daemon.state_saved


def test_a_stop_during_a_start_ends_everything(
    platform: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(tmp_path, platform, acme="A")
    before = set(threading.enumerate())
    loading, go = threading.Event(), threading.Event()
    real = Storage.load

    def slow(self: Storage) -> Any:
        loading.set()
        go.wait(5)
        return real(self)

    monkeypatch.setattr(Storage, "load", slow)
    daemon, url = a_daemon(tmp_path)
    starting = threading.Thread(target=daemon.start)
    starting.start()
    assert loading.wait(5)
    stopping = threading.Thread(target=daemon.stop)
    stopping.start()
    stopping.join(0.2)
    go.set()
    stopping.join(5)
    starting.join(5)
    assert threads_of_daemon(before) == []
    assert platform.requests() == 0
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{url}/-/healthy", timeout=1)


def test_everything_that_a_start_starts_has_ended_after_the_stop(platform: Simulator, tmp_path: Path) -> None:
    configure(tmp_path, platform, acme="AB")
    before = set(threading.enumerate())
    daemon, url = a_daemon(tmp_path)
    daemon.start()
    wait_until(lambda: requests.get(f"{url}/-/ready", timeout=5).status_code == 200)
    daemon.stop()
    assert threads_of_daemon(before) == []
    assert len([row for row in rows_about(tmp_path, "acme") if row[0] == "users"]) == 2


def test_a_reload_with_a_defect_changes_nothing(
    platform: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(tmp_path, platform, acme="A")
    daemon, url = a_daemon(tmp_path)
    daemon.start()

    def samples() -> set[str]:
        body = requests.get(f"{url}/metrics", timeout=5).text
        return {name for name in samples_of(body) if "organization=" in name}

    try:
        wait_until(lambda: requests.get(f"{url}/-/ready", timeout=5).status_code == 200)
        # Known last, since it takes requests of its own.
        wait_until(lambda: 'yunxiao_exporter_token_expiry_timestamp_seconds{organization="acme"}' in samples())
        before = samples()
        children = len(daemon._parts.base.stop._children)
        made = daemon._parts.organizations._build

        def broken(one: Any, *others: Any) -> Any:
            if one.config.name == "third":
                raise RuntimeError("a defect")
            return made(one, *others)

        monkeypatch.setattr(daemon._parts.organizations, "_build", broken)
        configure(tmp_path, platform, acme="BC", second="D", third="D")
        with pytest.raises(ReloadError, match="internal error"):
            daemon.reload()
        assert samples() == before
        assert len(daemon._parts.base.stop._children) == children
        assert requests.get(f"{url}/metrics", timeout=5).text.count('internal_errors_total{where="reload"} 1.0') == 1
        monkeypatch.setattr(daemon._parts.organizations, "_build", made)
        daemon.reload()
        assert 'yunxiao_users{organization="second"}' in samples()
    finally:
        daemon.stop()


def test_a_reload_does_not_wait_for_a_disk_that_hangs_under_a_watcher(
    platform: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(tmp_path, platform, acme="A")
    daemon, _ = a_daemon(tmp_path)
    hangs, go = threading.Event(), threading.Event()
    stamp, read = UserFiles.stamp, UserFiles.read

    def watched(self: UserFiles) -> Any:
        return ("changed",) if threading.current_thread().name.startswith("watch ") else stamp(self)

    def hanging(self: UserFiles) -> Any:
        if threading.current_thread().name.startswith("watch "):
            hangs.set()
            go.wait(10)
        return read(self)

    monkeypatch.setattr(UserFiles, "stamp", watched)
    monkeypatch.setattr(UserFiles, "read", hanging)
    daemon.start()
    try:
        assert hangs.wait(10)
        configure(tmp_path, platform, acme="AB")
        reloading = threading.Thread(target=daemon.reload)
        reloading.start()
        reloading.join(3)
        assert not reloading.is_alive()
        go.set()
        # The look at the files that was overtaken does not undo the reload.
        wait_until(lambda: not any(one.name.startswith("watch ") for one in threading.enumerate()))
        acme = daemon._parts.organizations._organizations["acme"]
        assert [user.user_id for user in acme.ledger.users()] == ["A", "B"]
    finally:
        go.set()
        daemon.stop()


def test_the_ledger_of_an_organization_outlives_its_client(platform: Simulator, tmp_path: Path) -> None:
    config = configure(tmp_path, platform, acme="A")
    daemon, url = a_daemon(tmp_path)
    daemon.start()
    try:
        wait_until(lambda: requests.get(f"{url}/-/ready", timeout=5).status_code == 200)
        (ledger,) = daemon._parts.base.store._ledgers
        config.write_text(config.read_text().replace("timeout: 1s", "timeout: 2s"))
        daemon.reload()
        assert daemon._parts.base.store._ledgers == (ledger,)
        assert isinstance(ledger, Ledger)
    finally:
        daemon.stop()


def test_a_reload_after_a_change_of_a_user_file_keeps_each_user_once(platform: Simulator, tmp_path: Path) -> None:
    config = configure(tmp_path, platform, acme="A")
    data = yaml.safe_load(config.read_text())
    data["organizations"][0]["users"] = {"files": ["users.yaml"]}
    config.write_text(yaml.safe_dump(data))
    (tmp_path / "users.yaml").write_text("[{id: A, name: before}]")
    daemon, _ = a_daemon(tmp_path)
    daemon.start()
    try:
        (organization,) = daemon._parts.organizations._organizations.values()
        (tmp_path / "users.yaml").write_text("[{id: A, name: after the change}]")
        organization.check_files()
        daemon._parts.reloader.reload()
        (listed,) = daemon._parts.base.current.value.settings.organizations[0].users
        assert listed.name == "after the change"
        assert organization.ledger.users()[0] is listed
    finally:
        daemon.stop()


def test_a_reload_frees_the_configuration_of_the_start(platform: Simulator, tmp_path: Path) -> None:
    configure(tmp_path, platform, acme="A")
    daemon, _ = a_daemon(tmp_path)
    daemon.start()
    try:
        current = daemon._parts.base.current
        kept = weakref.ref(current.value.settings.organizations[0].config)
        configure(tmp_path, platform, acme="B")
        daemon._parts.reloader.reload()
        gc.collect()
        assert kept() is None
    finally:
        daemon.stop()


def test_concurrent_reloads_over_http_share_a_few_loads(platform: Simulator, tmp_path: Path) -> None:
    config = configure(tmp_path, platform, acme="A")
    loads: list[float] = []

    def slowly() -> Settings:
        loads.append(time.monotonic())
        time.sleep(0.3)
        return load(config, os.environ)

    daemon, url = a_daemon(tmp_path, slowly)
    daemon.start()
    try:
        with ThreadPoolExecutor(20) as pool:
            answers = list(pool.map(lambda _: requests.post(f"{url}/-/reload", timeout=10).status_code, range(20)))
        assert answers == [200] * 20
        assert 1 <= len(loads) <= 3
    finally:
        daemon.stop()


def test_a_dead_or_stuck_thread_makes_the_exporter_unhealthy_by_its_name(platform: Simulator, tmp_path: Path) -> None:
    configure(tmp_path, platform, acme="A")
    daemon, url = a_daemon(tmp_path)
    daemon.start()
    stuck = threading.Event()
    worker = daemon._parts.base.supervisor.worker("lease", lambda: stuck.wait(10) and None, stuck_after=0.1)
    try:
        assert requests.get(f"{url}/-/healthy", timeout=5).status_code == 200
        worker.start()
        wait_until(lambda: requests.get(f"{url}/-/healthy", timeout=5).status_code == 503)
        answer = requests.get(f"{url}/-/healthy", timeout=5).text
        assert re.fullmatch(r"Not healthy: lease has been stuck for \d s\.\n", answer)
        stuck.set()
        wait_until(lambda: requests.get(f"{url}/-/healthy", timeout=5).status_code == 200)
    finally:
        stuck.set()
        worker.stop()
        daemon.stop()


def test_a_stop_overtakes_a_storm_of_reloads_and_writes_the_state(tmp_path: Path) -> None:
    users = [{"id": f"u{number}", "name": f"user {number}"} for number in range(1500)]
    with a_simulator({"u7": [a_record("pt-7")]}) as platform:
        config = configure(tmp_path, platform, acme="")
        data = yaml.safe_load(config.read_text())
        data["organizations"][0]["users"] = {"files": ["users.yaml"]}
        data["poll"]["interval"] = "1h"
        data["poll"]["stale_after"] = "2h"
        (tmp_path / "users.yaml").write_text(yaml.safe_dump(users))
        config.write_text(yaml.safe_dump(data))
        with Exporter(config).ready() as exporter:
            for _ in range(200):
                exporter.signal(signal.SIGHUP)
                time.sleep(0.002)
            started = time.monotonic()
            exporter.signal(signal.SIGTERM)
            assert exporter.ended() == 0
            assert time.monotonic() - started < 5
            assert "takes too long" not in exporter.output
            assert "msg=stopped" in exporter.output.splitlines()[-1]
    assert len([row for row in rows_about(tmp_path, "acme") if row[0] == "users"]) == 1500


def test_a_stop_while_it_starts_ends_in_time(tmp_path: Path, platform: Simulator) -> None:
    config = configure(tmp_path, platform, acme="A")
    for delay in (0.3, 0.6, 0.9):
        with Exporter(config) as exporter:
            time.sleep(delay)
            if exporter.process.poll() is None and exporter.output:
                started = time.monotonic()
                exporter.signal(signal.SIGTERM)
                assert exporter.ended() == 0
                assert time.monotonic() - started < 5
                assert "Traceback" not in exporter.output


def test_a_reload_that_adds_renames_and_removes_organizations_leaves_replicas_their_roles(
    platform: Simulator, redis_server: str, tmp_path: Path
) -> None:
    port = free_port()

    def write(**users: str) -> Path:
        config = configure(tmp_path, platform, **users)
        data = yaml.safe_load(config.read_text()) | {"redis": {"url": f"redis://127.0.0.1:{port}/0", "lease": "1s"}}
        del data["storage"]
        config.write_text(yaml.safe_dump(data))
        return config

    def sweeps(exporter: Exporter, organization: str) -> float:
        return exporter.samples()[f'yunxiao_sweeps_total{{organization="{organization}",result="success"}}']

    with RedisServer(redis_server, tmp_path, port).ready():
        config = write(acme="A", old="B")
        with Exporter(config).ready() as leader, Exporter(config).ready() as standby:
            config = write(acme="A", renamed="B", added="C")
            for one in (leader, standby):
                one.signal(signal.SIGHUP)
            wait_until(lambda: all("configuration reloaded" in one.output for one in (leader, standby)))
            names = ("acme", "renamed", "added")
            wait_until(lambda: min(sweeps(leader, name) for name in names) >= 2)
            assert [sweeps(standby, name) for name in names] == [0, 0, 0]
            up = 'yunxiao_user_up{organization="added",user="C",user_id="C"}'
            wait_until(lambda: standby.samples().get(up) == 1)
            for one, role in ((leader, 1), (standby, 0)):
                assert one.samples()["yunxiao_exporter_leader"] == role
                assert about(one, "old") == []
