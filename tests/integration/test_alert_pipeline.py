"""The alert pipeline over reloads and standby, and the cost of a failing Alertmanager."""

from __future__ import annotations

import base64
import gc
import json
import os
import threading
import time
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.alertmanager_stub import Alertmanager, slowly
from support.builders import DAY, a_token, a_watchdog
from support.running import PASSWORD, free_port, wait_until

from exporter.alerts.evaluator import Evaluator
from exporter.alerts.notification import Notification
from exporter.alerts.notifier import Notifier
from exporter.alerts.pipeline import AlertPipeline
from exporter.alerts.receivers.alertmanager import AlertmanagerReceiver
from exporter.alerts.receivers.base import DeliveryError
from exporter.alerts.receivers.http import HttpTarget
from exporter.alerts.sender import Sender
from exporter.alerts.senders import Senders
from exporter.alerts.tracker import Tracker
from exporter.common.cancellation import Stop
from exporter.common.clock import SystemClock
from exporter.common.redaction import Redactor
from exporter.common.secrets import Secret, SecretFile, SecretValue
from exporter.common.worker import Supervisor
from exporter.config.document import read_yaml
from exporter.config.load import load_document
from exporter.model.user import User
from exporter.state.ledger import Ledger
from exporter.state.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from exporter.config.schema import Config
    from exporter.config.settings import Settings
    from exporter.http.session import Watchdog
    from exporter.model.kept_alert import KeptAlert, KeptChanges

REDACTOR = Redactor()


class Counts:
    """Counts of notifications, by Alertmanager where that matters."""

    def __init__(self) -> None:
        self.ok: dict[str, int] = {}
        self.errors = self.lost = 0
        self.lengths: list[int] = []
        self.fires: list[int] = []
        self.crashes: list[str] = []

    def sent(self, alertmanager: str, count: int, seconds: float) -> None:
        assert seconds >= 0
        self.ok[alertmanager] = self.ok.get(alertmanager, 0) + count

    def failed(self, _: str, count: int) -> None:
        self.errors += count

    def dropped(self, _: str, count: int) -> None:
        self.lost += count

    def queued(self, _: str, length: int) -> None:
        self.lengths.append(length)

    def firing(self, alerts: Mapping[str, int]) -> None:
        self.fires.append(sum(alerts.values()))

    def internal_error(self, where: str) -> None:
        self.crashes.append(where)


class Bench:
    """The pipeline with a store of one user, and nothing else of the daemon."""

    def __init__(self, folder: Path, watchdog: Watchdog, clock: SystemClock) -> None:
        self.folder, self.counts, self.store, self.stop = folder, Counts(), Store(), Stop()
        self.kept: list[KeptAlert] = []
        self.ledger = Ledger("acme", [User("3001", "li.wei")], since=time.time())
        self.store.replace([self.ledger])
        supervisor = Supervisor(self.counts.internal_error, clock)
        self.alerting = AlertPipeline(
            Evaluator(self.store, lambda: None, dict, self.counts.internal_error),
            Notifier(Tracker(), self.counts, supervisor, self.stop, clock, self._keep),
            Senders(self.counts, watchdog, supervisor, self.stop, clock),
            self.counts,
        )
        self.alerting.begin()

    def _keep(self, changes: KeptChanges) -> None:
        gone = {*changes.dropped, *(one.labels for one in (self.kept if changes.complete else changes.alerts))}
        self.kept = [one for one in self.kept if one.labels not in gone] + [*changes.alerts]

    def settings(self, *alertmanagers: dict[str, Any], resend: str = "1s", **alerting: Any) -> Settings:
        (self.folder / "token").write_text("pt-x_y\n")
        organization = {
            "name": "acme",
            "endpoint": "http://127.0.0.1:9",
            "token_file": "token",
            "users": {"static": [{"id": "3001", "name": "li.wei"}]},
        }
        section = {"alertmanagers": list(alertmanagers), "resend_interval": resend} | alerting
        file = self.folder / "config.yaml"
        file.write_text(json.dumps({"organizations": [organization], "alerting": section}))
        return load_document(read_yaml(file, "config.yaml"), self.folder, {}, REDACTOR)

    def tokens(self, *expired: str) -> None:
        now = time.time()
        tokens = [a_token(token_id, name=token_id) for token_id in expired]
        aged = tuple(type(one)(one.token_id, one.name, (), now - 9 * DAY, now - DAY) for one in tokens)
        self.ledger.succeeded("3001", aged, now)


