from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.model.state import Reason
from exporter.platform.yunxiao.envelope import check_reported, list_in, list_in_large, object_of
from exporter.platform.yunxiao.error_body import RefusedError
from exporter.platform.yunxiao.json_body import WireError

FILLING = "x" * 70_000


def large(text: str) -> str:
    """The entries that are found in the text of a large envelope."""
    found, start, stop = list_in_large(text.encode(), "things")
    return found[start:stop].decode()


@pytest.mark.parametrize("name", ["data", "Data", "result", "Result"])
@pytest.mark.parametrize("surrogate", ["", ', "z": "\\udc00"'])
def test_a_list_is_found_by_each_name_with_both_decoders(name: str, surrogate: str) -> None:
    text = f'{{"more": {{"data": [7]}}, "{name}" : [{{"a": "]}}"}}, 2] {surrogate}}}'
    assert large(text) == '{"a": "]}"}, 2'
    assert list_in(json.loads(text), "things") == [{"a": "]}"}, 2]


def test_an_empty_field_does_not_hide_the_other_one() -> None:
    assert large('{"data": null, "result": [1]}') == "1"
    assert list_in({"data": None, "result": [1]}, "things") == [1]
    assert object_of({"data": None, "result": {"id": 1}}, "user") == {"id": 1}


@pytest.mark.parametrize(
    "text",
    [
        '{"data": {"data": [1]}}',
        '{"list": [1]}',
        '{"data": "x"}',
        '{"data": [1] x, "z": "\\udc00"}',
        '{"data": [1, "\\udc00"',
        "{",
    ],
)
def test_what_has_no_list_is_refused(text: str) -> None:
    with pytest.raises(WireError, match=r"without a list of things|not JSON"):
        large(text)


@pytest.mark.parametrize("reported", ['"code": "Busy"', '"Success": 0', '"status": 500', '"errorMessage": "x"'])
@pytest.mark.parametrize("position", ["{%s, %s}", '{%s, %s, "z": "\\ud800"}'])
@pytest.mark.parametrize("size", [0, 70_000])
def test_an_error_is_found_wherever_it_stands(reported: str, position: str, size: int) -> None:
    filling = '"data": ["%s"]' % ("x" * size)
    for text in (position % (reported, filling), position % (filling, reported)):
        with pytest.raises(RefusedError):
            large(text)
        with pytest.raises(RefusedError):
            list_in(json.loads(text), "things")
        with pytest.raises(RefusedError):
            object_of(json.loads(text), "user")


@pytest.mark.parametrize("start", ["", "\ufeff", " \r\n"])
@pytest.mark.parametrize("size", [0, 70_000])
def test_an_error_is_reported_before_the_body_is_parsed(start: str, size: int) -> None:
    body = f'{start}{{"code": "Busy", "data": [], "more": "{"x" * size}"}}'.encode()
    with pytest.raises(RefusedError, match="the error Busy"):
        check_reported(body)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"<html>", b"{", b'{"data": []', b"7", b'{"code": {}}', b"{" + b"x" * 70_000]
)
def test_what_is_no_error_is_left_to_the_parser(body: bytes) -> None:
    check_reported(body)


def test_a_large_value_of_a_field_counts_without_being_decoded() -> None:
    with pytest.raises(RefusedError, match="an error without a code"):
        large(f'{{"data": [], "errorMessage": "{FILLING}"}}')


@pytest.mark.parametrize("data", [7, None, [], "x", {"data": 7}, {"data": []}])
def test_what_is_no_object_is_refused(data: Any) -> None:
    with pytest.raises(WireError, match="JSON, but not a user"):
        object_of(data, "user")


@given(st.binary(max_size=80).map(lambda text: b'{"data": [' + text + b"]}") | st.binary(max_size=80))
def test_no_body_does_more_than_a_wire_error(body: bytes) -> None:
    with contextlib.suppress(WireError):
        list_in_large(body, "things")
    with contextlib.suppress(RefusedError):
        check_reported(body)


small_values = st.none() | st.booleans() | st.integers(-1, 500) | st.sampled_from(["", "0", "Forbidden", "ok", "x"])
envelopes: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {},
    optional={
        "errorCode": small_values,
        "Code": small_values,
        "error": small_values | st.fixed_dictionaries({"code": small_values}),
        "message": small_values,
        "error_message": small_values,
        "success": small_values,
        "status": small_values,
        "id": small_values,
        "data": small_values | st.lists(small_values, max_size=2) | st.fixed_dictionaries({"data": st.just([])}),
        "result": small_values | st.lists(small_values, max_size=2),
    },
)


def outcome(read: Any) -> Any:
    try:
        return read()
    except RefusedError as error:
        return error.described(str)
    except WireError:
        return "no list"


@given(envelopes)
def test_small_and_large_envelopes_mean_the_same(envelope: dict[str, Any]) -> None:
    # A lone surrogate makes the fast decoder refuse the body.
    bodies = [json.dumps(envelope), json.dumps(envelope | {"z": "\ud800"})]
    expected = outcome(lambda: list_in(envelope, "things"))
    for body in bodies:
        assert outcome(lambda body=body: json.loads(f"[{large(body)}]")) == expected
    refusal = expected if isinstance(expected, str) and expected != "no list" else None
    assert outcome(lambda: check_reported(bodies[0].encode())) == refusal


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('[{"errorCode": "InvalidTokenError", "errorMessage": "no", "requestId": "r"}]', Reason.UNAUTHORIZED),
        ('\ufeff [ {"Code": "Forbidden", "HostId": "h"}, {"Code": "Forbidden"}]', Reason.FORBIDDEN),
        ('[{"message": "no", "error": {"code": 429}}]', Reason.RATE_LIMITED),
        ('[{"success": false}]', Reason.INVALID_RESPONSE),
        # Entries of the list, whatever else they contain.
        ('[{"errorCode": "Forbidden", "id": 1}]', None),
        ('[{"code": "Forbidden", "token_id": "pt-1"}]', None),
        ('[{"code": "Forbidden"}, {"userId": "u"}]', None),
        ('[{"code": "Forbidden"}, 1]', None),
        ('[{"message": "x"', None),
        ('[{"requestId": "x"}]', None),
        ("[]", None),
    ],
)
def test_a_list_of_errors_is_an_error(text: str, reason: Reason | None) -> None:
    body = text.encode()
    if reason is None:
        check_reported(body)
    else:
        with pytest.raises(RefusedError) as caught:
            check_reported(body)
        assert caught.value.reason is reason
