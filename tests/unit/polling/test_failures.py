from __future__ import annotations

from exporter.model.state import Failure, Reason
from exporter.polling.failures import INTERNAL_FAILURE, log_details


def test_a_failure_is_logged_with_its_reason_and_what_that_means() -> None:
    assert log_details(Failure(Reason.FORBIDDEN, "HTTP 403")) == {
        "reason": "forbidden",
        "detail": "HTTP 403",
        "meaning": Reason.FORBIDDEN.meaning,
    }


def test_a_defect_is_an_internal_failure() -> None:
    assert INTERNAL_FAILURE.reason is Reason.INTERNAL
