from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs
from support.builders import NOW, Counts, ManualClock, a_key, a_token

from exporter.common.cancellation import Stop, StoppedError
from exporter.model.state import Failure, Reason
from exporter.model.user import User
from exporter.platform.base import ApiError, Refusal, TokenListing
from exporter.polling.poller import Poller, TokenRefusedError
from exporter.polling.ssh_keys import SshKeyReader
from exporter.state.ledger import Ledger

if TYPE_CHECKING:
    from exporter.model.ssh_key import SshKey
    from exporter.model.state import UserState

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


class Keys:
    """Lists one SSH key, or raises."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.calls = 0

    def list_ssh_keys(self, user_id: str, stop: Stop) -> tuple[SshKey, ...]:  # noqa: ARG002 - as in Platform
        assert user_id == "u1"
        self.calls += 1
        if self.error is not None:
            raise self.error
        return (a_key(),)


class WithKeys(Setup):
    def __init__(self) -> None:
        super().__init__()
        self.keys = Keys()
        clock = ManualClock()
        reader = SshKeyReader("acme", self.keys, clock)
        self.poller = Poller(self.ledger, self.platform, self.counts, clock, ssh_keys=reader)

    @property
    def state(self) -> UserState:
        state = self.ledger.state("u1")
        assert state is not None
        return state


def test_keys_are_recorded_with_the_tokens() -> None:
    setup = WithKeys()
    assert setup.poll() is None
    assert (setup.state.tokens, setup.state.ssh_keys) == ((a_token(),), (a_key(),))


def test_a_user_whose_tokens_cannot_be_listed_is_not_asked_for_keys() -> None:
    setup = WithKeys()
    setup.poll()
    setup.poll(ApiError(Reason.SERVER_ERROR, "HTTP 500"))
    assert setup.keys.calls == 1
    assert setup.state.ssh_keys == (a_key(),)


@pytest.mark.parametrize("reason", [Reason.UNSUPPORTED, Reason.FORBIDDEN, Reason.UNAUTHORIZED, Reason.TIMEOUT])
def test_a_failed_list_of_keys_costs_neither_the_tokens_nor_the_keys_known_last(reason: Reason) -> None:
    setup = WithKeys()
    setup.keys.error = ApiError(reason, "no")
    assert setup.poll() is None
    assert (setup.state.failure, setup.state.tokens, setup.state.ssh_keys) == (None, (a_token(),), None)
    setup = WithKeys()
    setup.poll()
    setup.keys.error = ApiError(reason, "no")
    assert setup.poll() is None
    assert (setup.state.failure, setup.state.ssh_keys) == (None, (a_key(),))


def test_a_defect_with_the_keys_is_counted_and_costs_nothing_else() -> None:
    setup = WithKeys()
    setup.keys.error = KeyError("x")
    assert setup.poll() is None
    assert (setup.state.failure, setup.state.tokens) == (None, (a_token(),))
    assert setup.counts.of("internal_error") == [("internal_error", "poll")]


def test_a_poll_that_is_cancelled_while_it_lists_keys_records_nothing() -> None:
    setup = WithKeys()
    setup.keys.error = StoppedError()
    with pytest.raises(StoppedError):
        setup.poll()
    assert not setup.state.polled


def test_keys_that_are_no_longer_watched_are_forgotten() -> None:
    setup = WithKeys()
    setup.poll()
    Poller(setup.ledger, setup.platform, setup.counts, ManualClock()).poll(USER, Stop())
    assert setup.state.ssh_keys is None