@contextmanager
def a_bench(folder: Path) -> Iterator[Bench]:
    clock = SystemClock()
    watchdog = a_watchdog(clock)
    watchdog.start()
    bench = Bench(folder, watchdog, clock)
    try:
        yield bench
    finally:
        bench.stop.set()
        bench.alerting.stop()
        watchdog.stop()
        assert bench.counts.crashes == []


def names(stub: Alertmanager) -> list[str]:
    return [alert["labels"]["token"] for alert in stub.alerts()]


def test_reloads_never_run_two_evaluations_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inside, most, rounds, lock = 0, 0, 0, threading.Lock()

    def slow(self: Evaluator, config: Config, now: float, applied: int | None) -> Any:
        nonlocal inside, most, rounds
        with lock:
            inside, rounds = inside + 1, rounds + 1
            most = max(most, inside)
        time.sleep(0.05)
        found = original(self, config, now, applied)
        with lock:
            inside -= 1
        return found

    original = Evaluator.evaluate
    monkeypatch.setattr(Evaluator, "evaluate", slow)
    with Alertmanager() as stub, a_bench(tmp_path) as bench:
        settings = [bench.settings({"url": stub.url}, labels={"team": team}) for team in ("a", "b")]
        for number in range(20):
            bench.alerting.put_in_force(settings[number % 2])
            time.sleep(0.02)
        wait_until(lambda: rounds >= 5)
    assert most == 1


def test_queued_notifications_outlive_a_reload(tmp_path: Path) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with a_bench(tmp_path) as bench:
        bench.tokens("pt-a", "pt-b")
        bench.alerting.put_in_force(bench.settings({"url": url}, resend="1h"))
        wait_until(lambda: bench.counts.errors >= 2)
        bench.tokens("pt-b")
        # Nothing is due for an hour, so what arrives has waited: the same sender, then one with another time limit.
        bench.alerting.put_in_force(bench.settings({"url": url}, resend="1h"))
        bench.alerting.put_in_force(bench.settings({"url": url, "timeout": "5s"}, resend="1h"))
        with Alertmanager(port) as stub:
            wait_until(lambda: sorted(names(stub)) == ["pt-a", "pt-b"])


