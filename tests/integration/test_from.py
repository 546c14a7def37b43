"""`tokens`, `report` and `events` from a running exporter or its state file, instead of a sweep."""

from __future__ import annotations

import contextlib
import json
import shutil
import sqlite3
from typing import TYPE_CHECKING

import bcrypt
import pytest
import trustme
import yaml
from support.commands import run
from support.running import PASSWORD, Exporter, a_record, a_simulator, wait_until, write_config

from exporter.platform.yunxiao.simulator.faults import Fault
from exporter.state.sqlite import make_tables

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from exporter.platform.yunxiao.simulator.server import Simulator

SOON = a_record("pt-soon", expires_in=2 * 86400 + 3600, name="<img src=x onerror=alert(1)>")
NEVER = a_record("pt-never", expires_in=None, name="=cmd|' /C calc'!A0")


@pytest.fixture
def platform() -> Iterator[Simulator]:
    with a_simulator({"A": [SOON], "B": [NEVER], "C": []}) as simulator:
        yield simulator


def with_storage(config: Path) -> Path:
    config.write_text(
        config.read_text() + "storage: {path: state.db}\npolicies: {never_expires: {severity: critical}}\n"
    )
    return config


def tokens(*arguments: str) -> list[dict[str, object]]:
    """The list, without the seconds left, which differ from call to call."""
    result = run("tokens", *arguments, "--output", "json")
    assert (result.returncode, result.stderr) == (0, "")
    found: list[dict[str, object]] = json.loads(result.stdout)
    return [{key: value for key, value in one.items() if key != "expires_in_seconds"} for one in found]


def test_a_running_exporter_and_its_state_file_say_what_a_sweep_says(platform: Simulator, tmp_path: Path) -> None:
    config = with_storage(write_config(tmp_path, platform, "ABC"))
    state = tmp_path / "state.db"
    with Exporter(config) as exporter:
        exporter.ready()
        swept = tokens("-c", str(config))
        wait_until(lambda: state.exists() and "pt-never" in run("tokens", "--from", str(state)).stdout)
        for source in (exporter.url, f"{exporter.url}/", str(state)):
            assert tokens("--from", source) == swept
            filtered = run("tokens", "--from", source, "--user", "b", "--state", "never_expires", "-o", "json")
            assert [one["token_id"] for one in json.loads(filtered.stdout)] == ["pt-never"]
            assert run("tokens", "--from", source, "--expires-within", "7d").returncode == 1
            assert run("tokens", "--from", source, "--expires-within", "1h").returncode == 0
            audit = run("tokens", "--from", source, "--policy", "-c", str(config), "-o", "json")
            assert (audit.returncode, [one["token_id"] for one in json.loads(audit.stdout)]) == (1, ["pt-never"])
            report = json.loads(run("report", "--from", source, "-c", str(config), "-o", "json").stdout)
            assert report["violations_by_policy"] == [{"policy": "never_expires", "severity": "critical", "count": 1}]
    # The state file of an exporter that has ended, also where nothing can be written beside it.
    copy = tmp_path / "copy"
    copy.mkdir()
    shutil.copy(state, copy / "state.db")
    copy.chmod(0o555)
    assert "pt-never" in run("tokens", "--from", str(copy / "state.db")).stdout


def test_a_state_file_knows_the_users_that_fail(platform: Simulator, tmp_path: Path) -> None:
    platform.faults.for_user("B", Fault.parse("403"))
    config = with_storage(write_config(tmp_path, platform, "ABC"))
    state = tmp_path / "state.db"
    with Exporter(config) as exporter:
        exporter.ready()
        wait_until(lambda: "forbidden" in run("tokens", "--from", str(state)).stderr)
        result = run("tokens", "--from", str(state))
        assert result.returncode == 3
        assert "acme: B (B): forbidden: " in result.stderr
        assert run("tokens", "--from", str(state), "--allow-failed", "1").returncode == 0


