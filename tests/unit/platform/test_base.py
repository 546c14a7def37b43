from __future__ import annotations

import pytest

from exporter.model.state import Failure, Reason
from exporter.platform.base import OPERATIONS, ApiError, Refusal, reason_of_status


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (204, Reason.INVALID_RESPONSE),
        (299, Reason.INVALID_RESPONSE),
        (300, Reason.REDIRECT),
        (302, Reason.REDIRECT),
        (399, Reason.REDIRECT),
        (400, Reason.BAD_REQUEST),
        (401, Reason.UNAUTHORIZED),
        (402, Reason.INVALID_RESPONSE),
        (403, Reason.FORBIDDEN),
        (404, Reason.NOT_FOUND),
        (405, Reason.UNSUPPORTED),
        (407, Reason.CONNECTION),  # a proxy asks for credentials
        (408, Reason.TIMEOUT),
        (409, Reason.INVALID_RESPONSE),
        (410, Reason.UNSUPPORTED),
        (411, Reason.INVALID_RESPONSE),
        (418, Reason.INVALID_RESPONSE),
        (429, Reason.RATE_LIMITED),
        (499, Reason.INVALID_RESPONSE),
        (500, Reason.SERVER_ERROR),
        (501, Reason.UNSUPPORTED),
        (503, Reason.SERVER_ERROR),
        (599, Reason.SERVER_ERROR),
    ],
)
def test_each_status_has_a_reason(status: int, reason: Reason) -> None:
    assert reason_of_status(status) is reason


def test_only_failures_that_may_pass_are_retried() -> None:
    retried = {reason for reason in Reason if ApiError(reason, "x").retryable}
    assert retried == {Reason.RATE_LIMITED, Reason.SERVER_ERROR, Reason.CONNECTION}


def test_a_call_is_not_offered_if_it_is_forbidden_or_unknown() -> None:
    not_offered = {reason for reason in Reason if ApiError(reason, "x").not_offered}
    assert not_offered == {Reason.FORBIDDEN, Reason.NOT_FOUND, Reason.UNSUPPORTED, Reason.BAD_REQUEST}


def test_a_redacted_error_keeps_all_but_the_secret() -> None:
    error = ApiError(Reason.RATE_LIMITED, "HTTP 429 s3cret", status=429, retry_after=7.0)
    clean = error.redacted(lambda text: text.replace("s3cret", "***"))
    assert (clean.detail, clean.status, clean.retry_after) == ("HTTP 429 ***", 429, 7.0)
    assert clean.failure == Failure(Reason.RATE_LIMITED, "HTTP 429 ***")
    assert str(clean) == "rate_limited: HTTP 429 ***"


def test_only_an_unauthorized_call_refuses_the_token_unless_stated_otherwise() -> None:
    refusing = {reason for reason in Reason if ApiError(reason, "x").refusal is Refusal.TOKEN}
    assert refusing == {Reason.UNAUTHORIZED}
    assert {ApiError(reason, "x").refusal for reason in Reason} == {Refusal.TOKEN, Refusal.NONE}
    assert ApiError(Reason.UNAUTHORIZED, "x", refusal=Refusal.CALL).refusal is Refusal.CALL


def test_a_copy_keeps_all_that_is_not_given() -> None:
    error = ApiError(Reason.REDIRECT, "HTTP 302", status=302, retry_after=7.0, refusal=Refusal.POSSIBLE)
    same, other = error.copy(), error.copy(detail="x", refusal=Refusal.NONE)
    assert (same.reason, same.detail, same.status, same.retry_after, same.refusal) == (
        Reason.REDIRECT,
        "HTTP 302",
        302,
        7.0,
        Refusal.POSSIBLE,
    )
    assert (other.reason, other.detail, other.refusal) == (Reason.REDIRECT, "x", Refusal.NONE)


def test_operations_are_plain_label_values() -> None:
    assert OPERATIONS == (
        "list_tokens",
        "list_users",
        "list_members",
        "list_organizations",
        "list_departments",
        "get_caller",
        "list_ssh_keys",
    )
    assert all(type(operation) is str for operation in OPERATIONS)
