"""Whose tokens an answer may list."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs
from support import official_sample
from support.builders import Counts, ManualClock

from exporter.common.cancellation import Stop, StoppedError
from exporter.model.state import Reason
from exporter.model.user import User
from exporter.platform.base import ApiError
from exporter.platform.yunxiao.owners import Owners

if TYPE_CHECKING:
    from collections.abc import Sequence

ANN = official_sample.ASKED_USER_ID
BOB = "7c2e9b40-55d1-4e0a-9b3c-0f1e2d3c4b5a"
ADMIN = "a0a0a0a0-0000-4000-8000-00000000abcd"


class Scene:
    """Ann and Bob are watched, the admin's token asks."""

    def __init__(self, *ids: str) -> None:
        self.counts = Counts()
        self.lists: tuple[Sequence[User], ...] = (users(ANN), users(BOB, *ids))
        self.asked = 0
        self.error: Exception | None = None
        self.clock = ManualClock()

        def redact(text: str) -> str:
            return text.replace("5ecre7", "[redacted]")

        self.owners = Owners("acme", lambda: self.lists, self.find_caller, self.counts, redact, self.clock)

    def find_caller(self, stop: Stop) -> str:
        stop.check()
        self.asked += 1
        if self.error is not None:
            raise self.error
        return ADMIN

    def check(self, asked: str, *listed: str) -> None:
        self.owners.check(asked, listed, Stop())

    def refusal(self, *listed: str) -> str:
        with pytest.raises(ApiError) as caught:
            self.check(ANN, *listed)
        assert caught.value.reason is Reason.INVALID_RESPONSE
        return caught.value.detail


def users(*ids: str) -> tuple[User, ...]:
    return tuple(User(one, one) for one in ids)


@pytest.mark.parametrize(
    "listed",
    [
        ANN,
        ANN.upper(),
        official_sample.USER_ID,  # masked, and fits
        "",
        "****",
        "5ebbc022-not-watched",
        "59f1c5b2a4e6d700010203ff",  # the form of the central edition
        "b0b0****-****-4000-8000-********abcd",  # masked, and fits neither Ann nor a watched user
        "7***",  # fits Bob, but shows too little to tell
        "****b5a",
    ],
)
def test_an_owner_that_may_be_the_user_is_accepted(listed: str) -> None:
    scene = Scene()
    scene.check(ANN, listed)
    assert scene.counts.seen == []


@pytest.mark.parametrize(
    "listed",
    [
        BOB,
        BOB.upper(),
        "7c2e****-****-4e0a-9b3c-********4b5a",
        "7C2E****-****-4E0A-9B3C-********4B5A",
        "****4b5a",
    ],
)
def test_another_watched_user_is_refused_and_counted(listed: str) -> None:
    scene = Scene()
    assert scene.refusal(ANN, listed) == (
        f"the answer lists tokens of another user ({listed}) instead of those of {ANN}: the platform, or a cache in "
        "between, ignores the parameter userId"
    )
    assert scene.counts.seen == [("parse_errors", "user_id", 1), ("error", "invalid_response")]


@pytest.mark.parametrize("listed", [ADMIN, "a0a0****-****-4000-8000-********abcd"])
def test_the_caller_is_refused_for_another_user(listed: str) -> None:
    scene = Scene()
    assert "tokens of the exporter's own user" in scene.refusal(listed)
    scene.check(ADMIN, listed)  # the caller's own tokens


def test_the_platform_is_asked_for_the_caller_once_and_only_in_doubt() -> None:
    scene = Scene()
    for listed in (ANN, "", official_sample.USER_ID):
        scene.check(ANN, listed)
    scene.refusal(BOB)
    assert scene.asked == 0
    for listed in ("stranger", "another", "stranger"):
        scene.check(ANN, listed)
    assert scene.asked == 1


def test_a_caller_that_is_unknown_refuses_nothing() -> None:
    scene = Scene()
    scene.error = ApiError(Reason.FORBIDDEN, "HTTP 403")
    for listed in (ADMIN, "****abcd"):
        scene.check(ANN, listed)
    assert (scene.asked, scene.counts.seen) == (1, [])
    scene.owners.learn_caller(ADMIN)
    assert "own user" in scene.refusal(ADMIN)


def test_a_caller_that_is_unknown_for_the_moment_is_asked_for_again_after_a_minute() -> None:
    scene = Scene()
    scene.error = ApiError(Reason.SERVER_ERROR, "HTTP 500")
    scene.check(ANN, ADMIN)
    scene.clock.advance(59)
    scene.check(ANN, ADMIN)
    assert scene.asked == 1
    scene.clock.advance(1)
    scene.error = None
    assert "of the exporter's own user" in scene.refusal(ADMIN)
    assert scene.asked == 2


def test_a_question_for_the_caller_can_be_cancelled() -> None:
    scene = Scene()
    stopped = Stop()
    stopped.set()
    with pytest.raises(StoppedError):
        scene.owners.check(ANN, {ADMIN}, stopped)
    assert "own user" in scene.refusal(ADMIN)


def test_the_lists_of_users_are_followed() -> None:
    scene = Scene()
    scene.check(ANN, "new-user")
    scene.lists = (scene.lists[0], users("new-user"))
    assert "new-user" in scene.refusal("new-user")
    scene.check(ANN, BOB)  # who is no longer watched


def test_what_is_accepted_without_proof_is_logged_once() -> None:
    scene = Scene()
    with capture_logs() as lines:
        for _ in range(3):
            scene.check(ANN, "", official_sample.USER_ID, "other-5ecre7\x07.")
            scene.check(ANN, "", "another")
            scene.check(ANN, ANN)
    assert lines == [
        {
            "event": "the platform lists tokens without their owner",
            "log_level": "info",
            "organization": "acme",
        },
        {
            "event": "the platform masks the ids of tokens' owners",
            "log_level": "info",
            "organization": "acme",
            "listed": official_sample.USER_ID,
        },
        {
            "event": "the platform lists tokens under another id than the user's; they are taken as the user's",
            "log_level": "info",
            "organization": "acme",
            "user_id": ANN,
            "listed": "other-[redacted]\ufffd.",
        },
    ]


def test_a_refusal_shows_neither_secrets_nor_very_long_ids() -> None:
    secret, long = "bob-5ecre7", "x" * 1000
    scene = Scene(secret, long)
    assert "(bob-[redacted])" in scene.refusal(secret)
    assert f"({'x' * 127}…)" in scene.refusal(long)


def test_an_unusual_number_of_similar_ids_is_not_compared() -> None:
    # All begin like the masked one; only the first 1,000 are compared.
    scene = Scene(*[f"same-{number:04}" for number in range(1500)])
    assert "same-*0999" in scene.refusal("same-*0999")
    scene.check(ANN, "same-*1499")


@given(st.sets(st.text("abc*-", min_size=1, max_size=6), max_size=12), st.text("abcABC-", max_size=6))
def test_a_whole_id_is_refused_only_if_it_is_watched(ids: set[str], listed: str) -> None:
    others = ids - {"ann"}
    owners = Owners("acme", lambda: (users(*others),), lambda _: "", Counts(), str, ManualClock())
    known = listed.casefold() in {one.casefold() for one in others}
    try:
        owners.check("ann", {listed}, Stop())
    except ApiError:
        assert known
    else:
        assert not known