def test_tls_and_basic_auth_of_a_running_exporter(platform: Simulator, tmp_path: Path) -> None:
    authority = trustme.CA()
    server = authority.issue_cert("127.0.0.1")
    server.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    server.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    web = tmp_path / "web.yml"
    web.write_text(
        yaml.safe_dump(
            {
                "tls_server_config": {"cert_file": "cert.pem", "key_file": "key.pem"},
                "basic_auth_users": {"prom": hashed},
            }
        )
    )
    (tmp_path / "auth").write_text(f"prom:{PASSWORD}\n")
    (tmp_path / "wrong").write_text("prom:no\n")
    with Exporter(write_config(tmp_path, platform, "AB"), "--web.config.file", str(web)) as exporter:
        wait_until(lambda: "sweep completed" in exporter.output)
        url = exporter.url.replace("http:", "https:")
        known = ("--from-ca-file", str(tmp_path / "ca.pem"))
        result = run("tokens", "--from", url, *known, "--from-auth-file", str(tmp_path / "auth"), "-o", "csv")
        assert (result.returncode, result.stderr) == (0, "")
        assert "pt-soon" in result.stdout
        # Each hint, obeyed, works: as above.
        without = run("tokens", "--from", url, "--from-auth-file", str(tmp_path / "auth"))
        assert (without.returncode, "--from-ca-file" in without.stderr) == (2, True)
        for wrong, hint in (
            ((), "name a file that contains USER:PASSWORD with --from-auth-file"),
            (("--from-auth-file", str(tmp_path / "wrong")), "check user and password in the file of --from-auth-file"),
        ):
            refused = run("tokens", "--from", url, *known, *wrong)
            assert refused.returncode == 2
            assert f"HTTP 401; {hint}" in refused.stderr
            assert PASSWORD not in refused.stderr
        plain = run("tokens", "--from", exporter.url)
        assert plain.returncode == 2
        assert "check the address, http or https, and that the exporter is running" in plain.stderr


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("http://127.0.0.1:1", "check the address, http or https, and that the exporter is running"),
        ("http://[", "is not a valid address; write it as http://host:10097"),
        ("ftp://host", "write http://host:port or https://host:port"),
        ("http://user:secret@host", "without a user and password"),
        ("/nowhere/state.db", "cannot be read: No such file or directory; check the path"),
        ("README.md", "is not a readable state file; name the file of storage.path"),
        ("exporter", "is not a regular file"),
    ],
)
@pytest.mark.parametrize("name", ["tokens", "report", "events"])
def test_a_source_that_cannot_be_read_says_why_and_exits_with_2(name: str, source: str, words: str) -> None:
    arguments = [name, "--from", source, *(["--output", "json"] if name == "report" else [])]
    result = run(*arguments)
    assert result.returncode == 2
    assert words in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("name", ["tokens", "report", "events"])
def test_an_empty_file_is_no_state_file(name: str, tmp_path: Path) -> None:
    state = tmp_path / "state.db"
    state.touch()
    result = run(name, "--from", str(state), *(["--output", "json"] if name == "report" else []))
    assert (result.returncode, result.stdout) == (2, "")
    assert "is empty; name the file of storage.path" in result.stderr
    assert state.read_bytes() == b""


@pytest.mark.parametrize("name", ["tokens", "report"])
def test_a_state_file_from_before_the_first_sweep_is_no_result(name: str, tmp_path: Path) -> None:
    state = tmp_path / "state.db"
    with contextlib.closing(sqlite3.connect(state)) as connection:
        make_tables(connection)
    result = run(name, "--from", str(state), *(["--output", "json"] if name == "report" else []))
    assert (result.returncode, result.stdout) == (2, "")
    assert "contains no users yet; try again after the first sweep" in result.stderr


def test_users_of_a_state_file_that_cannot_be_read_count_as_failed(platform: Simulator, tmp_path: Path) -> None:
    state = tmp_path / "state.db"
    with Exporter(with_storage(write_config(tmp_path, platform, "ABC"))) as exporter:
        exporter.ready()
        wait_until(lambda: state.exists() and "pt-never" in run("tokens", "--from", str(state)).stdout)
    with contextlib.closing(sqlite3.connect(state)) as connection:
        connection.execute("UPDATE users SET state = x'ff' WHERE user_id = 'B'")
        connection.commit()
    result = run("tokens", "--from", str(state))
    assert (result.returncode, "pt-soon" in result.stdout) == (3, True)
    assert f"{state}: 1 user(s) cannot be read" in result.stderr
    assert run("tokens", "--from", str(state), "--allow-failed", "1").returncode == 0


def test_another_server_is_no_exporter(platform: Simulator) -> None:
    result = run("tokens", "--from", platform.url)
    assert result.returncode == 2
    assert "check that the address is that of the exporter" in result.stderr


def test_events_from_a_running_exporter_and_its_state_file(platform: Simulator, tmp_path: Path) -> None:
    config = with_storage(write_config(tmp_path, platform, "ABC"))
    state = tmp_path / "state.db"
    with Exporter(config) as exporter:
        exporter.ready()
        assert run("events", "--from", exporter.url).stdout == "No events to list.\n"
        platform.enterprise.set_tokens("C", [a_record("pt-new")])
        wait_until(lambda: "created" in run("events", "--from", exporter.url).stdout)
        (event,) = json.loads(run("events", "--from", exporter.url, "-o", "json").stdout)
        assert (event["event"], event["user_id"], event["token_id"]) == ("created", "C", "pt-new")
        assert run("events", "--from", exporter.url, "--change", "deleted").stdout == "No events to list.\n"
        wait_until(lambda: "created" in run("events", "--from", str(state)).stdout)
        assert json.loads(run("events", "--from", str(state), "-o", "json").stdout) == [event]
    assert run("events").returncode == 2
    assert "events have no format ics" in run("events", "--from", str(state), "--output", "ics").stderr
