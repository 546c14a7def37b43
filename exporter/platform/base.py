"""What can go wrong with a call, as the closed list of reasons.

ApiError
└── the exception of a failed call; its `reason` says which kind
    └── PagingError (exporter.platform.yunxiao.pagination): the pages of a list make none
StoppedError (exporter.clock)
└── the call was called off
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.common.text import explained
from exporter.model.state import Failure, Reason

if TYPE_CHECKING:
    from collections.abc import Callable

_BY_STATUS = {
    400: Reason.UNSUPPORTED,
    401: Reason.UNAUTHORIZED,
    403: Reason.FORBIDDEN,
    404: Reason.NOT_FOUND,
    405: Reason.UNSUPPORTED,
    407: Reason.CONNECTION,
    408: Reason.TIMEOUT,
    410: Reason.UNSUPPORTED,
    429: Reason.RATE_LIMITED,
    501: Reason.UNSUPPORTED,
}
_WORTH_ANOTHER_TRY = frozenset({Reason.RATE_LIMITED, Reason.SERVER_ERROR, Reason.CONNECTION})
_NOT_OFFERED = frozenset({Reason.FORBIDDEN, Reason.NOT_FOUND, Reason.UNSUPPORTED})


class ApiError(Exception):
    """A call failed.

    Attributes:
        reason: which kind of failure.
        detail: what exactly, safe to show: no secret, no body, no address with a password.
        status: the HTTP status; None where no answer came.
        retry_after: seconds that the platform asked to wait; None if it did not say.
    """

    def __init__(
        self, reason: Reason, detail: str, *, status: int | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(explained(detail, reason=reason))
        self.status = status
        self.reason = reason
        self.detail = detail
        self.retry_after = retry_after

    def redacted(self, redact: Callable[[str], str]) -> ApiError:
        """The same error with its text redacted."""
        return ApiError(self.reason, redact(self.detail), status=self.status, retry_after=self.retry_after)

    @property
    def worth_another_try(self) -> bool:
        """Whether the same request may well work in a moment."""
        return self.reason in _WORTH_ANOTHER_TRY

    @property
    def not_offered(self) -> bool:
        """Whether the platform does not offer the call, or not to this token."""
        return self.reason in _NOT_OFFERED

    @property
    def failure(self) -> Failure:
        """The error as what is kept about a user."""
        return Failure(self.reason, self.detail)


def reason_of_status(status: int) -> Reason:
    """The reason behind an HTTP status that is no success."""
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if 300 <= status < 400:  # noqa: PLR2004
        return Reason.REDIRECT
    if status >= 500:  # noqa: PLR2004
        return Reason.SERVER_ERROR
    return Reason.INVALID_RESPONSE
