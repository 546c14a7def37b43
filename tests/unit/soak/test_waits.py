from __future__ import annotations

from soak.waits import since


def test_only_what_was_waited_in_between_counts() -> None:
    # Thread 2 is new, thread 3 has ended.
    assert since({"1": 2.0, "3": 9.0}, {"1": 2.5, "2": 0.25}) == [0.5, 0.25]
