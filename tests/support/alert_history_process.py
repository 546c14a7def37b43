"""One run of an exporter without threads and network, and the Alertmanager that it sends to."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry

from exporter.alerts.evaluator import Evaluator
from exporter.alerts.notification import Moment
from exporter.alerts.notifier import Notifier
from exporter.alerts.pipeline import AlertPipeline
from exporter.alerts.receivers.base import DeliveryError
from exporter.alerts.sender import Sender
from exporter.alerts.senders import Senders
from exporter.alerts.tracker import Tracker
from exporter.common.cancellation import Stop
from exporter.common.redaction import Redactor
from exporter.config.alerting import Alertmanager as AlertmanagerSection
from exporter.config.settings import AlertmanagerSettings, Settings
from exporter.metrics.exposition import Exposition
from exporter.model.snapshot import Sweep, SweepResult
from exporter.model.ssh_key import SshKey
from exporter.model.state import Failure, Reason
from exporter.model.token import NEVER, Token
from exporter.state.ledger import Ledger
from exporter.state.store import Store
from support.scrapes import with_source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from exporter.alerts.notification import Notification
    from exporter.config.schema import Config
    from exporter.model.kept_alert import KeptAlert, KeptChanges
    from exporter.model.snapshot import OrganizationView
    from exporter.model.user import User
    from support.alert_history_oracle import Key, Listed
    from support.builders import ManualClock

_SHOWN = ("alertname", "user_id", "user", "token_id", "token", "team", "kind")
STAGES = (
    "YunxiaoTokenExpiringInfo",
    "YunxiaoTokenExpiringWarning",
    "YunxiaoTokenExpiringCritical",
    "YunxiaoTokenExpired",
    "YunxiaoTokenNotRemoved",
    "YunxiaoTokenNeverExpires",
)
CHECKED = frozenset((*STAGES, "YunxiaoUserPollFailing", "YunxiaoUserDataStale", "YunxiaoOrganizationUnreadable"))
"""The alerts that histories are checked for."""


def key_of(labels: Mapping[str, str]) -> Key:
    """The labels that matter."""
    name, user_id, user, token_id, token, team, kind = [labels.get(one, "") for one in _SHOWN]
    return name, user_id or labels["organization"], user, f"{token_id} {kind}".rstrip(), token, team


class Alertmanager:
    """What Alertmanager shows, from what it was sent: an alert fires until its `endsAt`.

    Attributes:
        time: its clock, in epoch seconds.
        sender_ahead: seconds by which the sender's clock is ahead of it.
        reachable: whether it answers.
        faults: what no sequence of requests may do: when, about which user, and what.
    """

    def __init__(self) -> None:
        self.time = 0.0
        self.sender_ahead = 0.0
        self.reachable = True
        self.faults: list[tuple[float, str, str]] = []
        self._ends: dict[Key, float] = {}
        self._requests: list[tuple[set[Key], set[Key]]] = []

    def post(self, alerts: Iterable[Mapping[str, Any]]) -> None:
        """Take one request."""
        begun, ended = set(), set()
        for alert in alerts:
            labels = alert["labels"]
            key = key_of(labels)
            starts, ends = _epoch(alert["startsAt"]), _epoch(alert["endsAt"])
            if not starts < ends or starts > self.time + self.sender_ahead:
                self.faults.append((self.time, key[1], f"{key} starts at {starts:.1f} and ends at {ends:.1f}"))
            fired = self._ends.get(key, 0.0) > self.time
            if ends > self.time and not fired:
                begun.add(key)
            elif ends <= self.time and fired:
                ended.add(key)
            self._ends[key] = ends
        self._requests.append((begun, ended))

    def firing(self) -> set[Key]:
        """The alerts that fire."""
        return {key for key, ends in self._ends.items() if ends > self.time and key[0] in CHECKED}

    def check_requests(self) -> None:
        """The end of an alert about a token and the beginning of another one about it are in one request."""
        if len(self._requests) > 1:
            for number, (_, ended) in enumerate(self._requests):
                tokens = {(key[1], key[3]) for key in ended if key[3]}
                for other, (begun, _) in enumerate(self._requests):
                    for key in begun if other != number else ():
                        if (key[1], key[3]) in tokens:
                            text = f"{key} begins in another request than what it replaces ends"
                            self.faults.append((self.time, key[1], text))
        self._requests = []


def _epoch(text: str) -> float:
    return dt.datetime.fromisoformat(text).timestamp()


@dataclass
class _Receiver:
    """Stands for the connection to Alertmanager."""

    alertmanager: Alertmanager
    clock: ManualClock
    name: str = "http://alertmanager"
    timeout: float = 10.0

    def send(self, notifications: Sequence[Notification]) -> None:
        if not self.alertmanager.reachable:
            raise DeliveryError("unreachable", refused=False)
        at = Moment.of(self.clock)
        ahead = self.alertmanager.time - at.wall
        self.alertmanager.post([json.loads(one.as_json(at, ahead)) for one in notifications])

    def close(self) -> None:
        """There is no connection."""


class _NoThread:
    """Stands for a worker whose step the history calls."""

    def __init__(self) -> None:
        self.stopping = Stop()

    def start(self) -> None:
        """There is no thread."""

    def wake(self) -> None:
        """Nothing waits."""

    def stop(self, timeout: float) -> bool:  # noqa: ARG002 - of a worker
        self.stopping.set()
        return True


class _Supervisor:
    def worker(self, name: str, step: Callable[[], float | None], **options: object) -> _NoThread:  # noqa: ARG002
        return _NoThread()


@dataclass
class _Observer:
    """Counts nothing but defects."""

    errors: list[str]

    def internal_error(self, where: str) -> None:
        self.errors.append(where)

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_: None


class _Senders(Senders):
    """Senders to the stand-in."""

    def __init__(self, receiver: _Receiver, observer: _Observer, clock: ManualClock) -> None:
        super().__init__(observer, None, _Supervisor(), Stop(), clock)  # type: ignore[arg-type]
        self._receiver = receiver

    def _sender(self, settings: AlertmanagerSettings, resend: float, redactor: Redactor) -> Sender:  # noqa: ARG002
        supervisor: Any = _Supervisor()
        return Sender(self._receiver, self._observer, supervisor, self._parent, self._clock, longest_pause=resend)


class StoredAlerts:
    """The alerts in the state file."""

    def __init__(self) -> None:
        self._alerts: dict[Any, KeptAlert] = {}

    def keep(self, changes: KeptChanges) -> None:
        """Apply what has changed."""
        if changes.complete:
            self._alerts = {}
        for labels in changes.dropped:
            self._alerts.pop(labels, None)
        self._alerts |= {one.labels: one for one in changes.alerts}

    def alerts(self) -> tuple[KeptAlert, ...]:
        """All of them."""
        return tuple(self._alerts.values())


def settings(config: Config) -> Settings:
    """A configuration with its Alertmanager."""
    section = AlertmanagerSection.model_validate({"url": "http://alertmanager"})
    return Settings(config, (), (AlertmanagerSettings(section, None),), None, None, Redactor())


@dataclass
class Process:
    """A run of the exporter for one organization.

    Attributes:
        source: its identity in entries for alert rules.
        config: the configuration in effect.
        users: the watched users.
        clock: its clock.
        known: the state of the run before; None without storage.
        alertmanager: where it sends alerts; None if another replica does.
        stored: the alerts in the state file.
    """

    organization: str
    source: str
    config: Config
    users: Sequence[User]
    clock: ManualClock
    known: OrganizationView | None
    alertmanager: Alertmanager | None
    stored: StoredAlerts
    errors: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        known = self.known and replace(self.known, since=self.clock.now())
        self.ledger = Ledger(self.organization, self.users, known, since=self.clock.now())
        store = Store()
        store.replace([self.ledger])
        self._exposition = Exposition(
            CollectorRegistry(), store, lambda: self.config, self.clock, lambda _: None, lambda: 0, self.errors.append
        )
        with_source(self._exposition, self.source)
        self._exposition.open()
        self._pipeline: AlertPipeline | None = None
        if self.alertmanager is not None:
            self._begin(self.alertmanager, store)

    def _begin(self, alertmanager: Alertmanager, store: Store) -> None:
        observer, supervisor = _Observer(self.errors), _Supervisor()
        evaluator = Evaluator(store, lambda: None, dict, self.errors.append)
        any_supervisor: Any = supervisor
        self._notifier = Notifier(Tracker(), observer, any_supervisor, Stop(), self.clock, self.stored.keep)
        self._senders = _Senders(_Receiver(alertmanager, self.clock), observer, self.clock)
        self._pipeline = AlertPipeline(evaluator, self._notifier, self._senders, observer)
        self._pipeline.restore(self.stored.alerts())
        self._pipeline.put_in_force(settings(self.config))
        self._pipeline.begin()

    def reload(self, config: Config, users: Sequence[User]) -> None:
        """Apply a configuration."""
        self.config = config
        self.ledger.watch(users)
        if self._pipeline is not None:
            self._pipeline.put_in_force(settings(config))

    def polled(self, user_id: str, answer: Iterable[Listed] | None) -> None:
        """Record the end of a poll; None if it failed."""
        at = self.clock.now()
        if answer is None:
            self.ledger.failed(user_id, Failure(Reason.TIMEOUT, "x"), at)
        else:
            listed = list(answer)
            tokens = tuple([_token(one) for one in listed if not one.is_key])
            self.ledger.succeeded(user_id, tokens, at, tuple([_key(one) for one in listed if one.is_key]))

    def refused(self) -> None:
        """The platform refuses the token for all users."""
        self.ledger.all_failed(Failure(Reason.UNAUTHORIZED, "x"), self.clock.now())

    def swept(self, *, failed: bool) -> None:
        """Record the end of a sweep."""
        result = SweepResult.FAILED if failed else SweepResult.SUCCESS
        self.ledger.swept(Sweep(result, 1.0, self.clock.now()))

    def notify(self) -> None:
        """Evaluate and send what is due."""
        if self._pipeline is None:
            return
        self._notifier.step()
        for sender in self._senders:
            while (rest := sender.step()) is not None and rest <= 0:
                pass

    def forget_resolved(self) -> None:
        """Drop what has ended and waits to be sent: as a reload did that began with an empty tracker."""
        if self._pipeline is not None:
            tracker = self._notifier._tracker
            for one in list(tracker._resolved.values()):
                tracker._remove(one)
            for sender in self._senders:
                sender._outbox._waiting.clear()

    def scrape(self) -> str:
        """The body of a scrape."""
        return self._exposition.scrape("", "").content.decode()


def _token(one: Listed) -> Token:
    expires = NEVER if one.expires == float("inf") else one.expires
    return Token(one.token_id, one.name, ("base_user_read",), one.created, expires)


def _key(one: Listed) -> SshKey:
    expires = NEVER if one.expires == float("inf") else one.expires
    return SshKey(one.token_id, one.name, ("ALL",), one.created, expires)
