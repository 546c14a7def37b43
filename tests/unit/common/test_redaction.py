from __future__ import annotations

import base64

from hypothesis import given
from hypothesis import strategies as st

from exporter.common.redaction import Redactor

TOKEN = "pt-0a1b2c3d4e5f_" + "5ecre7" + "0badcafe"
PRIVATE = TOKEN.partition("_")[2]


def a_redactor(*secrets: str) -> Redactor:
    redactor = Redactor()
    for secret in secrets:
        redactor.add(secret)
    return redactor


def test_the_token_and_its_private_part_go_and_its_public_id_stays() -> None:
    redactor = a_redactor(TOKEN)
    assert redactor.clean(f"<{TOKEN}>") == "<[redacted]>"
    assert redactor.clean(f"x{PRIVATE}y") == "x[redacted]y"
    assert redactor.clean("token pt-0a1b2c3d4e5f is listed") == "token pt-0a1b2c3d4e5f is listed"


@given(st.binary(max_size=9), st.binary(max_size=9))
def test_base64_of_a_secret_between_other_bytes_goes(before: bytes, after: bytes) -> None:
    text = base64.b64encode(before + TOKEN.encode() + after).decode()
    cleaned = a_redactor(TOKEN).clean(text)
    assert "[redacted]" in cleaned
    # What is left of it holds no run of the secret's bytes.
    middle = base64.b64encode(TOKEN.encode()).decode()[8:16]
    assert middle not in cleaned


def test_basic_auth_is_found_by_the_password() -> None:
    password = "pass" + "w0rd"
    header = base64.b64encode(f"exporter:{password}".encode()).decode()
    cleaned = a_redactor(password).clean(f"Authorization: Basic {header}")
    assert "[redacted]" in cleaned
    assert header not in cleaned


def test_text_without_a_secret_is_left_as_it_is() -> None:
    assert a_redactor(TOKEN).clean("HTTP 403 Forbidden") == "HTTP 403 Forbidden"
    assert Redactor().clean("anything") == "anything"


def test_an_empty_secret_is_not_looked_for() -> None:
    assert a_redactor("").clean("anything") == "anything"
