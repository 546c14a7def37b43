from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs
from support.builders import DAY, HOUR, NOW, ManualClock, a_token

from exporter.common.cancellation import Stop
from exporter.common.secrets import Secret, SecretValue
from exporter.model.state import Reason
from exporter.model.token import NEVER, Token
from exporter.platform.base import ApiError, Caller, Refusal, TokenListing
from exporter.polling.own_token import OwnTokenMonitor, own_token

if TYPE_CHECKING:
    from collections.abc import Sequence


@pytest.mark.parametrize(
    ("listed", "fits"),
    [
        ("pt-0fh3aaaa0fbG", True),
        ("pt-0fh3****0fbG", True),
        ("pt-0fh3*0fbG", True),
        ("pt-****", True),
        ("****", True),
        ("*0fh3*0fbG", True),
        ("pt-*h3*a0*bG", True),
        ("pt-0fh3aaaa0fbG*", True),
        ("pt-*0fbG*0fbG", False),
        ("pt-0fh3aaaa*aaaa0fbG", False),
        ("*a" * 12, False),
        ("pt-0fh3****0fbH", False),
        ("pt-0fh4****0fbG", False),
        ("0fh3****0fbG", False),
        ("pt-0fh3aaaa", False),
        ("pt-.fh3****0fbG", False),
        ("", False),
    ],
)
def test_masked_ids_stand_for_any_run_of_characters(listed: str, fits: bool) -> None:  # noqa: FBT001 - a pair of values
    token = a_token(listed)
    assert own_token("pt-0fh3aaaa0fbG", [token]) == (token if fits else None)


def test_the_first_to_expire_wins_and_a_complete_id_wins_over_masked_ones() -> None:
    late, soon = a_token("pt-a***z", expires_in=9 * DAY), a_token("pt-a*z", expires_in=2 * DAY)
    unreadable, never = a_token("pt-*z", expires_in=None), a_token("pt-*", expires_in=NEVER)
    assert own_token("pt-abcz", [unreadable, never, late, soon]) == soon
    assert own_token("pt-abcz", [unreadable, never]) == never
    whole = a_token("pt-abcz", expires_in=99 * DAY)
    assert own_token("pt-abcz", [soon, whole]) == whole
    assert own_token("pt-abcz", []) is None


