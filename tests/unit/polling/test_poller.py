from __future__ import annotations

import pytest
from structlog.testing import capture_logs
from support.builders import NOW, Counts, ManualClock, a_token

from exporter.common.cancellation import Stop, StoppedError
from exporter.model.state import Failure, Reason
from exporter.model.user import User
from exporter.platform.base import ApiError, Refusal, TokenListing
from exporter.polling.poller import Poller, TokenRefusedError
from exporter.state.ledger import Ledger

USER = User("u1", "li.wei")


class Platform:
    """Lists one token, or raises."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.listing = TokenListing((a_token(),))

    def list_tokens(self, user_id: str, stop: Stop) -> TokenListing:  # noqa: ARG002 - as in Platform
        assert user_id == "u1"
        if self.error is not None:
            raise self.error
        return self.listing


class Setup:
    def __init__(self) -> None:
        self.platform = Platform()
        self.ledger = Ledger("acme", (USER,))
        self.counts = Counts()
        self.poller = Poller(self.ledger, self.platform, self.counts, ManualClock())

    def poll(self, error: Exception | None = None) -> Failure | None:
        self.platform.error = error
        return self.poller.poll(USER, Stop())


def test_a_user_is_reserved_for_one_poll_at_a_time() -> None:
    poller = Setup().poller
    assert poller.claim(USER)
    assert not poller.claim(USER)
    poller.release(USER)
    assert poller.claim(USER)


def test_success_and_failure_are_recorded() -> None:
    setup = Setup()
    assert setup.poll() is None
    state = setup.ledger.state("u1")
    assert state is not None
    assert (state.last_success, state.failure) == (NOW, None)
    failure = setup.poll(ApiError(Reason.SERVER_ERROR, "HTTP 500"))
    state = setup.ledger.state("u1")
    assert state is not None
    assert (state.tokens, state.failure, failure) == ((a_token(),), failure, Failure(Reason.SERVER_ERROR, "HTTP 500"))


def test_a_refused_token_is_left_to_the_sweep() -> None:
    setup = Setup()
    with pytest.raises(TokenRefusedError) as caught:
        setup.poll(ApiError(Reason.UNAUTHORIZED, "HTTP 401"))
    assert caught.value.failure == Failure(Reason.UNAUTHORIZED, "HTTP 401")
    state = setup.ledger.state("u1")
    assert state is not None
    assert not state.polled


def test_a_user_that_is_refused_alone_has_failed() -> None:
    setup = Setup()
    failure = setup.poll(ApiError(Reason.UNAUTHORIZED, "HTTP 401", refusal=Refusal.CALL))
    state = setup.ledger.state("u1")
    assert state is not None
    assert state.failure == failure == Failure(Reason.UNAUTHORIZED, "HTTP 401")


def test_a_cancelled_poll_records_nothing() -> None:
    setup = Setup()
    with pytest.raises(StoppedError):
        setup.poll(StoppedError())
    state = setup.ledger.state("u1")
    assert state is not None
    assert not state.polled


def test_a_failure_is_a_warning_when_it_begins_and_its_end_is_logged() -> None:
    setup = Setup()
    with capture_logs() as lines:
        for error in (ApiError(Reason.TIMEOUT, "slow"), ApiError(Reason.TIMEOUT, "slow"), None, None):
            setup.poll(error)
    assert [(line["log_level"], line["event"]) for line in lines] == [
        ("warning", "poll failed"),
        ("debug", "poll failed"),
        ("info", "poll works again"),
    ]


def test_a_token_missing_beside_an_unreadable_entry_is_kept() -> None:
    setup = Setup()
    setup.poll()
    setup.platform.listing = TokenListing((), unreadable=1)
    assert setup.poll() is None
    state = setup.ledger.state("u1")
    assert state is not None
    assert (state.tokens, state.unreadable) == ((a_token(),), 1)