def test_an_alertmanager_with_unchanged_settings_keeps_its_sender(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(PASSWORD)
    with Alertmanager() as first, Alertmanager() as second, a_bench(tmp_path) as bench:
        bench.tokens("pt-a")
        one = {"url": first.url, "basic_auth": {"username": "u", "password_file": "secret"}}
        bench.alerting.put_in_force(bench.settings(one, {"url": second.url}))
        wait_until(lambda: bench.counts.ok.get(first.url, 0) + bench.counts.ok.get(second.url, 0) >= 2)
        before = list(bench.alerting._senders)
        bench.alerting.put_in_force(bench.settings(one, {"url": second.url, "timeout": "3s"}, labels={"team": "x"}))
        after = list(bench.alerting._senders)
        assert (after[0] is before[0], after[1] is before[1]) == (True, False)


def test_reloads_leave_no_thread_behind(tmp_path: Path) -> None:
    with Alertmanager() as stub, a_bench(tmp_path) as bench:
        bench.tokens("pt-a")
        for number in range(12):
            before = bench.counts.ok.get(stub.url, 0)
            # other labels, so that there is something to send; every second time another sender
            one = {"url": stub.url, "timeout": f"{number // 2 + 1}s"}
            bench.alerting.put_in_force(bench.settings(one, labels={"team": str(number)}))
            wait_until(lambda before=before: bench.counts.ok.get(stub.url, 0) > before)  # type: ignore[misc]
            mine = [thread.name for thread in threading.enumerate() if thread.name in {"alerts", "notify"}]
            assert sorted(mine) == ["alerts", "notify"]


def test_a_standby_sends_nothing_and_later_continues_with_its_queue(tmp_path: Path) -> None:
    port = free_port()
    with a_bench(tmp_path) as bench:
        bench.tokens("pt-a")
        settings = bench.settings({"url": f"http://127.0.0.1:{port}"}, resend="1h")
        bench.alerting.put_in_force(settings)
        wait_until(lambda: bench.counts.errors >= 1)
        bench.alerting.stand_by(standby=True)
        assert bench.counts.fires[-1] == 0
        with Alertmanager(port) as stub:
            time.sleep(1.0)
            bench.alerting.put_in_force(settings)
            time.sleep(0.3)
            assert stub.headers == []
            # Another replica polled: in the meantime the token was renewed.
            bench.tokens()
            bench.alerting.stand_by(standby=False)
            wait_until(stub.alerts)
            assert [alert["endsAt"] > alert["startsAt"] for alert in stub.alerts()] == [True]
            assert stub.alerts()[0]["endsAt"] <= time.strftime("%Y-%m-%dT%H:%M:%S.999Z", time.gmtime())


def test_a_resolved_alert_that_was_not_delivered_is_sent_after_a_restart(tmp_path: Path) -> None:
    dead = {"url": f"http://127.0.0.1:{free_port()}"}
    with a_bench(tmp_path) as first:
        first.tokens("pt-a")
        first.alerting.put_in_force(first.settings(dead))
        wait_until(lambda: first.kept)
        first.tokens()
        wait_until(lambda: first.kept[0].ends_at is not None)
    with Alertmanager() as stub, a_bench(tmp_path) as second:
        second.alerting.restore(first.kept)
        second.tokens()
        second.alerting.put_in_force(second.settings({"url": stub.url}))
        wait_until(stub.alerts)
        alert = stub.alerts()[0]
        assert "pt-a" in alert["annotations"]["description"]
        assert alert["startsAt"] < alert["endsAt"]


@contextmanager
def a_client(url: str, **target: Any) -> Iterator[AlertmanagerReceiver]:
    clock = SystemClock()
    watchdog = a_watchdog(clock)
    watchdog.start()
    client = AlertmanagerReceiver(HttpTarget(url, **({"timeout": 1.0} | target)), watchdog, clock, Redactor())
    try:
        yield client
    finally:
        client.close()
        watchdog.stop()


def some(count: int = 1) -> list[Notification]:
    ticks = time.monotonic()
    return [Notification((("alertname", f"a{number}"),), (), time.time() - 60, ticks + 240) for number in range(count)]


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_2xx_is_success(status: int) -> None:
    with Alertmanager() as stub, a_client(stub.url) as client:
        stub.behave = lambda _: status
        client.send(some())


@pytest.mark.parametrize(("status", "refused"), [(302, False), (400, True), (403, False), (413, True), (500, False)])
def test_any_other_status_is_a_failure(status: int, refused: bool) -> None:  # noqa: FBT001
    with Alertmanager() as stub, a_client(stub.url) as client:
        stub.behave = lambda _: status
        with pytest.raises(DeliveryError, match=f"HTTP {status}") as caught:
            client.send(some())
        assert (caught.value.refused, caught.value.answered) == (refused, True)


@pytest.mark.parametrize("name", ["exporter", None])
def test_an_answer_that_repeats_the_credentials_is_redacted(name: str | None) -> None:
    password = "am5" + "S3cretPa55QQ" * 3
    pair = base64.b64encode(f"exporter:{password}".encode()).decode()
    secret = SecretValue(Secret(password))
    with Alertmanager() as stub, a_client(stub.url, username=name, secret=secret) as client:
        stub.behave = lambda _: 400
        for padding in range(150, 200):
            stub.answer = lambda headers, padding=padding: "x" * padding + f" {headers['Authorization']}" * 40
            with pytest.raises(DeliveryError) as caught:
                client.send(some())
            shown = str(caught.value)
            assert "xxx" in shown
            assert len(shown) <= 220
            for one in (password, pair):
                # no part of it either
                assert not any(one[start : start + 6] in shown for start in range(len(one) - 6))


def test_the_clock_of_alertmanager_is_read_from_its_answers() -> None:
    resolved = Notification((("alertname", "a"),), (), time.time() - 60, time.monotonic() + 240, ends_at=time.time())
    with Alertmanager() as stub, a_client(stub.url) as client:
        stub.ahead = -90
        client.send([resolved])
        client.send([resolved])
        stub.ahead = 600
        client.send(some())
        client.send(some())
        stub.ahead = 90_000  # more than a day: ignored
        client.send(some())
        client.send(some())
    now = time.time()
    ends = [datetime.fromisoformat(alert["endsAt"]).timestamp() - now for alert in stub.alerts()]
    # unknown, 90 s behind, as before; ten minutes ahead, as before; ignored
    expected = [0, -91, 240 - 91 + 91, 240 + 599, 240 + 599, 240]
    assert ends == [pytest.approx(one, abs=2) for one in expected]
    assert all(alert["startsAt"] < alert["endsAt"] for alert in stub.alerts())


def fault_by_fault(stub: Alertmanager) -> Iterator[tuple[str, dict[str, Any]]]:
    """Targets and options that make deliveries fail in each way."""
    yield f"http://127.0.0.1:{free_port()}", {}
    yield "http://no-such-host.invalid", {}
    yield stub.url.replace("http:", "https:"), {}
    for status in (500, 400):
        stub.behave = lambda _, status=status: status
        yield stub.url, {}
    stub.behave = lambda _: slowly(0.15)
    yield stub.url, {"timeout": 0.1}
    yield stub.url, {"secret": SecretFile(Path("/nonexistent/secret"))}


def test_failing_deliveries_leave_no_reference_cycles() -> None:
    with Alertmanager() as stub:
        for url, options in fault_by_fault(stub):
            with a_client(url, **options) as client:
                for round_ in range(12):
                    if round_ == 2:
                        gc.collect()
                        gc.disable()
                    with suppress(DeliveryError):
                        client.send(some())
                try:
                    found = gc.collect()
                finally:
                    gc.enable()
            print(url, options, found, "unreachable objects")
            assert found < 20, (url, found)


def test_failing_deliveries_of_ten_thousand_alerts_use_bounded_memory() -> None:
    clock, counts = SystemClock(), Counts()
    watchdog = a_watchdog(clock)
    watchdog.start()
    target = HttpTarget(f"http://127.0.0.1:{free_port()}", 1.0)
    client = AlertmanagerReceiver(target, watchdog, clock, Redactor())
    sender = Sender(client, counts, Supervisor(counts.internal_error, clock), Stop(), clock, longest_pause=0.0)

    def put() -> None:
        later = time.monotonic() + 1000
        words = (("description", "Token ci of li.wei in acme expires in 2d." * 3),)
        every = (
            Notification(
                (("alertname", "A"), ("token_id", f"pt-{number:012}"), ("user_id", f"{number:032}")), words, 0.0, later
            )
            for number in range(11_000)
        )
        sender.put(every)

    try:
        for number in range(3000):
            if number % 250 == 0:
                put()
            if number == 500:
                gc.collect()
                gc.disable()
                before = resident()
            sender.step()
        grown = resident() - before
    finally:
        gc.enable()
        sender.stop()
        watchdog.stop()
    # Batches are halved, down to 64.
    assert counts.errors == 256 + 128 + 2998 * 64
    assert max(counts.lengths) == 10_000
    assert counts.lost == 12 * 1000
    assert grown < 10e6, grown


def resident() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return float(pages * os.sysconf("SC_PAGE_SIZE"))
