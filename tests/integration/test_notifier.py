"""Notifications to an Alertmanager on loopback that accepts, refuses, hangs or is down."""

from __future__ import annotations

import base64
import json
import socket
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
import trustme
from support.alertmanager_stub import Alertmanager, now_text, slowly, text_of
from support.builders import DAY, NOW, a_watchdog
from support.client_certificates import ClientFiles
from support.running import PASSWORD, Exporter, a_record, a_simulator, free_port, wait_until, write_config

from exporter.alerts.notification import Notification
from exporter.alerts.receivers.alertmanager import AlertmanagerReceiver
from exporter.alerts.receivers.base import DeliveryError
from exporter.alerts.receivers.http import HttpTarget
from exporter.alerts.sender import Sender
from exporter.common.cancellation import Stop
from exporter.common.clock import SystemClock
from exporter.common.live_tls import LiveTls, TlsFiles
from exporter.common.redaction import Redactor
from exporter.common.secrets import SecretFile
from exporter.common.worker import Supervisor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path


AHEAD = time.monotonic() + DAY
"""Longer than any test."""


@dataclass
class Counts:
    """What a sender counted."""

    ok: int = 0
    errors: int = 0
    lost: int = 0
    lengths: list[int] = field(default_factory=list)

    def sent(self, _: str, count: int, seconds: float) -> None:
        assert seconds >= 0
        self.ok += count

    def failed(self, _: str, count: int) -> None:
        self.errors += count

    def dropped(self, _: str, count: int) -> None:
        self.lost += count

    def queued(self, _: str, length: int) -> None:
        self.lengths.append(length)

    def firing(self, alerts: Mapping[str, int]) -> None:
        pass

    def internal_error(self, where: str) -> None:
        raise AssertionError(where)


@contextmanager
def a_sender(
    url: str, capacity: int = 1000, longest_pause: float = 30.0, **target: Any
) -> Iterator[tuple[Sender, Counts]]:
    clock, counts = SystemClock(), Counts()
    watchdog = a_watchdog(clock)
    watchdog.start()
    supervisor = Supervisor(counts.internal_error, clock)
    settings = HttpTarget(url, target.pop("timeout", 1.0), **target)
    client = AlertmanagerReceiver(settings, watchdog, clock, Redactor())
    sender = Sender(client, counts, supervisor, Stop(), clock, capacity, longest_pause)
    sender.start()
    try:
        yield sender, counts
    finally:
        sender.stop()
        watchdog.stop()


def notifications(count: int, start: int = 0) -> list[Notification]:
    return [Notification((("alertname", f"a{number}"),), (), NOW, AHEAD) for number in range(start, start + count)]


def test_batches_are_bounded_and_complete() -> None:
    with Alertmanager() as stub, a_sender(stub.url) as (sender, counts):
        sender.put(notifications(600))
        wait_until(lambda: counts.ok == 600)
        assert max(len(batch) for _, batch in stub.posts) == 256
        assert {alert["labels"]["alertname"] for alert in stub.alerts()} == {f"a{number}" for number in range(600)}


def test_one_refused_alert_does_not_drop_the_batch() -> None:
    with Alertmanager() as stub, a_sender(stub.url) as (sender, counts):
        stub.behave = lambda batch: 400 if any(one["labels"]["alertname"] == "a7" for one in batch) else 200
        sender.put(notifications(20))
        wait_until(lambda: counts.ok == 19)
        wait_until(lambda: counts.lost == 1)
        assert "a7" not in {alert["labels"]["alertname"] for alert in stub.alerts()}
        assert counts.errors == 0


def test_transient_failures_are_retried_and_lasting_ones_counted() -> None:
    with Alertmanager() as stub, a_sender(stub.url) as (sender, counts):
        answers = iter([503, 500, 200])
        stub.behave = lambda _: next(answers)
        sender.put(notifications(1))
        wait_until(lambda: counts.ok == 1)
        stub.behave = lambda _: 503
        sender.put(notifications(2))
        wait_until(lambda: counts.errors >= 2)


