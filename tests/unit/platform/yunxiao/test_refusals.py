from __future__ import annotations

import pytest

from exporter.model.state import Reason
from exporter.platform.base import Operation
from exporter.platform.yunxiao.error_body import ErrorBody
from exporter.platform.yunxiao.refusals import Question, explanation, reason_for

TOKENS = Question(Operation.LIST_TOKENS, "platform/users/admin/personalAccessTokens", {"userId": "u1"})
CALLER = Question(Operation.GET_CALLER, "platform/user", {})
NO_SCOPE = "Current token has no permission to api"


@pytest.mark.parametrize(
    ("status", "named", "reason"),
    [
        (200, None, Reason.INVALID_RESPONSE),
        (200, Reason.FORBIDDEN, Reason.FORBIDDEN),
        (400, None, Reason.BAD_REQUEST),
        (400, Reason.UNSUPPORTED, Reason.UNSUPPORTED),
        (403, Reason.UNSUPPORTED, Reason.UNSUPPORTED),
        (401, Reason.UNSUPPORTED, Reason.UNAUTHORIZED),
        (500, Reason.UNSUPPORTED, Reason.SERVER_ERROR),
        (403, Reason.UNAUTHORIZED, Reason.FORBIDDEN),
        (500, Reason.UNAUTHORIZED, Reason.SERVER_ERROR),
    ],
)
def test_the_status_decides_unless_the_code_says_unsupported(status: int, named: Reason | None, reason: Reason) -> None:
    assert reason_for(status, ErrorBody(reason=named)) is reason


@pytest.mark.parametrize(
    ("question", "reason", "error", "words"),
    [
        (TOKENS, Reason.BAD_REQUEST, ErrorBody(), "asked for user id u1"),
        (TOKENS, Reason.NOT_FOUND, ErrorBody(), ""),
        (TOKENS, Reason.UNAUTHORIZED, ErrorBody(message=NO_SCOPE), ""),
        (
            TOKENS,
            Reason.FORBIDDEN,
            ErrorBody(message=NO_SCOPE.upper()),
            "the exporter's token lacks the permission base_user_read "
            "(Organization Management / User / Read-only, 组织管理 / 用户 / 只读)",
        ),
        (
            TOKENS,
            Reason.FORBIDDEN,
            ErrorBody(code="FORBIDDEN.InvalidOrganizationMember", message=NO_SCOPE),
            "the user is outside the organization, or the owner of the exporter's token is not an administrator",
        ),
        (CALLER, Reason.FORBIDDEN, ErrorBody(message=NO_SCOPE), ""),
    ],
)
def test_what_is_known_about_the_cause(question: Question, reason: Reason, error: ErrorBody, words: str) -> None:
    assert explanation(question, reason, error) == words
