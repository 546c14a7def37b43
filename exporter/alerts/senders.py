"""The senders in use: one for each configured receiver, kept over a reload that does not concern it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from exporter.alerts.receivers import make_receiver
from exporter.alerts.sender import NotificationObserver, Sender

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from exporter.common.cancellation import Stop
    from exporter.common.clock import Clock
    from exporter.common.redaction import Redactor
    from exporter.common.worker import Supervisor
    from exporter.config.alerting import ReceiverSection
    from exporter.config.settings import AlertmanagerSettings, Settings
    from exporter.http.session import Watchdog

_STOP_TIMEOUT = 1.0


@dataclass(frozen=True, slots=True)
class _Key:
    """Everything that a sender depends on; a reload that changes none of it keeps the sender."""

    config: ReceiverSection
    secret: str | None = field(repr=False)
    resend: float

    @classmethod
    def of(cls, settings: AlertmanagerSettings, resend: float) -> _Key:
        secret = None if settings.secret is None else settings.secret.origin
        return cls(settings.config, secret, resend)


class Senders:
    """Makes, replaces and stops senders. One thread at a time.

    Args:
        observer: counts notifications.
        watchdog: limits the total time of requests.
        supervisor: makes the senders' threads.
        parent: stops all senders when it is set.
        clock: the current time.
    """

    def __init__(
        self,
        observer: NotificationObserver,
        watchdog: Watchdog,
        supervisor: Supervisor,
        parent: Stop,
        clock: Clock,
    ) -> None:
        self._observer = observer
        self._watchdog = watchdog
        self._supervisor = supervisor
        self._parent = parent
        self._clock = clock
        self._in_use: dict[_Key, Sender] = {}

    def __iter__(self) -> Iterator[Sender]:
        """The senders, in the order of the configuration."""
        return iter(self._in_use.values())

    def __len__(self) -> int:
        """How many there are."""
        return len(self._in_use)

    def prepare(self, settings: Settings) -> dict[_Key, Sender]:
        """The senders for a configuration, new ones not started yet; pass the result to `replace`."""
        resend = settings.config.alerting.resend_interval
        keys = {_Key.of(one, resend): one for one in settings.alertmanagers}
        return {key: self._in_use.get(key) or self._sender(one, resend, settings.redactor) for key, one in keys.items()}

    def replace(self, senders: dict[_Key, Sender], *, paused: bool) -> None:
        """Stop the senders that are left out and start the new ones.

        A new sender starts once the old one for the same receiver has stopped, and takes over its queue.
        """
        ended = [sender for key, sender in self._in_use.items() if key not in senders]
        _stop(ended, self._clock)
        pending = {sender.name: sender.pending for sender in ended}
        for key, sender in senders.items():
            if key not in self._in_use:
                sender.put(pending.get(sender.name, ()))
                if paused:
                    sender.pause()
                sender.start()
        self._in_use = senders

    def pause(self) -> None:
        """Deliver nothing until the next `Sender.put`; the queues are kept."""
        for sender in self:
            sender.pause()

    def stop(self) -> None:
        """Stop all senders."""
        _stop(self, self._clock)
        self._in_use = {}

    def _sender(self, settings: AlertmanagerSettings, resend: float, redactor: Redactor) -> Sender:
        receiver = make_receiver(settings, self._watchdog, self._clock, redactor)
        return Sender(receiver, self._observer, self._supervisor, self._parent, self._clock, longest_pause=resend)


def _stop(senders: Iterable[Sender], clock: Clock) -> None:
    """Stop several senders at once, so that their time limits do not add up."""
    stopping = list(senders)
    for sender in stopping:
        sender.request_stop()
    until = clock.monotonic() + _STOP_TIMEOUT
    for sender in stopping:
        sender.stop(max(0.0, until - clock.monotonic()))