@pytest.mark.parametrize(("too_large", "most"), [(lambda: 503, 64), (lambda: slowly(0.4), 64)])
def test_a_receiver_that_takes_only_smaller_batches_gets_every_alert(too_large: Callable[[], int], most: int) -> None:
    """It fails for larger ones by an error or by the time that they take: 0.3 s is the limit."""
    batches: list[int] = []
    with Alertmanager() as stub, a_sender(stub.url, capacity=3000, longest_pause=0.1, timeout=0.3) as (sender, counts):

        def behave(batch: list[Any]) -> int:
            batches.append(len(batch))
            return too_large() if len(batch) > most else 200

        stub.behave = behave
        sender.put(notifications(2000))
        wait_until(lambda: counts.ok == 2000)
        first = next(place for place, size in enumerate(batches) if size <= most)
        assert max(batches[first:]) <= most
        assert counts.lost == 0


def test_the_queue_is_bounded_and_dropped_notifications_are_counted() -> None:
    with a_sender(f"http://127.0.0.1:{free_port()}", capacity=100) as (sender, counts):
        started = time.monotonic()
        for start in range(0, 1000, 50):
            sender.put(notifications(50, start))
        assert time.monotonic() - started < 1  # putting never waits
        assert max(counts.lengths) <= 100
        assert counts.lost > 0
        wait_until(lambda: counts.errors > 0)


def test_all_alerts_are_delivered_in_turn_when_more_fire_than_fit() -> None:
    with Alertmanager() as stub, a_sender(stub.url, capacity=100) as (sender, counts):
        for taken in (100, 200):
            # 150 fire, 100 fit: the most recently delivered are dropped
            stub.behave = lambda _: 200
            sender.put(notifications(150))
            wait_until(lambda taken=taken: counts.ok == taken)  # type: ignore[misc]
        assert counts.lost == 100
        assert {alert["labels"]["alertname"] for alert in stub.alerts()} == {f"a{number}" for number in range(150)}


def test_a_renewed_notification_keeps_its_place() -> None:
    release = threading.Event()
    with Alertmanager() as stub, a_sender(stub.url, timeout=10.0) as (sender, counts):
        stub.behave = lambda _: 200 if release.wait(5) else 500
        sender.put(notifications(1, 900))
        wait_until(lambda: counts.lengths[-1:] == [0])
        sender.put(notifications(1))
        sender.put(notifications(100, 1))
        for _ in range(5):
            sender.put(notifications(1))
        release.set()
        wait_until(lambda: counts.ok == 102)
        first_after = stub.posts[1][1]
        assert first_after[0]["labels"]["alertname"] == "a0"


def test_queued_notifications_are_delivered_once_alertmanager_is_back() -> None:
    port = free_port()
    with a_sender(f"http://127.0.0.1:{port}", longest_pause=0.2) as (sender, counts):
        sender.put(notifications(70))
        wait_until(lambda: counts.errors >= 70)
        with Alertmanager(port) as stub:
            wait_until(lambda: counts.ok == 70)
            assert len(stub.alerts()) == 70


def test_out_of_date_notifications_are_not_sent() -> None:
    now, ticks = time.time(), time.monotonic()
    late = [
        Notification((("alertname", "firing"),), (), now - 60, ticks - 1),
        Notification((("alertname", "resolved"),), (), now - 60, ticks - 1, ends_at=now - 30),
    ]
    in_time = Notification((("alertname", "in time"),), (), now - 60, ticks + 60, ends_at=now - 30)
    with Alertmanager() as stub, a_sender(stub.url) as (sender, counts):
        sender.put([*late, in_time])
        wait_until(lambda: counts.ok == 1)
        assert [alert["labels"]["alertname"] for alert in stub.alerts()] == ["in time"]
        assert counts.lost == 2


