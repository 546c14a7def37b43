"""What the exporter needs of a platform, its operations and fields, and the error of a failed call.

Polling, metrics and commands know this module alone. To add a platform, write a package beside `yunxiao` with a
function `connect` that returns a `Platform`, and call it in `exporter.app.organization_parts`.

Exceptions of every call:

ApiError
    The call failed; its `reason` is one of a closed list.
StoppedError (exporter.common.cancellation)
    The call was cancelled.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from exporter.common.text import explained
from exporter.model.state import Failure, Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from exporter.common.cancellation import Stop
    from exporter.common.secrets import Secret
    from exporter.model.ssh_key import SshKey
    from exporter.model.token import Token
    from exporter.model.user import User

_BY_STATUS = {
    400: Reason.BAD_REQUEST,
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
_RETRYABLE = frozenset({Reason.RATE_LIMITED, Reason.SERVER_ERROR, Reason.CONNECTION})
_NOT_OFFERED = frozenset({Reason.FORBIDDEN, Reason.NOT_FOUND, Reason.UNSUPPORTED, Reason.BAD_REQUEST})


class Operation(StrEnum):
    """The calls to a platform, as the label `operation` names them."""

    LIST_TOKENS = "list_tokens"
    LIST_USERS = "list_users"
    LIST_MEMBERS = "list_members"
    LIST_ORGANIZATIONS = "list_organizations"
    LIST_DEPARTMENTS = "list_departments"
    GET_CALLER = "get_caller"
    LIST_SSH_KEYS = "list_ssh_keys"


OPERATIONS = tuple(operation.value for operation in Operation)
ENCODING = "encoding"
"""Counts answers with bytes that are not valid in any encoding, in place of a field."""
PARSE_FIELDS = (
    "token",
    "token_id",
    "name",
    "description",
    "permissions",
    "created_at",
    "expired_at",
    "last_used_at",
    "user_id",
    "user",
    ENCODING,
)
"""The fields that can be unreadable, as the label `field` of `yunxiao_parse_errors_total` names them."""
TRUNCATED_FIELDS = ("token_id", "name", "description", "permissions", "user")
"""The fields that can be cut, as the label `field` of `yunxiao_truncated_fields_total` names them."""


@dataclass(frozen=True, slots=True)
class Caller:
    """The user that the exporter's token belongs to.

    Attributes:
        user_id: the id on the platform.
        name: the name to show; "" if the platform does not return one.
        username: the login name; "" if the platform does not return one.
    """

    user_id: str
    name: str = ""
    username: str = ""


@dataclass(frozen=True, slots=True)
class TokenListing:
    """The answer to the question for a user's tokens.

    Attributes:
        tokens: the tokens; ``()`` if there are none.
        unreadable: the number of entries that could not be read as tokens; they have been counted.
        owners: the distinct ids of users that the entries name as owners, as listed; "" if an entry names none.
    """

    tokens: tuple[Token, ...] = ()
    unreadable: int = 0
    owners: frozenset[str] = frozenset()


class TokenLister(Protocol):
    """Lists tokens."""

    def list_tokens(self, user_id: str, stop: Stop) -> TokenListing:
        """The personal access tokens of one user.

        Args:
            user_id: the user's id on the platform.
            stop: cancels the call.

        Raises:
            ApiError: the call failed, after retries if a retry made sense.
            StoppedError: the call was cancelled.
        """
        ...


class SshKeyLister(Protocol):
    """Lists SSH keys."""

    def list_ssh_keys(self, user_id: str, stop: Stop) -> tuple[SshKey, ...]:
        """The SSH keys of one user; ``()`` if there are none.

        Args:
            user_id: the user's id on the platform.
            stop: cancels the call.

        Raises:
            ApiError: the call failed; `ApiError.not_offered` if the platform does not offer it, or not for this user.
            StoppedError: the call was cancelled.
        """
        ...


class OwnTokens(TokenLister, Protocol):
    """Finds the owner of the exporter's token, and lists tokens."""

    def caller(self, stop: Stop) -> Caller:
        """The user that the exporter's token belongs to.

        Args:
            stop: cancels the call.

        Raises:
            ApiError: the call failed; `ApiError.not_offered` if the platform does not offer it to this token.
            StoppedError: the call was cancelled.
        """
        ...