@given(st.text(min_size=1), st.data())
def test_an_id_is_found_however_it_is_masked(token_id: str, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(token_id)), min_size=2, max_size=8)))
    cuts = cuts[: len(cuts) // 2 * 2]
    masked, kept = "", 0
    for start, end in zip(cuts[::2], cuts[1::2], strict=True):
        masked += token_id[kept:start] + "*" * data.draw(st.integers(1, 9))
        kept = end
    masked += token_id[kept:]
    token = a_token(masked)
    assert own_token(token_id, [token]) == token


class Platform:
    """One owner with these tokens, or a refusal."""

    def __init__(
        self, listed: Sequence[Token] = (), refusal: Reason | None = None, meaning: Refusal | None = None
    ) -> None:
        self.meaning = meaning
        self.listed = listed
        self.refusal = refusal

    def caller(self, stop: Stop) -> Caller:
        stop.check()
        if self.refusal is not None:
            raise ApiError(self.refusal, "HTTP 4xx", refusal=self.meaning)
        return Caller("admin")

    def list_tokens(self, user_id: str, stop: Stop) -> TokenListing:  # noqa: ARG002
        assert user_id == "admin"
        return TokenListing(tuple(self.listed))


def a_monitor(platform: Platform) -> tuple[OwnTokenMonitor, list[float | None]]:
    reported: list[float | None] = []
    source = SecretValue(Secret("pt-own_5ecre7"))
    return OwnTokenMonitor("acme", platform, source, reported.append, Stop(), ManualClock()), reported


def test_an_expiry_that_is_near_is_a_warning_each_day() -> None:
    platform, clock = Platform([a_token("pt-own", expires_in=15 * DAY + 1)]), ManualClock()
    source = SecretValue(Secret("pt-own_5ecre7"))
    monitor = OwnTokenMonitor("acme", platform, source, lambda _: None, Stop(), clock, lambda: 14 * DAY)
    seen = []
    with capture_logs() as lines:
        for _ in range(24 * 4):
            monitor.check()
            seen += [(line["log_level"], line["event"], clock.time - NOW) for line in lines]
            lines.clear()
            clock.advance(HOUR)
    # Found once; from the second day on, 14 days and less are left, and a new day of UTC begins each 24 hours.
    assert seen == [
        ("info", "own token expires in 15d", 0),
        ("warning", "own token expires in 13d", DAY + HOUR),
        ("warning", "own token expires in 13d", 2 * DAY),
        ("warning", "own token expires in 12d", 3 * DAY),
    ]


def test_the_expiry_is_reported_and_logged_once() -> None:
    platform = Platform([a_token("pt-other"), a_token("pt-own", expires_in=12 * DAY)])
    with capture_logs() as lines:
        monitor, reported = a_monitor(platform)
        assert monitor.check() is None
        assert monitor.check() is None
        assert reported == [NOW + 12 * DAY] * 2
        platform.listed = [a_token("pt-own", expires_in=NEVER)]
        monitor.check()
        assert reported[-1] == NEVER
    assert [(line["event"], line["at"]) for line in lines] == [
        ("own token expires in 12d", "2026-06-13T00:00:00Z"),
        ("own token never expires", None),
    ]
    assert "5ecre7" not in str(lines)


@pytest.mark.parametrize("refusal", [Reason.FORBIDDEN, Reason.NOT_FOUND, Reason.UNSUPPORTED])
def test_a_call_that_is_not_offered_is_logged_once(refusal: Reason) -> None:
    with capture_logs() as lines:
        monitor, reported = a_monitor(Platform(refusal=refusal))
        assert monitor.check() is None
        assert monitor.check() is None
    assert reported == [None, None]
    assert [(line["log_level"], line["event"]) for line in lines] == [
        ("info", "own token is not watched: the platform does not let this token read it")
    ]


@pytest.mark.parametrize("refusal", [Reason.FORBIDDEN, Reason.NOT_FOUND, Reason.TIMEOUT])
def test_one_refusal_keeps_the_known_expiry_of_the_same_token(refusal: Reason) -> None:
    platform = Platform([a_token("pt-own", expires_in=2 * DAY)])
    monitor, reported = a_monitor(platform)
    monitor.check()
    platform.refusal = refusal
    assert (monitor.check(), reported) == (60, [NOW + 2 * DAY])


def test_a_temporary_failure_reports_nothing_and_is_retried_soon() -> None:
    monitor, reported = a_monitor(Platform(refusal=Reason.TIMEOUT))
    assert (monitor.check(), reported) == (60, [])
    monitor, reported = a_monitor(Platform(refusal=Reason.UNAUTHORIZED))
    assert (monitor.check(), reported) == (None, [])
    # The sweeps go on with this token, so that nothing else asks for its expiry soon.
    monitor, reported = a_monitor(Platform(refusal=Reason.UNAUTHORIZED, meaning=Refusal.CALL))
    assert (monitor.check(), reported) == (60, [])


@pytest.mark.parametrize("listed", [[], [a_token("pt-other")], [a_token("pt-own", expires_in=None)]])
def test_a_token_that_is_not_listed_or_not_readable_is_not_watched(listed: list[Token]) -> None:
    monitor, reported = a_monitor(Platform(listed))
    assert monitor.check() is None
    assert reported == [None]


def test_a_request_that_ends_after_the_pause_reports_nothing() -> None:
    class PausedDuringTheCall(Platform):
        def list_tokens(self, user_id: str, stop: Stop) -> TokenListing:
            monitor.pause()
            return super().list_tokens(user_id, stop)

    platform = PausedDuringTheCall([a_token("pt-own", expires_in=2 * DAY)])
    monitor, reported = a_monitor(platform)
    monitor.check()
    # None from the pause itself, and nothing after it.
    assert reported == [None]
    platform.list_tokens = lambda user_id, stop: Platform.list_tokens(platform, user_id, stop)  # type: ignore[method-assign]
    monitor.resume()
    monitor.check()
    assert reported == [None, NOW + 2 * DAY]


def test_a_failure_after_a_pause_does_not_bring_the_expiry_back() -> None:
    platform = Platform([a_token("pt-own", expires_in=2 * DAY)])
    monitor, reported = a_monitor(platform)
    monitor.check()
    monitor.pause()
    monitor.resume()
    platform.refusal = Reason.TIMEOUT
    assert monitor.check() == 60
    assert reported == [NOW + 2 * DAY, None]


def test_one_unreadable_expiry_keeps_the_known_one_of_the_same_token() -> None:
    platform = Platform([a_token("pt-own", expires_in=2 * DAY)])
    monitor, reported = a_monitor(platform)
    monitor.check()
    platform.listed = [a_token("pt-own", expires_in=None)]
    assert (monitor.check(), reported) == (None, [NOW + 2 * DAY])
