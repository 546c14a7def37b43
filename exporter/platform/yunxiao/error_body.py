"""Reads errors that the platform reports in a body: in every spelling that has been seen, and also under HTTP 200.

The documented form is ``{"errorCode": "Forbidden", "errorMessage": "…", "requestId": "…"}``. Gateways and other modules
write ``code``, ``Code``, ``message``, ``traceId``, numbers as codes, ``{"status": 401, "error": "Unauthorized"}``, or
only a message.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from exporter.common.text import printable
from exporter.model.state import Reason
from exporter.platform.base import reason_of_status
from exporter.platform.yunxiao.fields import MARK, clean_text, unchanged
from exporter.platform.yunxiao.json_body import WireError, read_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_CODES = ("error_code", "err_code", "code", "error")
_MESSAGES = ("error_message", "error_msg", "err_msg", "error_description", "message", "msg")
_PLAIN_MESSAGES = frozenset(("message", "msg"))
"""These may also stand in an answer that is no error."""
_REQUESTS = ("request_id", "trace_id")
_STATUSES = ("status", "status_code", "http_status", "http_status_code")
_IDS = ("id", "user_id")
_SUCCESSES = ("success", "is_success", "successful", "succeeded", "ok")
_ENTRY_IDS = frozenset(("id", "userid", "tokenid"))
"""Fields that no error has, as `_plain` returns them."""
CONTENTS = ("data", "result")
"""Fields of an envelope that contain the answer itself, in today's API and in the older one."""
FIELDS = (*_CODES, *_MESSAGES, *_REQUESTS, *_STATUSES, *_IDS, *CONTENTS, *_SUCCESSES, "errors")
"""The fields that are read. A body may spell ``error_code`` also ``errorCode``, ``ErrorCode`` or ``errorcode``."""

_OK_WORDS = frozenset(("", "ok", "success", "succeed", "successful", "none", "null", "成功", "请求成功", "操作成功"))
_FAILED_WORDS = frozenset(("error", "fail", "failed", "failure"))
_TRUE = frozenset(("true", "1", "yes", "ok", "success"))
_MOST_DIGITS = 9
_MOST = 10**18
_SEPARATORS = re.compile(r"[\s_-]")

_BY_CODE = {
    **{_SEPARATORS.sub("", one.phrase).lower(): reason_of_status(one) for one in HTTPStatus if one >= 400},  # noqa: PLR2004
    "expiredtokenerror": Reason.UNAUTHORIZED,
    "invalidtokenerror": Reason.UNAUTHORIZED,
    "invalidaccesstoken": Reason.UNAUTHORIZED,
    "throttling": Reason.RATE_LIMITED,
    "unsupportedincurrentenv": Reason.UNSUPPORTED,
    "unsupportedcurrenttokentype": Reason.UNSUPPORTED,
}

_CODE = re.compile(r"[^0-9A-Za-z._\[\]-]")
"""What a code is shown without. Brackets stay, since they mark what was redacted."""
_CODE_LENGTH = 80
_MESSAGE_LENGTH = 160


@dataclass(frozen=True, slots=True)
class ErrorBody:
    """An error as a body reports it. Its texts are safe to show: redacted, on one line, of limited length.

    Attributes:
        code: "" if there is none.
        request: the request id, for the platform's support; "" if there is none.
        message: "" if there is none.
        reason: what code and status of the body stand for; None if they are missing or unknown.
    """

    code: str = ""
    request: str = ""
    message: str = ""
    reason: Reason | None = None

    @property
    def named(self) -> str:
        """Code and request id, as ``Code (request id)``; "" without a code."""
        return f"{self.code} (request {self.request})" if self.code and self.request else self.code

    def has_code(self, *codes: str) -> bool:
        """Whether the code is one of these, which are in lower case."""
        return self.code.lower() in codes


class RefusedError(WireError):
    """A body says under a success status that the call failed.

    Args:
        fields: the fields of the body, as `fields_of` returns them.
    """

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self._fields = fields
        error = self.error(unchanged)
        self.reason = error.reason or Reason.INVALID_RESPONSE
        super().__init__(_error_words(error.code))

    def error(self, redact: Callable[[str], str]) -> ErrorBody:
        """The error without the secrets in use."""
        return _error(self._fields, redact)

    def described(self, redact: Callable[[str], str]) -> str:
        """Code, request id and message without the secrets in use."""
        error = self.error(redact)
        text = f"{_error_words(error.named)} although the HTTP status is 200"
        return f"{text}: {error.message}" if error.message else text


def _error_words(code: str) -> str:
    return f"the error {code}" if code else "an error without a code"


def read_error(body: bytes, redact: Callable[[str], str] = unchanged) -> ErrorBody:
    """The error in the body of an answer with an error status; all its texts are "" if the body is none.

    Args:
        body: the body.
        redact: replaces the secrets in use in a text.
    """
    try:
        data = read_json(body)
    except WireError:
        return ErrorBody()
    if isinstance(data, list) and data:
        data = data[0]
    return _error(fields_of(data), redact) if isinstance(data, dict) else ErrorBody()


def check_entries(entries: Any) -> None:
    """Check that the entries of a list are not errors, as in ``[{"errorCode": "Forbidden", "errorMessage": "…"}]``.

    Args:
        entries: the decoded body.

    Raises:
        RefusedError: all of them are.
    """
    if isinstance(entries, list) and entries and all(map(_is_error_entry, entries)):
        raise RefusedError(fields_of(entries[0]))


