"""Bodies of errors in all the forms that have been seen. Gateways send each of them with status 200 too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

MESSAGE = "当前令牌没有访问该接口的权限 (simulated)"
"""The message of made-up errors; Chinese, as on the platform, so that the encoding of a body matters."""
REQUEST_ID = "6d8f1c2e9a7b4d53"

ENVELOPES: Mapping[str, Mapping[str, Any]] = {
    "documented": {"errorCode": "Forbidden", "errorMessage": MESSAGE, "requestId": REQUEST_ID},
    "code_and_data": {"code": "Forbidden", "message": MESSAGE, "data": []},
    "message_and_data": {"errorMessage": MESSAGE, "data": []},
    "number": {"errorCode": 403, "errorMessage": MESSAGE, "requestId": REQUEST_ID},
    "code_number": {"code": 401, "message": MESSAGE, "data": []},
    "capitals": {"Code": "Forbidden", "Message": MESSAGE, "RequestId": REQUEST_ID},
    "success_text": {"success": "false", "errorCode": "Forbidden", "errorMessage": MESSAGE, "data": []},
    "success_zero": {"success": 0, "message": MESSAGE, "data": []},
    "success_false": {"success": False, "message": MESSAGE, "data": []},
    "spring": {
        "timestamp": "2026-06-01T00:00:00.000+00:00",
        "status": 401,
        "error": "Unauthorized",
        "path": "/oapi/v1/platform/users/admin/personalAccessTokens",
    },
    "description": {"errorCode": "Forbidden", "errorDescription": MESSAGE, "traceId": REQUEST_ID},
    "result": {"result": [], "success": False, "errorCode": "Forbidden", "errorMessage": MESSAGE},
    "result_null": {"result": None, "success": False, "errorCode": "Forbidden", "errorMessage": MESSAGE},
}
"""Error bodies by name."""


def refusal(code: str, message: str, request_id: str) -> dict[str, Any]:
    """The documented body of an error."""
    return {"errorCode": code, "errorMessage": message, "requestId": request_id}
