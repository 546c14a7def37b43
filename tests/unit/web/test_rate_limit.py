from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from support.asgi import answering, call
from support.builders import ManualClock
from support.web import CountedRefusals

from exporter.metrics.families.http import Refusal
from exporter.web.rate_limit import RateLimited, TokenBucket
from exporter.web.web_config import RateLimit


def test_a_burst_then_one_request_per_interval() -> None:
    clock = ManualClock()
    bucket = TokenBucket(2.0, 3, clock)
    assert [bucket.allow() for _ in range(4)] == [True, True, True, False]
    clock.advance(1.5)
    assert not bucket.allow()
    clock.advance(0.5)
    assert [bucket.allow(), bucket.allow()] == [True, False]
    clock.advance(3600)
    assert [bucket.allow() for _ in range(4)] == [True, True, True, False]


def test_without_interval_there_is_no_limit_and_without_burst_no_request_passes() -> None:
    clock = ManualClock()
    assert all(TokenBucket(0.0, 0, clock).allow() for _ in range(100))
    none = TokenBucket(1.0, 0, clock)
    clock.advance(100)
    assert not none.allow()


@given(st.floats(0.001, 100), st.integers(1, 50), st.lists(st.floats(0, 50), max_size=60))
def test_never_more_than_the_burst_and_one_per_interval(interval: float, burst: int, waits: list[float]) -> None:
    clock = ManualClock()
    bucket = TokenBucket(interval, burst, clock)
    allowed = 0
    for wait in waits:
        clock.advance(wait)
        allowed += bucket.allow()
    assert allowed <= burst + sum(waits) / interval + 1e-6


def test_requests_above_the_limit_are_refused_with_a_time_to_retry_and_counted() -> None:
    clock = ManualClock()
    refusals = CountedRefusals(clock)
    settings = [RateLimit.model_validate({"interval": "2500ms", "burst": 1})]
    app = RateLimited(answering(200, b"ok"), lambda: settings[0], clock, refusals)
    assert call(app).status == 200
    refused = call(app)
    assert (refused.status, refused.headers["retry-after"]) == (429, "3")
    assert refusals.seen == {Refusal.RATE_LIMITED: 1}
    # A new limit starts with its burst; the same one goes on.
    settings[0] = RateLimit.model_validate({"interval": "2500ms", "burst": 1})
    assert call(app).status == 429
    settings[0] = RateLimit.model_validate({"interval": "2500ms", "burst": 2})
    assert [call(app).status for _ in range(3)] == [200, 200, 429]
