from __future__ import annotations

import itertools

from support.registry import lines_with

from exporter.metrics.instruments import Instruments
from exporter.metrics.notifications import NotificationTelemetry


def test_late_counts_do_not_bring_a_removed_alertmanager_back() -> None:
    instruments = Instruments()
    registry = instruments.registry
    telemetry = NotificationTelemetry(instruments, lambda _: None, 10)
    telemetry.watch(["http://a", "http://b"], ["AlertOne"])
    telemetry.sent("http://a", 3, 0.1)
    telemetry.watch(["http://b"], ["AlertOne"])
    for url, method in itertools.product(["http://a"], (telemetry.failed, telemetry.dropped, telemetry.queued)):
        method(url, 1)
    telemetry.sent("http://a", 3, 0.1)
    assert lines_with(registry, "http://a") == []
    assert 'yunxiao_notifications_sent_total{alertmanager="http://b"} 0.0' in lines_with(registry, "http://b")
    assert lines_with(registry, "AlertOne") == ['yunxiao_alerts_firing{alertname="AlertOne"} 0.0']
    telemetry.watch([], ["AlertOne"])
    telemetry.firing({"AlertOne": 2})
    assert lines_with(registry, "AlertOne") == []
    telemetry.watch(["http://b"], ["AlertOne"])
    telemetry.firing({"AlertOne": 2})
    assert lines_with(registry, "AlertOne") == ['yunxiao_alerts_firing{alertname="AlertOne"} 2.0']
    telemetry.firing({})
    assert lines_with(registry, "AlertOne") == ['yunxiao_alerts_firing{alertname="AlertOne"} 0.0']
    telemetry.watch([], ["AlertOne"])
    assert lines_with(registry, "AlertOne") == []
