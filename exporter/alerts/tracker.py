"""Which alerts are firing, since when, and which have ended: what Alertmanager must be told, and when. No I/O."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from exporter.wording import utc_exact

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from exporter.alerts.conditions import Alert, Labels

LEASE = 4
"""An alert ends by itself after this many re-send intervals without news, as Prometheus has it."""
_RESOLVED_KEPT = 15 * 60.0


def resolved_kept(resend: float) -> float:
    """Seconds for which a resolved alert goes on being sent, in case an Alertmanager missed it.

    As long as Prometheus does it, and not shorter than the lease of what was sent last.
    """
    return max(_RESOLVED_KEPT, LEASE * resend)


@dataclass(frozen=True, slots=True)
class Notice:
    """An alert as Alertmanager is told of it.

    Attributes:
        labels: the identity.
        annotations: the words.
        starts_at: epoch seconds; the same for as long as the alert fires.
        ends_at: epoch seconds; ahead while it fires, past once it has been resolved.
        firing: whether the cause lasted when the notice was made.
    """

    labels: Labels
    annotations: Labels
    starts_at: float
    ends_at: float
    firing: bool = True

    def lapsed(self, now: float) -> bool:
        """Whether it says of an alert that fires what is true no more; sending it would end the alert."""
        return self.firing and self.ends_at <= now

    def as_json(self) -> dict[str, object]:
        """The form of Alertmanager's API v2 (`postableAlert`)."""
        return {
            "labels": dict(self.labels),
            "annotations": dict(self.annotations),
            "startsAt": utc_exact(self.starts_at),
            "endsAt": utc_exact(self.ends_at),
        }


@dataclass(frozen=True, slots=True)
class _Tracked:
    notice: Notice
    sent_at: float
    resolved_at: float | None = None


class Tracker:
    """Remembers the alerts from one look to the next."""

    def __init__(self) -> None:
        self._tracked: dict[Labels, _Tracked] = {}

    def restore(self, firing: Iterable[tuple[Labels, float]], now: float) -> None:
        """Go on with the alerts of an earlier run: their labels, and the epoch seconds at which each began."""
        for labels, starts_at in firing:
            notice = Notice(labels, (), min(starts_at, now), now)
            self._tracked[labels] = _Tracked(notice, sent_at=0.0)

    def due(self, alerts: Iterable[Alert], now: float, resend: float) -> list[Notice]:
        """What Alertmanager is to be told now: what is new, what is due again, what has ended.

        Args:
            alerts: everything that is worth an alert now; two with the same labels count as the first.
            now: epoch seconds.
            resend: seconds after which an alert is told of again.
        """
        firing: dict[Labels, Alert] = {}
        for alert in alerts:
            firing.setdefault(alert.labels, alert)
        due = [notice for alert in firing.values() if (notice := self._fire(alert, now, resend)) is not None]
        ended = [labels for labels in self._tracked if labels not in firing]
        due.extend(notice for labels in ended if (notice := self._resolve(labels, now, resend)) is not None)
        return due

    @property
    def firing(self) -> Sequence[Notice]:
        """The alerts that are firing."""
        return [tracked.notice for tracked in self._tracked.values() if tracked.resolved_at is None]

    def _fire(self, alert: Alert, now: float, resend: float) -> Notice | None:
        before = self._tracked.get(alert.labels)
        starts_at = min(alert.since, now)
        if before is not None and before.resolved_at is not None:
            # It comes back: a new alert, which must not start before the old one's end.
            starts_at = min(max(alert.since, before.resolved_at), now)
        elif before is not None:
            if now < before.sent_at + resend:
                return None
            starts_at = before.notice.starts_at
        notice = Notice(alert.labels, alert.annotations, starts_at, now + LEASE * resend)
        self._tracked[alert.labels] = _Tracked(notice, now)
        return notice

    def _resolve(self, labels: Labels, now: float, resend: float) -> Notice | None:
        before = self._tracked[labels]
        if before.resolved_at is None:
            ended = replace(before.notice, ends_at=max(now, before.notice.starts_at + 0.001), firing=False)
            self._tracked[labels] = _Tracked(ended, now, resolved_at=now)
            return ended
        if now >= before.resolved_at + resolved_kept(resend):
            del self._tracked[labels]
            return None
        if now < before.sent_at + resend:
            return None
        self._tracked[labels] = replace(before, sent_at=now)
        return before.notice
