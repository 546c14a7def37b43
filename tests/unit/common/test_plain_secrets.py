from __future__ import annotations

import base64

import pytest

from exporter.common.plain_secrets import learn_basic_auth, learn_proxies, learn_written, looks_like_a_token
from exporter.common.redaction import REDACTED, Redactor

TOKEN = "pt-0a1b_0123456789abcdef"


@pytest.mark.parametrize(
    ("text", "found"),
    [(TOKEN, True), (f"x {TOKEN.upper()} y", True), ("pt-0a1b", False), ("pt-0a1b_short", False)],
)
def test_a_token_is_recognized_by_its_secret_part(text: str, found: bool) -> None:  # noqa: FBT001
    assert looks_like_a_token(text) is found


def test_tokens_and_passwords_in_a_text_are_redacted_from_then_on() -> None:
    redactor = Redactor()
    learn_written(redactor, f"name: {TOKEN}\nproxy_url: http://me:hunter%32x@proxy:3128\n", "c.yaml")
    assert redactor.clean("0123456789abcdef") == REDACTED
    assert redactor.clean("hunter%32x") == REDACTED
    assert redactor.clean("hunter2x") == REDACTED


def test_passwords_of_proxies_are_redacted() -> None:
    redactor = Redactor()
    learn_proxies(redactor, {"https": "http://me:hunter2@proxy:3128"}, "proxies")
    assert redactor.clean("connect to me:hunter2") == f"connect to {REDACTED}"


def test_the_header_of_basic_auth_is_redacted() -> None:
    redactor = Redactor()
    learn_basic_auth(redactor, "me", "hunter2", "file")
    header = base64.b64encode(b"me:hunter2").decode()
    assert header not in redactor.clean(f"Basic {header}")
