"""Which alerts must be stored again so that they survive a restart. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.model.kept_alert import KeptChanges

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from exporter.alerts.alert import Labels
    from exporter.model.kept_alert import KeptAlert

_TEXTS_EVERY = 300.0
_ALL_EVERY = 3600.0


class KeptQueue:
    """Collects the alerts to store: at once when one starts or ends, every few minutes if only its texts changed.

    All alerts are stored once an hour, in case the state file has been replaced meanwhile.
    """

    def __init__(self) -> None:
        self._changed: dict[Labels, None] = {}
        self._texts: dict[Labels, None] = {}
        self._texts_at = 0.0
        # None until all alerts have been stored once.
        self._all_at: float | None = None

    def changed(self, labels: Labels) -> None:
        """An alert has started or ended, or is no longer kept."""
        self._changed[labels] = None

    def texts_changed(self, labels: Labels) -> None:
        """Only the annotations of an alert have changed."""
        self._texts[labels] = None

    def take(
        self,
        monotonic: float,
        current: Callable[[Labels], KeptAlert | None],
        every: Callable[[], Iterable[KeptAlert]],
    ) -> KeptChanges | None:
        """What to store now; None if there is nothing.

        Args:
            monotonic: the time on the monotonic clock.
            current: the alert with these labels; None if it is no longer kept.
            every: all alerts to keep.
        """
        if self._all_at is None or monotonic >= self._all_at + _ALL_EVERY:
            self._all_at = self._texts_at = monotonic
            self._changed, self._texts = {}, {}
            return KeptChanges(tuple(every()), complete=True)
        if monotonic >= self._texts_at + _TEXTS_EVERY:
            self._texts_at = monotonic
            self._changed |= self._texts
            self._texts = {}
        if not self._changed:
            return None
        taken, self._changed = self._changed, {}
        found = {labels: current(labels) for labels in taken}
        return KeptChanges(
            tuple([alert for alert in found.values() if alert is not None]),
            tuple([labels for labels, alert in found.items() if alert is None]),
        )
