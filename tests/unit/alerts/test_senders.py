"""Which senders a reload keeps, replaces and stops. Their threads never start: the parent has been stopped."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from support.builders import NOW, ManualClock, a_watchdog

from exporter.alerts.notification import Notification
from exporter.alerts.senders import Senders
from exporter.common.cancellation import Stop
from exporter.common.redaction import Redactor
from exporter.common.worker import Supervisor
from exporter.config.alerting import Alerting, Alertmanager
from exporter.config.settings import AlertmanagerSettings

if TYPE_CHECKING:
    from exporter.alerts.sender import NotificationObserver
    from exporter.config.settings import Settings


class Ignored:
    def dropped(self, _: str, count: int) -> None: ...

    def queued(self, _: str, length: int) -> None: ...


@dataclass
class FakeConfig:
    alerting: Alerting


@dataclass
class FakeSettings:
    alertmanagers: tuple[AlertmanagerSettings, ...]
    config: FakeConfig
    redactor: Redactor


def some_settings(*sections: Alertmanager, resend: str = "1m") -> Settings:
    alerting = Alerting.model_validate({"resend_interval": resend})
    receivers = tuple(AlertmanagerSettings(one, None) for one in sections)
    return cast("Settings", FakeSettings(receivers, FakeConfig(alerting), Redactor()))


def some_senders() -> Senders:
    clock, stop = ManualClock(), Stop()
    stop.set()
    supervisor = Supervisor(lambda _: None, clock)
    return Senders(cast("NotificationObserver", Ignored()), a_watchdog(clock), supervisor, stop, clock)


def apply(senders: Senders, settings: Settings) -> None:
    senders.replace(senders.prepare(settings), paused=False)


A, B = Alertmanager(url="http://a:9093"), Alertmanager(url="http://b:9093")
A_WITHOUT_TLS_CHECK = Alertmanager.model_validate({"url": A.url, "tls": {"insecure_skip_verify": True}})
NOTIFICATION = Notification((("alertname", "x"),), (), NOW, 9e9)


def test_unchanged_receivers_keep_their_senders_in_the_order_of_the_configuration() -> None:
    senders = some_senders()
    apply(senders, some_settings(A, B))
    first, second = senders
    apply(senders, some_settings(B, A))
    assert (len(senders), list(senders)) == (2, [second, first])


def test_changed_settings_make_a_new_sender_that_takes_over_the_queue() -> None:
    senders = some_senders()
    apply(senders, some_settings(A))
    (before,) = senders
    before.put([NOTIFICATION])
    apply(senders, some_settings(A_WITHOUT_TLS_CHECK))
    (after,) = senders
    assert after is not before
    assert after.pending == [NOTIFICATION]
    apply(senders, some_settings(A_WITHOUT_TLS_CHECK, resend="2m"))
    assert next(iter(senders)) is not after


def test_preparing_changes_nothing() -> None:
    senders = some_senders()
    apply(senders, some_settings(A))
    before = list(senders)
    senders.prepare(some_settings(B))
    assert list(senders) == before


def test_a_stop_drops_all_senders() -> None:
    senders = some_senders()
    apply(senders, some_settings(A, B))
    senders.stop()
    assert len(senders) == 0


class Hanging:
    """A sender whose thread does not end, such as during a name look-up."""

    def __init__(self, clock: ManualClock, did: list[str]) -> None:
        self._clock = clock
        self._did = did

    def request_stop(self) -> None:
        self._did.append("asked")

    def stop(self, timeout: float) -> bool:
        self._did.append("waited")
        self._clock.advance(timeout)
        return False


def test_senders_that_hang_share_one_time_limit() -> None:
    clock, did = ManualClock(), list[str]()
    senders = Senders(cast("Any", None), cast("Any", None), Supervisor(lambda _: None, clock), Stop(), clock)
    senders._in_use = cast("Any", {number: Hanging(clock, did) for number in range(5)})
    before = clock.monotonic()
    senders.stop()
    assert did == ["asked"] * 5 + ["waited"] * 5
    assert clock.monotonic() - before == 1.0
