from __future__ import annotations

from support.builders import ManualClock

from exporter.common.log_limit import _MAX_KEYS, LogLimit


def a_limit(clock: ManualClock, suppressed: list[int], **options: float) -> LogLimit:
    return LogLimit(clock, lambda: suppressed.append(1), **options)  # type: ignore[arg-type]


def test_one_line_per_minute_and_the_next_one_counts_the_suppressed_ones() -> None:
    clock, suppressed = ManualClock(), list[int]()
    limit = a_limit(clock, suppressed)
    assert [limit.allow("refused") for _ in range(4)] == [0, None, None, None]
    clock.advance(59.9)
    assert limit.allow("refused") is None
    clock.advance(0.1)
    # 3 at once, 1 a moment before the minute was over.
    assert limit.allow("refused") == 4
    assert len(suppressed) == 4
    clock.advance(60)
    assert limit.allow("refused") == 0


def test_each_message_has_its_own_limit() -> None:
    limit = a_limit(ManualClock(), [])
    assert limit.allow("one") == 0
    assert limit.allow("other") == 0
    assert limit.allow("one") is None


def test_more_lines_per_period_are_possible() -> None:
    limit = a_limit(ManualClock(), [], lines=3)
    assert [limit.allow("x") for _ in range(4)] == [0, 0, 0, None]


def test_the_number_of_messages_is_bounded() -> None:
    limit = a_limit(ManualClock(), [])
    for number in range(10 * _MAX_KEYS):
        assert limit.allow(str(number)) == 0
    assert len(limit._windows) == _MAX_KEYS
