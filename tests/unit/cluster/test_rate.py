from __future__ import annotations

from exporter.cluster.rate import granted


def test_less_than_the_rate_is_granted() -> None:
    assert granted(50.0) == 47.0  # 50 * 0.94
    assert granted(0.5) == 0.47
