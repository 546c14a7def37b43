"""Which alerts are stored again, and when."""

from __future__ import annotations

from exporter.alerts.kept import KeptQueue
from exporter.model.kept_alert import KeptAlert, KeptChanges, Labels

A, B = ((("alertname", name),) for name in "AB")
ALERTS: dict[Labels, KeptAlert] = {labels: KeptAlert(labels, (), 5.0) for labels in (A, B)}


def take(queue: KeptQueue, monotonic: float) -> KeptChanges | None:
    return queue.take(monotonic, ALERTS.get, ALERTS.values)


def test_all_alerts_are_stored_first_and_once_an_hour() -> None:
    queue = KeptQueue()
    queue.changed(A)
    every = KeptChanges((ALERTS[A], ALERTS[B]), complete=True)
    assert take(queue, 10.0) == every
    assert take(queue, 10.0) is None
    assert take(queue, 3609.0) is None
    assert take(queue, 3610.0) == every


def test_alerts_that_start_or_end_are_stored_at_once_and_texts_every_five_minutes() -> None:
    queue = KeptQueue()
    take(queue, 0.0)
    gone = (("alertname", "gone"),)
    queue.changed(A)
    queue.changed(gone)
    queue.texts_changed(B)
    assert take(queue, 1.0) == KeptChanges((ALERTS[A],), (gone,))
    assert take(queue, 299.0) is None
    assert take(queue, 300.0) == KeptChanges((ALERTS[B],))
    assert take(queue, 900.0) is None
