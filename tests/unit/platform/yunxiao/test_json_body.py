from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.platform.yunxiao.json_body import WireError, kind_of, read_json


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", "an empty body"),
        (b"\xef\xbb\xbf \n", "an empty body"),
        (b"\xef\xbb\xbf<html>", "an HTML or XML page instead of JSON"),
        (b"\n <?xml?>", "an HTML or XML page instead of JSON"),
        (b"pt-x_secret", "not JSON"),
        (b"\xc0\xee\xce\xb0", "not JSON"),
    ],
)
def test_a_body_that_is_not_json_is_described_and_not_shown(body: bytes, kind: str) -> None:
    assert kind_of(body) == kind
    with pytest.raises(WireError, match=kind):
        read_json(body)


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b'{"a": 1}', {"a": 1}),
        (b"\xef\xbb\xbf[1]", [1]),
        (b'"\\ud800"', "\ud800"),
        (b'["\xc0\xee"]', ["\ufffd\ufffd"]),
    ],
)
def test_what_only_the_standard_library_reads_is_read(body: bytes, value: object) -> None:
    assert read_json(body) == value


@given(st.binary(max_size=50) | st.binary(max_size=50).map(lambda text: b'["' + text + b'"]'))
def test_no_body_does_more_than_a_wire_error(body: bytes) -> None:
    with contextlib.suppress(WireError):
        read_json(body)


def test_the_description_of_an_error_is_redacted() -> None:
    assert WireError("a secret").described(lambda text: text.replace("secret", "[redacted]")) == "a [redacted]"
