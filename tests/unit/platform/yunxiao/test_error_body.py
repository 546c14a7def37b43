from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.model.state import Reason
from exporter.platform.yunxiao.error_body import ErrorBody, RefusedError, check_success, fields_of, read_error


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (b'{"errorCode": "Forbidden", "requestId": "r-1", "errorMessage": "no"}', "Forbidden (request r-1)"),
        (b'{"errorCode": "Forbidden.InvalidUser"}', "Forbidden.InvalidUser"),
        (b'{"errorCode": "a b<script>\\n"}', "abscript"),
        (b'{"errorCode": 7}', "7"),
        (b'{"errorCode": 7.5}', ""),
        (b'{"errorCode": 1e300}', ""),
        (b'{"errorCode": 40100000001}', "40100000001"),
        (b'{"errorCode": -1}', "-1"),
        (b'{"errorCode": {"a": 1}}', ""),
        (b'{"Code": "X", "TraceId": "t"}', "X (request t)"),
        (b'{"error_code": "X", "trace_id": 9}', "X (request 9)"),
        (b'{"code": "200", "error": "X"}', "X"),
        (b'{"error": {"code": "X", "requestId": "r", "error": {"code": "Y"}}}', "X (request r)"),
        (b'{"status": 401, "requestId": "r"}', "401 (request r)"),
        (b'{"status": "enabled", "requestId": "r"}', ""),
        (b'{"requestId": "r-1"}', ""),
        (b"<html>", ""),
        (b'[{"errorCode": "X", "requestId": "r"}]', "X (request r)"),
        (b'["X"]', ""),
        (b"[]", ""),
        (b'"\xff"', ""),
    ],
)
def test_codes_are_shown_without_anything_odd(body: bytes, named: str) -> None:
    assert read_error(body).named == named


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"errorMessage": "no such user."}, "no such user"),
        ({"errorMessage": " ", "message": "no\n such\tuser"}, "no such user"),
        ({"ErrorMsg": "没有权限。"}, "没有权限"),
        ({"msg": 7}, "7"),
        ({"message": ["no"]}, ""),
        ({"message": "x" * 160}, "x" * 160),
        ({"message": "x" * 161}, "x" * 159 + "…"),
        ({"message": "\ud800"}, "\ufffd"),
    ],
)
def test_a_message_is_one_short_line(body: dict[str, Any], message: str) -> None:
    assert read_error(json.dumps(body).encode()).message == message


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"code": "unauthorized"}, Reason.UNAUTHORIZED),
        ({"code": "UNAUTHORIZED"}, Reason.UNAUTHORIZED),
        ({"code": "Too Many Requests"}, Reason.RATE_LIMITED),
        ({"code": "TOO_MANY_REQUESTS"}, Reason.RATE_LIMITED),
        ({"code": "Forbidden.Anything.New"}, Reason.FORBIDDEN),
        ({"code": "Forbiddenish"}, None),
        ({"code": "503"}, Reason.SERVER_ERROR),
        ({"code": 302}, None),
        ({"code": 600}, None),
        ({"code": "9" * 400}, None),
        ({"code": "Busy", "status": 429}, Reason.RATE_LIMITED),
        ({"code": "Busy", "error": "Unauthorized"}, Reason.UNAUTHORIZED),
        ({"status": "enabled"}, None),
        ({}, None),
    ],
)
def test_codes_and_statuses_of_a_body_have_reasons(fields: dict[str, Any], reason: Reason | None) -> None:
    assert read_error(json.dumps(fields).encode()).reason is reason


@pytest.mark.parametrize("before", ["", "x" * 40, "x" * 75, "x" * 79, "x" * 155])
@pytest.mark.parametrize("form", ["5ecre7-0badcafe-0123456789", "czNj+3QwYmFk/2NhZmUwMTIz="])
def test_no_part_of_a_secret_is_left_where_a_text_is_cut_or_loses_characters(before: str, form: str) -> None:
    def redact(text: str) -> str:
        return text.replace(form, "[redacted]")

    text = f"{before}{form}"
    fields = {"success": False, "errorCode": text, "requestId": text, "errorMessage": text}
    error = read_error(json.dumps(fields).encode(), redact)
    with pytest.raises(RefusedError) as caught:
        check_success(fields_of(fields))
    for shown in (error.code, error.request, error.message, caught.value.described(redact)):
        assert form[:4] not in shown
        assert form.replace("+", "").replace("/", "")[:4] not in shown
        assert before[:80] in shown
    assert f"{before}[redacted]"[:80] == error.code
    assert f"{before}[redacted]"[:159] == error.message[:159]


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"data": []},
        {"success": True, "errorCode": "X", "errorMessage": "x", "data": []},
        {"code": "Success", "message": "操作成功", "data": []},
        {"code": 201, "data": []},
        {"message": "3 entries", "data": [{"id": "1"}]},
        {"error": False, "errors": [], "data": []},
        {"status": "enabled", "data": []},
        {"status": 200, "data": []},
        {"code": 200, "message": "no data", "data": []},
        {"status": "ok", "message": "no data", "data": []},
        {"success": "OK", "data": []},
        {"isSuccess": True, "errorCode": "X", "data": []},
        {"ok": 1, "data": []},
        {"result": True, "data": []},
        {"result": "success", "data": []},
        {"id": "u1", "status": "FORBIDDEN"},
        {"id": "u1", "code": "E-7", "status": 404, "message": "hello", "error": "none of yours"},
        {"userId": "u1", "Status": "FAILED"},
    ],
)
def test_these_are_no_errors(fields: dict[str, Any]) -> None:
    check_success(fields_of(fields))


@pytest.mark.parametrize(
    "fields",
    [
        {"id": "u1", "errorCode": "X"},
        {"id": "u1", "success": False},
        {"id": "", "code": "X"},
        {"id": 1, "code": "X", "data": []},  # the id of a call
        {"errorCode": 40100000001, "data": []},
        {"errorCode": 7.5, "data": []},
        {"errorCode": -1, "data": []},
        {"errorCode": {"a": 1}, "data": []},
        {"errorCode": True, "data": []},
        {"success": "no", "data": []},
        {"success": [], "data": []},
        {"isSuccess": False, "data": []},
        {"is_success": "false", "data": []},
        {"ok": False, "data": []},
        {"Succeeded": 0, "result": []},
        {"ok": True, "success": False, "data": []},
        {"status": "FORBIDDEN", "data": []},
        {"status": "fail", "data": []},
        {"result": False, "data": []},
        {"result": "fail", "data": []},
        {"result": "", "data": []},
    ],
)
def test_these_are_errors(fields: dict[str, Any]) -> None:
    with pytest.raises(RefusedError, match=r"the error |an error without a code"):
        check_success(fields_of(fields))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5) | st.just("error"), inner),
    max_leaves=8,
)
names = st.sampled_from(["errorCode", "Code", "error", "message", "success", "status", "data", "id", "traceId"])


@given(st.dictionaries(names, json_values))
def test_any_object_is_an_error_with_safe_texts_or_none(fields: dict[str, Any]) -> None:
    body = json.dumps(fields).encode()
    error = read_error(body)
    assert (error.code + error.request).isascii()
    assert error.message.isprintable()
    assert len(error.message) <= 160
    with contextlib.suppress(RefusedError):
        check_success(fields_of(fields))


def test_an_error_without_a_body_is_empty() -> None:
    assert read_error(b"") == ErrorBody()
    assert not ErrorBody().has_code("forbidden")
    assert ErrorBody(code="Forbidden").has_code("unauthorized", "forbidden")
