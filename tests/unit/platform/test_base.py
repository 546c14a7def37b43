from __future__ import annotations

import pytest

from exporter.model.state import Failure, Reason
from exporter.platform.base import ApiError, reason_of_status


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (204, Reason.INVALID_RESPONSE),
        (299, Reason.INVALID_RESPONSE),
        (300, Reason.REDIRECT),
        (302, Reason.REDIRECT),
        (399, Reason.REDIRECT),
        (400, Reason.UNSUPPORTED),
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
        (429, Reason.RATE_LIMITED),
        (499, Reason.INVALID_RESPONSE),
        (500, Reason.SERVER_ERROR),
        (501, Reason.UNSUPPORTED),
        (503, Reason.SERVER_ERROR),
        (599, Reason.SERVER_ERROR),
    ],
)
def test_the_reason_behind_each_status(status: int, reason: Reason) -> None:
    assert reason_of_status(status) is reason


def test_which_errors_are_retried_and_which_mean_that_a_call_is_not_offered() -> None:
    errors = [ApiError(reason, "x") for reason in Reason]
    assert {error.reason for error in errors if error.worth_another_try} == {
        Reason.RATE_LIMITED,
        Reason.SERVER_ERROR,
        Reason.CONNECTION,
    }
    assert {error.reason for error in errors if error.not_offered} == {
        Reason.FORBIDDEN,
        Reason.NOT_FOUND,
        Reason.UNSUPPORTED,
    }


def test_a_redacted_error_differs_in_its_text_only() -> None:
    error = ApiError(Reason.RATE_LIMITED, "HTTP 429 secret", status=429, retry_after=7.0)
    redacted = error.redacted(lambda text: text.replace("secret", "[redacted]"))
    assert (redacted.reason, redacted.detail) == (Reason.RATE_LIMITED, "HTTP 429 [redacted]")
    assert (redacted.status, redacted.retry_after) == (429, 7.0)
    assert str(redacted) == "rate_limited: HTTP 429 [redacted]"
    assert redacted.failure == Failure(Reason.RATE_LIMITED, "HTTP 429 [redacted]")