@dataclass(frozen=True, slots=True)
class FoundUsers:
    """The users that were found on a platform.

    Attributes:
        users: those that the configuration selects, each id once; ``()`` if it selects none.
        unselected: ids of others that the platform lists, such as deleted users, and that are certainly not selected.
        is_complete: whether a user who is neither selected nor unselected is certainly not on the platform. Lists in
            pages can miss a user if others leave while they are read.
    """

    users: tuple[User, ...] = ()
    unselected: frozenset[str] = frozenset()
    is_complete: bool = False


class UserFinder(Protocol):
    """Finds users."""

    def find_users(self, stop: Stop) -> FoundUsers:
        """The users that the configuration selects.

        Args:
            stop: cancels the call.

        Raises:
            ApiError: a list could not be fetched completely.
            StoppedError: the call was cancelled.
        """
        ...


class Platform(OwnTokens, UserFinder, SshKeyLister, Protocol):
    """All that the exporter needs of one organization's platform. Threads share it."""

    @property
    def refused(self) -> Collection[Secret]:
        """The tokens that the platform refused in the last call that failed with 401."""
        ...

    def close(self) -> None:
        """Cancel the requests in flight and close the connections; no call works afterwards."""
        ...


class PlatformObserver(Protocol):
    """Counts requests and what is wrong with their answers."""

    def request(self, operation: str, code: str, seconds: float) -> None:
        """A request ended with this HTTP status, or with ``error`` if there was none."""
        ...

    def retry(self) -> None:
        """A request is about to be repeated."""
        ...

    def error(self, reason: Reason) -> None:
        """A request failed."""
        ...

    def parse_errors(self, field: str, count: int) -> None:
        """Fields of an answer could not be read; the field is one of `PARSE_FIELDS`."""
        ...

    def truncated(self, field: str, count: int) -> None:
        """Fields of an answer were too long and were cut; the field is one of `TRUNCATED_FIELDS`."""
        ...


class Refusal(StrEnum):
    """What a failed call says about the exporter's token."""

    NONE = "none"
    """Nothing."""
    POSSIBLE = "possible"
    """The platform may refuse it: a redirect to a login page."""
    CALL = "call"
    """The platform refuses this call, and accepts the token for others."""
    TOKEN = "token"  # noqa: S105 - not a token
    """The platform refuses it."""


class ApiError(Exception):
    """A call failed.

    Attributes:
        reason: the kind of failure.
        detail: what happened; safe to show: no secret, no body, no address with a password.
        status: the HTTP status; None if there was no answer.
        retry_after: seconds that the platform asked to wait; None if it did not ask.
        refusal: whether the platform refuses the token; if not given, it does with the reason `unauthorized`.
    """

    def __init__(
        self,
        reason: Reason,
        detail: str,
        *,
        status: int | None = None,
        retry_after: float | None = None,
        refusal: Refusal | None = None,
    ) -> None:
        super().__init__(explained(detail, reason=reason))
        self.status = status
        self.reason = reason
        self.detail = detail
        self.retry_after = retry_after
        by_reason = Refusal.TOKEN if reason is Reason.UNAUTHORIZED else Refusal.NONE
        self.refusal = by_reason if refusal is None else refusal

    def copy(self, *, detail: str | None = None, refusal: Refusal | None = None) -> ApiError:
        """The same error without traceback, with another detail or refusal if given."""
        return ApiError(
            self.reason,
            self.detail if detail is None else detail,
            status=self.status,
            retry_after=self.retry_after,
            refusal=self.refusal if refusal is None else refusal,
        )

    def redacted(self, redact: Callable[[str], str]) -> ApiError:
        """The same error with its text redacted."""
        return self.copy(detail=redact(self.detail))

    @property
    def retryable(self) -> bool:
        """Whether the same request may work if it is repeated."""
        return self.reason in _RETRYABLE

    @property
    def not_offered(self) -> bool:
        """Whether the platform does not offer this call, or not to this token."""
        return self.reason in _NOT_OFFERED

    @property
    def failure(self) -> Failure:
        """The error as recorded in the state of a user."""
        return Failure(self.reason, self.detail)


def reason_of_status(status: int) -> Reason:
    """The reason that an HTTP status other than 200 stands for."""
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if 300 <= status < 400:  # noqa: PLR2004
        return Reason.REDIRECT
    if status >= 500:  # noqa: PLR2004
        return Reason.SERVER_ERROR
    return Reason.INVALID_RESPONSE