def test_a_refused_alert_is_sent_once_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    with Alertmanager() as stub, a_sender(stub.url) as (sender, counts):
        stub.behave = lambda batch: 400 if any(one["labels"]["alertname"] == "a0" for one in batch) else 200
        for round_ in range(1, 6):
            sender.put(notifications(2))
            wait_until(lambda round_=round_: counts.ok == round_ and counts.lost == round_)  # type: ignore[misc]
        # the pair, then each half; afterwards only the accepted one
        assert len(stub.headers) == 3 + 4
    assert len([record for record in caplog.records if "alert refused" in record.getMessage()]) == 1


def test_a_newer_notification_replaces_the_queued_one() -> None:
    release = threading.Event()
    with Alertmanager() as stub, a_sender(stub.url, timeout=10.0) as (sender, counts):
        stub.behave = lambda _: 200 if release.wait(5) else 500
        sender.put(notifications(1, 900))
        wait_until(lambda: counts.lengths[-1:] == [0])
        sender.put(notifications(1))
        sender.put([Notification((("alertname", "a0"),), (("summary", "newer"),), NOW, AHEAD)])
        release.set()
        wait_until(lambda: counts.ok == 2)
        assert [alert["annotations"] for alert in stub.alerts("a0")] == [{"summary": "newer"}]


@pytest.mark.parametrize("bearer", [True, False])
def test_credentials_are_read_from_files_for_each_request(tmp_path: Path, bearer: bool) -> None:  # noqa: FBT001
    file = tmp_path / "secret"
    file.write_text("first\n")
    name = None if bearer else "exporter"
    with Alertmanager() as stub, a_sender(stub.url, username=name, secret=SecretFile(file)) as (sender, counts):
        sender.put(notifications(1))
        wait_until(lambda: counts.ok == 1)
        file.write_text(PASSWORD)
        sender.put(notifications(1))
        wait_until(lambda: counts.ok == 2)
    expected = [
        f"Bearer {secret}" if bearer else "Basic " + base64.b64encode(f"exporter:{secret}".encode()).decode()
        for secret in ("first", PASSWORD)
    ]
    assert [headers["Authorization"] for headers in stub.headers] == expected


def test_a_hanging_alertmanager_times_out() -> None:
    clock = SystemClock()
    watchdog = a_watchdog(clock)
    watchdog.start()
    with Alertmanager() as stub:
        stub.behave = lambda _: slowly(3)
        client = AlertmanagerReceiver(HttpTarget(stub.url, 0.4), watchdog, clock, Redactor())
        started = time.monotonic()
        with pytest.raises(DeliveryError, match=r"no answer within 0\.4 s"):
            client.send(notifications(1))
        assert time.monotonic() - started < 1.5
        client.close()
        watchdog.stop()


def test_the_daemon_notifies_every_alertmanager_and_a_dead_one_delays_nothing(tmp_path: Path) -> None:
    # its lifetime is 3,900 s, a tenth of it 390
    tokens = {"A": [a_record("pt-soon", expires_in=300)]}
    dead = f"http://127.0.0.1:{free_port()}"
    with a_simulator(tokens) as platform, Alertmanager() as stub, Alertmanager() as hanging:
        hanging.behave = lambda _: slowly(2)
        config = write_config(tmp_path, platform, "A")
        alerting = {
            "alertmanagers": [{"url": dead}, {"url": stub.url}, {"url": hanging.url, "timeout": "1s"}],
            "resend_interval": "1s",
            "labels": {"team": "platform"},
        }
        config.write_text(config.read_text() + json.dumps({"alerting": alerting})[1:-1])
        with Exporter(config).ready() as exporter:
            wait_until(lambda: len(stub.alerts("TokenExpiring")) >= 4)
            polled = platform.requests("A")
            started = time.monotonic()
            samples = exporter.samples()
            assert time.monotonic() - started < 1
            wait_until(lambda: platform.requests("A") >= polled + 2, 4)
            sent = f'yunxiao_notifications_sent_total{{alertmanager="{stub.url}"}}'
            assert samples[sent] >= 4
            assert samples['yunxiao_alerts_firing{alertname="YunxiaoTokenExpiringCritical"}'] == 1
            wait_until(lambda: exporter.samples()[f'yunxiao_notifications_errors_total{{alertmanager="{dead}"}}'] > 0)
            platform.enterprise.renew("A", "pt-soon", time.time() + 99 * 86400)
            wait_until(lambda: stub.alerts("TokenExpiring")[-1]["endsAt"] < now_text())
    firing = [(at, one) for at, batch in stub.posts for one in batch if one["endsAt"] > text_of(at)]
    assert len({(json.dumps(one["labels"], sort_keys=True), one["startsAt"]) for _, one in firing}) == 1
    gaps = [later[0] - earlier[0] for earlier, later in pairwise(firing)]
    assert max(gaps) < 4  # the lease is four re-sends of a second
    assert all(one["startsAt"] <= text_of(at) for at, one in firing)
    assert firing[0][1]["labels"]["team"] == "platform"


