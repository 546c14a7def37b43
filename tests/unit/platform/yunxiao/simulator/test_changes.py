from __future__ import annotations

import pytest

from exporter.platform.yunxiao.simulator.changes import Step, changed, end_of, fits
from exporter.platform.yunxiao.simulator.made_up import PERMISSIONS, chance_of
from exporter.platform.yunxiao.simulator.records import DAY, TokenRecord

NOW = 1_780_272_000.0


def a_token(*permissions: str, expires_in: float | None = 30 * DAY) -> TokenRecord:
    return TokenRecord("pt-1", "ci-1", permissions, NOW - DAY, None if expires_in is None else NOW + expires_in)


def after(step: Step, token: TokenRecord, seed: int = 1) -> TokenRecord:
    assert fits(step, token, NOW)
    result = changed(step, token, chance_of(seed), NOW)
    assert result is not None
    return result


def levels(token: TokenRecord) -> set[str]:
    """What a token grants, worked out by hand: `X_read_write` includes `X_read`."""
    reads = {name[: -len("_write")] for name in token.permissions if name.endswith("_read_write")}
    return {*token.permissions} | reads


TOKENS = [
    a_token("base_user_read"),
    a_token("base_user_read_write"),
    a_token("base_user_read", "base_user_read_write", "lingma_chat_read"),
    a_token("base_orgmember_read_write", "lingma_chat_read", "lingma_kbFile_read"),
]


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("token", TOKENS)
def test_widened_narrowed_and_exchanged_are_what_they_say_by_level(token: TokenRecord, seed: int) -> None:
    assert levels(after(Step.WIDEN, token, seed)) > levels(token)
    if fits(Step.NARROW, token, NOW):
        assert set() < levels(after(Step.NARROW, token, seed)) < levels(token)
    exchanged = levels(after(Step.EXCHANGE, token, seed))
    assert exchanged - levels(token)
    assert levels(token) - exchanged


def test_all_and_no_permissions_cannot_be_widened_or_narrowed() -> None:
    assert not fits(Step.WIDEN, a_token(*PERMISSIONS), NOW)
    assert not fits(Step.NARROW, a_token("base_user_read"), NOW)
    assert not fits(Step.EXCHANGE, a_token(), NOW)
    assert not fits(Step.EXCHANGE, a_token(*PERMISSIONS), NOW)


@pytest.mark.parametrize("seed", range(40))
def test_a_renewed_token_expires_later_or_never_and_at_most_in_a_year(seed: int) -> None:
    for expires_in in (-100 * DAY, 0.0, 274 * DAY):
        token = a_token("base_user_read", expires_in=expires_in)
        renewed = end_of(after(Step.RENEW, token, seed))
        assert renewed > max(end_of(token), NOW)
        assert renewed == float("inf") or renewed <= NOW + 365 * DAY


def test_some_renewed_tokens_never_expire() -> None:
    never = [after(Step.RENEW, a_token("base_user_read"), seed).expires_at is None for seed in range(200)]
    assert 5 < sum(never) < 40  # a tenth of 200


def test_a_token_that_expires_in_a_year_or_never_is_not_renewed_and_one_that_expires_soon_is_not_shortened() -> None:
    for expires_in in (None, 300 * DAY):
        assert not fits(Step.RENEW, a_token("base_user_read", expires_in=expires_in), NOW)
        assert end_of(after(Step.SHORTEN, a_token("base_user_read", expires_in=expires_in))) < NOW + 10 * DAY
    assert not fits(Step.SHORTEN, a_token("base_user_read", expires_in=9 * DAY), NOW)


def test_a_token_can_be_renamed_and_deleted() -> None:
    token = a_token("base_user_read")
    assert after(Step.RENAME, token).name != token.name
    assert changed(Step.DELETE, token, chance_of(1), NOW) is None
    assert changed(Step.DELETE_FIRST, token, chance_of(1), NOW) is None