def _is_error_entry(entry: Any) -> bool:
    if not isinstance(entry, dict) or any(_plain(name) in _ENTRY_IDS for name in entry):
        return False
    return _failed(fields_of(entry))


def fields_of(data: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of an object that say whether it is an error, by their names in `FIELDS`; null ones are left out."""
    found: dict[str, Any] = {}
    for spelled, value in data.items():
        if value is not None and (name := field_of(spelled)) is not None:
            found.setdefault(name, value)
    nested = found.get("error")
    if isinstance(nested, dict):
        found = {**fields_of({name: value for name, value in nested.items() if field_of(name) != "error"}), **found}
    return found


def field_of(spelled: str) -> str | None:
    """The name in `FIELDS` of a field, however it is spelled; None if it is none of them."""
    return _BY_PLAIN_NAME.get(_plain(spelled))


def _plain(text: str) -> str:
    return _SEPARATORS.sub("", text).lower()


_BY_PLAIN_NAME = {_plain(name): name for name in FIELDS}


def check_success(fields: Mapping[str, Any]) -> None:
    """Check that an answer with a success status does not report an error.

    Older samples of the documentation have a code beside ``success: true``, so this decides if it is present.

    Args:
        fields: the fields of the body, as `fields_of` returns them.

    Raises:
        RefusedError: it reports one.
    """
    if _failed(fields):
        raise RefusedError(fields)


def _failed(fields: Mapping[str, Any]) -> bool:
    verdicts = [fields[name] for name in _SUCCESSES if name in fields]
    if verdicts:
        return not all(map(_is_true, verdicts))
    codes = [fields.get(name) for name in _CODES]
    statuses = [fields.get(name) for name in _STATUSES]
    messages = [name for name in _MESSAGES if not _is_ok(fields.get(name))]
    outcome = fields.get("result")
    if not _is_ok(fields.get("error_code")) or fields.get("errors") or set(messages) - _PLAIN_MESSAGES:
        return True
    if isinstance(outcome, (str, bool)) and not _is_true(outcome):
        return True
    contents = [fields[name] for name in CONTENTS if name in fields]
    if not contents and any(fields.get(name) for name in _IDS):
        # A user or department: its code, status and message are its own.
        return False
    if not all(map(_is_ok, codes)) or any(map(_is_error_status, statuses)):
        return True
    says_success = any(_text(value).strip() for value in (*codes, *statuses))
    return bool(messages) and not any(contents) and not says_success


def _is_ok(value: Any) -> bool:
    """Whether a code or a message stands for success, or is empty."""
    if isinstance(value, str):
        number = _number(value.strip())
        return value.strip().lower() in _OK_WORDS if number is None else _is_ok(number)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return value == 0 or 200 <= value < 300  # noqa: PLR2004 - HTTP
    return not value


def _is_true(value: Any) -> bool:
    return str(value).strip().lower() in _TRUE


def _is_error_status(value: Any) -> bool:
    if value is False:
        return True
    text = _text(value).strip().lower()
    if text.startswith("-") and (_number(text[1:]) or 0) > 0:
        return True
    return text in _FAILED_WORDS or (_number(text) or 0) >= 400 or _reason(text) is not None  # noqa: PLR2004 - HTTP


def _error(fields: Mapping[str, Any], redact: Callable[[str], str]) -> ErrorBody:
    codes = [text for name in _CODES if (text := _text(fields.get(name))) and not _is_ok(text)]
    codes += [text for name in _STATUSES if _is_error_status(text := _text(fields.get(name)))]
    reasons = [reason for text in codes if (reason := _reason(text)) is not None]
    return ErrorBody(
        code=_short_code(codes[0] if codes else "", redact),
        request=_short_code(next((text for name in _REQUESTS if (text := _text(fields.get(name)))), ""), redact),
        message=next((text for name in _MESSAGES if (text := _short_message(fields.get(name), redact))), ""),
        reason=reasons[0] if reasons else None,
    )


def _reason(code: str) -> Reason | None:
    """What a code of the platform, the name of an HTTP status or its number stands for; None if it is unknown."""
    number = _number(code)
    if number is not None:
        return reason_of_status(number) if 400 <= number < 600 else None  # noqa: PLR2004 - HTTP
    # Forbidden.InvalidUser.UserNotInCurrentOrganization is a kind of Forbidden.
    kind = _plain(code)
    return _BY_CODE.get(kind) or _BY_CODE.get(kind.partition(".")[0])


def _text(value: Any) -> str:
    """A text or a whole number as text; "" for anything else."""
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < _MOST or value % 1:
        return ""
    return str(int(value))


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS else None


def _short_code(text: str, redact: Callable[[str], str]) -> str:
    """A code or id without anything odd in it.

    Secrets are replaced first: one that was cut, or that lost some of its characters, would not be recognized any more.
    """
    return _CODE.sub("", redact(text))[:_CODE_LENGTH]


def _short_message(value: Any, redact: Callable[[str], str]) -> str:
    """A message on one line, without secrets."""
    text = printable(" ".join(redact(_text(value)).split())).rstrip(".。")
    return text if len(text) <= _MESSAGE_LENGTH else text[: _MESSAGE_LENGTH - 1].rstrip() + MARK