def a_receiver(target: HttpTarget) -> AlertmanagerReceiver:
    clock = SystemClock()
    watchdog = a_watchdog(clock)
    watchdog.start()
    return AlertmanagerReceiver(target, watchdog, clock, Redactor())


def answering(answer: bytes) -> tuple[str, threading.Thread]:
    """A server that reads one request and answers it with these bytes, then closes the connection."""
    listening = socket.create_server(("127.0.0.1", 0))
    listening.settimeout(10)

    def serve() -> None:
        connection, _ = listening.accept()
        with connection, listening:
            connection.settimeout(10)
            received = b""
            while b"]" not in received:
                received += connection.recv(65536)
            connection.sendall(answer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    return f"http://127.0.0.1:{listening.getsockname()[1]}", thread


def test_a_2xx_whose_body_breaks_off_is_a_delivery_too() -> None:
    url, thread = answering(b"HTTP/1.1 202 Accepted\r\nContent-Length: 100\r\n\r\nacc")
    a_receiver(HttpTarget(url, 5)).send(notifications(1))
    thread.join(10)
    url, thread = answering(b"HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n")
    a_receiver(HttpTarget(url, 5)).send(notifications(1))
    thread.join(10)
    url, thread = answering(b"HTTP/1.1 500 Oops\r\nContent-Length: 100\r\n\r\nerr")
    with pytest.raises(DeliveryError):
        a_receiver(HttpTarget(url, 5)).send(notifications(1))
    thread.join(10)


def test_alertmanager_is_shown_the_client_certificate_as_it_is_in_the_files_now(tmp_path: Path) -> None:
    files, stranger = ClientFiles(tmp_path), trustme.CA()
    with Alertmanager() as stub:
        stub.server.socket = files.server().wrap_socket(stub.server.socket, server_side=True)
        url = stub.url.replace("http:", "https:")
        without = a_receiver(HttpTarget(url, 5, tls=LiveTls(TlsFiles(ca_file=files.files.ca_file))))
        with pytest.raises(DeliveryError, match="no delivery: TLS: the server requires a client certificate"):
            without.send(notifications(1))
        files.renew(stranger)
        receiver = a_receiver(HttpTarget(url, 5, tls=files.tls()))
        with pytest.raises(DeliveryError, match=r"no delivery: TLS: the server refused .* \(unknown ca\)"):
            receiver.send(notifications(1))
        files.renew()
        receiver.send(notifications(1, 1))
        # In the moment between two files that are replaced, they do not belong together.
        files.put("key.pem", stranger.issue_cert("x").private_key_pem.bytes())
        receiver.send(notifications(1, 2))
        files.renew()
        receiver.send(notifications(1, 3))
        assert [alert["labels"]["alertname"] for alert in stub.alerts()] == ["a1", "a2", "a3"]


def test_a_configured_proxy_is_used_and_the_environment_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with Alertmanager() as stub:
        a_receiver(HttpTarget(stub.url, 5)).send(notifications(1))
        assert len(stub.posts) == 1
    url, thread = answering(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    # nothing answers there but the proxy
    a_receiver(HttpTarget("http://192.0.2.1:9093", 5, proxies={"http": url})).send(notifications(1))
    thread.join(10)
