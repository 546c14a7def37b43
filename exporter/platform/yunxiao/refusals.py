"""Turns an error that the platform reported into a reason and words: what failed, what it says, what is missing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from exporter.common.text import printable
from exporter.model.state import Reason
from exporter.platform.base import Operation, reason_of_status
from exporter.platform.yunxiao.permissions import needed_for

if TYPE_CHECKING:
    from collections.abc import Mapping

    from exporter.platform.yunxiao.error_body import ErrorBody

_OK = 200
_OUTSIDE = ("forbidden.invaliduser.usernotincurrentorganization", "forbidden.invalidorganizationmember")
_NO_SCOPE = "no permission to api"
"""Part of the message if the token lacks a permission. The code is the same as without the role."""
_ROLE_OR_OUTSIDE = "the user is outside the organization, or the owner of the exporter's token is not an administrator"


@dataclass(frozen=True, slots=True)
class Question:
    """A request to the platform.

    Attributes:
        operation: the call.
        path: the path below ``/oapi/v1/``, percent-encoded.
        query: the parameters.
    """

    operation: Operation
    path: str
    query: Mapping[str, str]

    @property
    def words(self) -> str:
        """What was asked for."""
        if (user_id := self.query.get("userId")) is not None:
            return printable(f"user id {user_id}")
        page = f"page {self.query['page']} of " if "page" in self.query else ""
        parent = f" below department {self.query['parentId']}" if self.query.get("parentId") else ""
        return printable(f"{page}{self.path}{parent}")


def reason_for(status: int, error: ErrorBody) -> Reason:
    """The reason that an answer stands for: by its status, and by the error in its body where that says more.

    Args:
        status: the HTTP status; 200 if the body alone reports the error.
        error: the error in the body.
    """
    if status == _OK:
        return error.reason or Reason.INVALID_RESPONSE
    reason = reason_of_status(status)
    unsupported = reason in (Reason.BAD_REQUEST, Reason.FORBIDDEN) and error.reason is Reason.UNSUPPORTED
    return Reason.UNSUPPORTED if unsupported else reason


def explanation(question: Question, reason: Reason, error: ErrorBody) -> str:
    """What is known about the cause beyond the meaning of the reason; "" if nothing is."""
    if reason is Reason.BAD_REQUEST:
        return f"asked for {question.words}"
    if reason is not Reason.FORBIDDEN:
        return ""
    if error.has_code(*_OUTSIDE):
        return _ROLE_OR_OUTSIDE
    permission = needed_for(question.operation, question.path)
    if permission is None:
        return ""
    if _NO_SCOPE in error.message.lower():
        return f"the exporter's token lacks the permission {permission}"
    return f"the call needs the permission {permission}"
