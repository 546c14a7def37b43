"""The families about notifications to Alertmanager, in the manner of `prometheus_notifications_*`."""

from __future__ import annotations

from exporter.metrics.families.base import Kind, OwnFamily

_ALERTMANAGER = "Only with `alerting.alertmanagers`."
NOTIFICATIONS_SENT = OwnFamily(
    "yunxiao_notifications_sent_total",
    Kind.COUNTER,
    ("alertmanager",),
    "Alerts that Alertmanager accepted, including re-sent and resolved ones.",
    _ALERTMANAGER,
    ("rate(yunxiao_notifications_sent_total[5m])", "whether Alertmanager receives alerts"),
)
NOTIFICATIONS_ERRORS = OwnFamily(
    "yunxiao_notifications_errors_total",
    Kind.COUNTER,
    ("alertmanager",),
    "Alerts that could not be delivered, counted at each attempt; they stay queued and are retried.",
    _ALERTMANAGER,
    ("increase(yunxiao_notifications_errors_total[15m]) > 0", "an Alertmanager that cannot be reached"),
)
NOTIFICATIONS_DROPPED = OwnFamily(
    "yunxiao_notifications_dropped_total",
    Kind.COUNTER,
    ("alertmanager",),
    "Alerts that were dropped: the queue was full (the most recently accepted ones go first), they waited longer "
    "than their lease, or Alertmanager rejected them.",
    _ALERTMANAGER,
    ("increase(yunxiao_notifications_dropped_total[1h]) > 0", "alerts that were never delivered"),
)
NOTIFICATIONS_QUEUE = OwnFamily(
    "yunxiao_notifications_queue_length",
    Kind.GAUGE,
    ("alertmanager",),
    "Alerts that wait for delivery; a newer notification of an alert replaces the waiting one.",
    _ALERTMANAGER,
    ("yunxiao_notifications_queue_length / yunxiao_notifications_queue_capacity", "how full the queue is"),
)
NOTIFICATIONS_CAPACITY = OwnFamily(
    "yunxiao_notifications_queue_capacity",
    Kind.GAUGE,
    (),
    "Alerts that can wait for one Alertmanager.",
    "Always.",
    ("yunxiao_notifications_queue_capacity", "the size of the queue"),
)
NOTIFICATIONS_LATENCY = OwnFamily(
    "yunxiao_notifications_latency_seconds",
    Kind.HISTOGRAM,
    ("alertmanager",),
    "Duration of the delivery of a batch, in seconds.",
    _ALERTMANAGER,
    (
        "histogram_quantile(0.95, sum by (alertmanager, le) (rate(yunxiao_notifications_latency_seconds_bucket[5m])))",
        "how slow an Alertmanager is",
    ),
    buckets=(0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0),
)
ALERTS_FIRING = OwnFamily(
    "yunxiao_alerts_firing",
    Kind.GAUGE,
    ("alertname",),
    "Alerts that are firing according to the exporter itself, by name.",
    _ALERTMANAGER,
    ("sum by (alertname) (yunxiao_alerts_firing)", "the alerts that Alertmanager should have"),
)
