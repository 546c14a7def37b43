"""`check-config --probe` as an operator runs it, against simulated platforms and servers that are something else."""

from __future__ import annotations

import re
import ssl
import time
from typing import TYPE_CHECKING, Any

import pytest
import trustme
from support.running import a_record, a_simulator, command, write_config
from support.scripted import ScriptedServer, answer

from exporter.platform.yunxiao.simulator.directory import CALLER_ID
from exporter.platform.yunxiao.simulator.faults import Fault, Quirks

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

    from exporter.platform.yunxiao.simulator.server import Simulator

DISCOVER = {"discover": {"source": "users"}}
OWN = re.compile(
    r"acme: own token: pt-0a1b2c3d4e5f expires in 89d, at 20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\+08:00 \(Asia/Shanghai\)"
)


@pytest.fixture
def platform() -> Iterator[Simulator]:
    with a_simulator({user: [a_record(f"pt-{user}")] for user in "ABC"}) as simulator:
        yield simulator


def probed(folder: Path, platform: Simulator | str, ids: str = "", **changes: Any) -> subprocess.CompletedProcess[str]:
    """Run it for listed users; `changes` go into the organization."""
    config = write_config(folder, platform, ids, **changes)
    return command("check-config", "--config.file", str(config), "--probe")


def test_requests_are_sent_on_request_only(platform: Simulator, tmp_path: Path) -> None:
    config = str(write_config(tmp_path, platform, "", users=DISCOVER))
    result = command("check-config", "--config.file", config)
    assert result.stdout == f"{config}: valid; 1 organization(s), 0 user(s), more to be discovered in 1\n"
    assert platform.requests() == 0


def test_the_caller_its_token_discovery_and_one_discovered_user_are_shown(platform: Simulator, tmp_path: Path) -> None:
    result = probed(tmp_path, platform, users=DISCOVER)
    assert (result.returncode, result.stderr) == (0, "")
    _, caller, own, *others = result.stdout.splitlines()
    assert caller == f"acme: caller: 管理员 ({CALLER_ID})"
    assert OWN.fullmatch(own)
    assert others == ["acme: discovery: 3 user(s): A, B, C", "acme: tokens of A (A): 1"]
    platform.faults.quirks = Quirks(older_caller=True)
    assert "管理员" in probed(tmp_path, platform, users=DISCOVER).stdout


def test_every_listed_user_is_asked_for_and_those_that_fail_are_named(platform: Simulator, tmp_path: Path) -> None:
    platform.faults.for_user("B", Fault.parse("404"))
    platform.faults.for_user("/platform/user", Fault.parse("403"))
    users = {"static": [*({"id": one} for one in "ABC"), {"id": "3001****-41ad", "name": "li.wei"}]}
    result = probed(tmp_path, platform, users=users)
    assert result.returncode == 1
    _, caller, tokens = result.stdout.splitlines()
    assert caller.startswith("acme: caller: this token may not ask for it (HTTP 403 Forbidden")
    assert tokens == "acme: tokens: 2 of 4 users can be polled, they have 2 token(s)"
    warning, masked, unknown = result.stderr.splitlines()
    assert "warning: organizations[0].users: user ids with * are masked" in warning
    assert masked == "acme: tokens of li.wei (3001****-41ad): the id is masked; write the whole id"
    assert unknown.startswith("acme: tokens of B (B): failed: not_found: HTTP 404 ")


def test_the_allowed_rate_holds(platform: Simulator, tmp_path: Path) -> None:
    begin = time.monotonic()
    result = probed(tmp_path, platform, "ABC", limits={"requests_per_second": 4, "concurrency": 8})
    # Five requests: the caller, its tokens, three users. The last one starts a second after the first.
    assert (result.returncode, platform.requests()) == (0, 5)
    assert time.monotonic() - begin >= 1.0
    assert platform.busiest_second() <= 5


def test_empty_lists_of_all_users_and_an_own_token_that_ends_soon_are_warnings(tmp_path: Path) -> None:
    with a_simulator({"A": [], "B": []}) as platform:
        platform.own_expires_at = time.time() + 86400 + 600
        result = probed(tmp_path, platform, "AB")
    assert result.returncode == 0
    own, empty = result.stderr.splitlines()
    assert own.startswith("warning: acme: own token: pt-0a1b2c3d4e5f expires in 1d, at ")
    assert own.endswith("; create its successor")
    assert empty.startswith("warning: acme: tokens: the platform lists no token of 2 listed user(s); it may answer so ")


def test_https_to_a_port_that_speaks_plain_http(platform: Simulator, tmp_path: Path) -> None:
    result = probed(tmp_path, platform.url.replace("http://", "https://"), "AB")
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith(
        "acme: caller: failed: tls: TLS: the port does not speak HTTPS, probably plain HTTP: write http:// in endpoint"
    )


def test_plain_http_to_a_port_that_speaks_https(tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("localhost").configure_cert(context)
    with a_simulator({}, tls=context) as platform:
        result = probed(tmp_path, platform.url.replace("https://", "http://"), "AB")
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith(
        "acme: caller: failed: connection: connection failed: closed by the server without an answer"
    )
    assert "if the port speaks HTTPS, write https:// in endpoint" in line


NGINX = answer(b"<center>The plain HTTP request was sent to HTTPS port</center>", "400 Bad Request")
TLS_ALERT = b"\x15\x03\x01\x00\x02\x02\x46"
"""A fatal alert, protocol_version (RFC 8446, section 6)."""


@pytest.mark.parametrize(
    ("script", "reason"),
    [(NGINX, "invalid_response: HTTP 400, the port"), (TLS_ALERT, "connection: the port")],
)
def test_a_server_that_refuses_plain_http_in_words_or_by_a_tls_alert(
    script: bytes, reason: str, tmp_path: Path
) -> None:
    # After the alert the connection stays open without a complete line.
    with ScriptedServer(lambda _: script + b"\r\n") as server:
        result = probed(tmp_path, server.url, "A")
    assert result.returncode == 1
    assert (
        f"acme: caller: failed: {reason} speaks HTTPS, not plain HTTP: write https:// in endpoint"
        in result.stderr.splitlines()[0]
    )
