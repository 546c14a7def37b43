"""The daemon against a platform whose answers are as large as they can be."""

from __future__ import annotations

import contextlib
import gzip
import json
import re
import signal
import sqlite3
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

import structlog
import yaml
from support.builders import Counts, a_user, a_watchdog
from support.running import ADMIN_TOKEN, Exporter, get, wait_until, write_config
from support.serving import serving
from support.updates import calls

from exporter.common.cancellation import Stop
from exporter.common.clock import SystemClock
from exporter.common.secrets import Secret, SecretValue
from exporter.common.worker import Supervisor
from exporter.model.event import Event, events
from exporter.platform.limits import RequestLimits
from exporter.platform.pacing import Pacer
from exporter.platform.yunxiao.client import Target, YunxiaoClient
from exporter.polling.sweep import Sweeper, SweepSettings
from exporter.state.audit import AuditTrail
from exporter.state.ledger import Ledger
from exporter.state.storage import Storage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from exporter.model.snapshot import Sweep
    from exporter.model.state import UserState

GOOD = [{"tokenId": "pt-1", "name": "ci", "permissions": ["base_user_read"], "createdAt": "2026-06-01T00:00:00.000Z"}]
Body = tuple[bytes, str | None]
"""A body and its encoding."""


@contextlib.contextmanager
def a_platform(answer: Callable[[str], Body]) -> Iterator[str]:
    """A server that gives each user the answer to the user's id; its address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            user = parse_qs(urlsplit(self.path).query).get("userId", [""])[0]
            body, encoding = answer(user) if user else (b"{}", None)
            with contextlib.suppress(OSError):
                self.send_response(200 if user else 404)
                self.send_header("Content-Length", str(len(body)))
                if encoding is not None:
                    self.send_header("Content-Encoding", encoding)
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with serving(Handler) as address:
        yield address


def with_storage(config: Path) -> Path:
    content = yaml.safe_load(config.read_text())
    config.write_text(yaml.safe_dump(content | {"storage": {"path": "state.db"}}))
    return config


def peak_of(exporter: Exporter) -> float:
    """The most memory that the process has had, in MB."""
    status = Path(f"/proc/{exporter.process.pid}/status").read_text("ascii")
    return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1000  # type: ignore[index]


def last_message_of(exporter: Exporter) -> str:
    """The last message of the log."""
    return str(re.findall(r"msg=(\S+)", exporter.output)[-1])


def slowest_probe(exporter: Exporter, seconds: float) -> float:
    """How long the slowest of many probes took."""
    slowest, end = 0.0, time.monotonic() + seconds
    while time.monotonic() < end:
        started = time.monotonic()
        assert exporter.answers("/-/healthy")
        slowest = max(slowest, time.monotonic() - started)
        time.sleep(0.02)
    return slowest


def last_success(exporter: Exporter, user: str) -> float:
    return exporter.samples()[
        f'yunxiao_user_last_success_timestamp_seconds{{organization="acme",user="{user}",user_id="{user}"}}'
    ]


def test_answers_that_inflate_cost_nobody_but_their_users_anything(tmp_path: Path) -> None:
    bomb = gzip.compress(b"[" + b"{}," * (32 * 1024 * 1024 // 3) + b"{}]", 9)
    assert len(bomb) < 200_000
    good = json.dumps(GOOD).encode()
    bad = [f"bad{number}" for number in range(8)]
    with a_platform(lambda user: (bomb, "gzip") if user in bad else (good, None)) as url:
        config = write_config(tmp_path, url, [*bad, "good"], poll={"interval": "1s", "timeout": "10s"})
        with Exporter(config).ready() as exporter:
            assert slowest_probe(exporter, 3.0) < 1.0
            assert time.time() - last_success(exporter, "good") < 4.0
            failure = exporter.samples()[
                'yunxiao_user_failure{organization="acme",reason="invalid_response",user="bad0",user_id="bad0"}'
            ]
            assert failure == 1
            assert "the answer is larger than 8 MiB" in get(exporter.url + "/").text
            assert peak_of(exporter) < 250
            exporter.signal(signal.SIGTERM)
            assert exporter.ended(within=5.0) == 0


def test_what_is_known_is_written_if_the_end_comes_while_large_answers_are_read(tmp_path: Path) -> None:
    entry = {"description": "d" * 200, "permissions": ["base_user_read"], "expiredAt": "2036-06-01T00:00:00.000Z"}
    large = json.dumps([entry | {"tokenId": f"pt-{number}", "name": f"n{number}"} for number in range(19_000)]).encode()
    assert 5_000_000 < len(large) < 8_000_000
    users = [f"u{number}" for number in range(8)]
    with a_platform(lambda _: (large, None)) as url:
        config = with_storage(write_config(tmp_path, url, users, poll={"interval": "1s", "timeout": "10s"}))
        with Exporter(config) as exporter:
            wait_until(lambda: exporter.answers("/-/ready"), within=30.0)
            left_out = 'yunxiao_user_tokens_left_out{organization="acme",user="u0",user_id="u0"}'
            assert exporter.samples()[left_out] == 18_000
            assert "whose other tokens are only counted: 8." in get(exporter.url + "/").text
            answer = get(f"{exporter.url}/api/v1/tokens")
            assert (len(answer.json()), answer.headers["X-Tokens-Left-Out"]) == (8000, "144000")
            before = min(last_success(exporter, user) for user in users)
            assert slowest_probe(exporter, 2.0) < 1.0
            exporter.signal(signal.SIGTERM)
            assert exporter.ended(within=5.0) == 0
            assert last_message_of(exporter) == "stopped"
    with contextlib.closing(sqlite3.connect(tmp_path / "state.db")) as connection:
        rows = connection.execute("SELECT user_id, length(state), state FROM users").fetchall()
    assert {user for user, _, _ in rows} == set(users)
    # 1,000 tokens of some 150 bytes, and descriptions of 200
    assert all(size < 400_000 for _, size, _ in rows)
    assert before > 0


def test_a_reload_changes_how_many_tokens_of_a_user_are_kept(tmp_path: Path) -> None:
    listed = json.dumps([GOOD[0] | {"tokenId": f"pt-{number}"} for number in range(5)]).encode()
    left_out = 'yunxiao_user_tokens_left_out{organization="acme",user="u",user_id="u"}'
    with a_platform(lambda _: (listed, None)) as url:
        config = write_config(tmp_path, url, ["u"])
        content = yaml.safe_load(config.read_text())
        config.write_text(yaml.safe_dump(content | {"metrics": {"max_tokens_per_user": 2}}))
        with Exporter(config).ready() as exporter:
            assert exporter.samples()[left_out] == 3
            config.write_text(yaml.safe_dump(content | {"metrics": {"max_tokens_per_user": 4}}))
            exporter.signal(signal.SIGHUP)
            wait_until(lambda: exporter.samples()[left_out] == 1)
            config.write_text(yaml.safe_dump(content))
            exporter.signal(signal.SIGHUP)
            wait_until(lambda: left_out not in exporter.samples())
            events_found = get(f"{exporter.url}/api/v1/events").json()
            assert events_found == []


class Recorder:
    """Does what the daemon does with changes: events to the trail, states to the storage."""

    def __init__(self, trail: AuditTrail, storage: Storage) -> None:
        self.trail = trail
        self.storage = storage

    def changed(self, organization: str, before: UserState, state: UserState) -> None:
        found: tuple[Event, ...] = events(organization, before, state)
        self.storage.record(organization, state, found)
        self.trail.record(found)

    def swept(self, organization: str, sweep: Sweep) -> None:
        self.storage.swept(organization, sweep)

    def own_token(self, organization: str, expires_at: float | None) -> None:
        raise AssertionError((organization, expires_at))


def test_names_of_5_mb_that_change_with_each_poll_leave_log_and_state_small(tmp_path: Path) -> None:
    polls = iter(range(1000))

    def answer(_: str) -> Body:
        return json.dumps([{"tokenId": "pt-1", "name": f"{next(polls)} " + "n" * 5_000_000}]).encode(), None

    clock, stop, counts = SystemClock(), Stop(), Counts()
    watchdog = a_watchdog(clock)
    watchdog.start()
    supervisor = Supervisor(counts.internal_error, clock)
    storage = Storage(tmp_path / "state.db", lambda: None, lambda _: None, supervisor)
    storage.claim()
    storage.load()
    storage.start()
    ledger = Ledger("acme", [a_user()], publish=calls(Recorder(AuditTrail(lambda _: None), storage)))
    with a_platform(answer) as url, structlog.testing.capture_logs() as lines:
        target = Target(url, ZoneInfo("UTC"), 10.0, 8, 60.0)
        gate = RequestLimits(Pacer(None, clock), 8)
        secret = SecretValue(Secret(ADMIN_TOKEN))
        client = YunxiaoClient(target, secret, gate, counts, watchdog, clock, redact=str)
        sweeper = Sweeper(ledger, client, counts, stop, clock, SweepSettings(1, 60.0, spread=False))
        for _ in range(50):
            sweeper.sweep()
        client.close()
    watchdog.stop()
    storage.stop()
    assert next(polls) == 50
    assert ledger.view().users[0].tokens[0].name == "49 " + "n" * 252 + "…"
    renamed = [line for line in lines if line.get("change") == "renamed"]
    assert len(renamed) == 49
    assert sum(len(repr(line)) for line in lines) < 1_000_000 / 10
    assert sum(file.stat().st_size for file in tmp_path.glob("state.db*")) < 1_000_000
    assert counts.of("truncated") == [("truncated", "name", 1)] * 50
