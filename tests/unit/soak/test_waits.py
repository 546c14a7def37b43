from __future__ import annotations

from soak.waits import since


def test_only_waits_between_the_measurements_count() -> None:
    # Thread 2 is new, thread 3 has ended.
    assert since({"1": 2.0, "3": 9.0}, {"1": 2.5, "2": 0.25}) == [0.5, 0.25]
