from __future__ import annotations

import base64
import html
import json
import re
import sys
import threading
import timeit
import urllib.parse
from typing import TYPE_CHECKING

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from exporter.common import redaction
from exporter.common.redaction import REDACTED, Redactor

if TYPE_CHECKING:
    from collections.abc import Callable

TOKEN = "pt-0a1b2c3d4e5f_" + "5ecre7" + "0badcafe"
PRIVATE = TOKEN.partition("_")[2]


def a_redactor(*secrets: str) -> Redactor:
    redactor = Redactor()
    for secret in secrets:
        redactor.add(secret)
    return redactor


def test_a_token_and_its_secret_part_are_removed_and_its_public_id_stays() -> None:
    redactor = a_redactor(TOKEN)
    assert redactor.clean(f"<{TOKEN}>") == "<[redacted]>"
    assert redactor.clean(f"x{PRIVATE}y") == "x[redacted]y"
    assert redactor.clean("token pt-0a1b2c3d4e5f is listed") == "token pt-0a1b2c3d4e5f is listed"


@given(st.binary(max_size=9), st.binary(max_size=9))
def test_base64_of_a_secret_between_other_bytes_is_removed(before: bytes, after: bytes) -> None:
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


def test_text_without_a_secret_is_unchanged() -> None:
    assert a_redactor(TOKEN).clean("HTTP 403 Forbidden") == "HTTP 403 Forbidden"
    assert Redactor().clean("anything") == "anything"


def test_an_empty_secret_is_ignored() -> None:
    assert a_redactor("").clean("anything") == "anything"


ESCAPES = {
    "as it is": lambda char: char,
    "upper case": lambda char: char.upper() if len(char.upper()) == 1 and char.isascii() else char,
    "URL": lambda char: "".join(f"%{byte:02X}" for byte in char.encode()),
    "URL in lower case": lambda char: "".join(f"%{byte:02x}" for byte in char.encode()),
    "JSON": lambda char: json.dumps(char)[1:-1],
    "JSON, all of it": lambda char: f"\\u{ord(char):04x}",
    "Python": lambda char: f"\\x{ord(char):02x}" if ord(char) < 256 else f"\\u{ord(char):04x}",
    "HTML": html.escape,
    "HTML, all of it": lambda char: f"&#{ord(char)};",
    "a URL in JSON": lambda char: "".join(f"\\u0025{byte:02X}" for byte in char.encode()),
}
PRINTABLE = st.characters(min_codepoint=0x20, max_codepoint=0x2FFF, exclude_categories=["C", "Z"])


@given(
    st.text(alphabet=PRINTABLE, min_size=4, max_size=30),
    st.lists(st.sampled_from(sorted(ESCAPES)), min_size=1, max_size=30),
    st.text(alphabet=st.sampled_from(" \n\t\u3000"), max_size=5),
)
def test_a_secret_is_removed_with_any_of_its_characters_escaped(secret: str, ways: list[str], around: str) -> None:
    # A letter after "&" or "\" may happen to make an escape of another character out of the text around.
    assume(not set("&\\%") & set(secret))
    # "\\xc2\\xa1" stands for two letters in Python's notation and for one letter in UTF-8; it is read as the latter.
    assume(not re.search("[\u00c2-\u00f4][\u0080-\u00bf]", secret))
    escaped = "".join(ESCAPES[ways[index % len(ways)]](char) for index, char in enumerate(secret))
    cleaned = a_redactor(secret).clean(f"{around}{escaped}{around}")
    assert cleaned == f"{around}{REDACTED}{around}"


@pytest.mark.parametrize("secret", ["a&b%41\\x41c", 'quote"back\\slash', "blank inside it", "密码很长的"])
@pytest.mark.parametrize(
    "escape",
    [
        urllib.parse.quote,
        urllib.parse.quote_plus,
        lambda text: json.dumps(text)[1:-1],
        lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
        lambda text: json.dumps(json.dumps(text)[1:-1])[1:-1],
        lambda text: repr(text)[1:-1],
        html.escape,
        str.upper,
        lambda text: text.encode().hex(),
        lambda text: text.encode().hex().upper(),
        lambda text: text.encode().decode("latin-1"),
        lambda text: base64.urlsafe_b64encode(b"u:" + text.encode()).decode(),
        lambda text: urllib.parse.quote(base64.b64encode(text.encode() + b"?>").decode(), safe=""),
    ],
)
def test_forms_in_messages_of_libraries_are_removed(secret: str, escape: Callable[[str], str]) -> None:
    cleaned = a_redactor(secret).clean(f"<{escape(secret)}>")
    assert REDACTED in cleaned
    # At most the characters of base64 that hold bits of the neighbours are left.
    assert len(cleaned.replace(REDACTED, "")) <= 2 + 12


def test_url_safe_base64() -> None:
    secret = "~~~???>>>~~~"
    standard, safe = base64.b64encode(secret.encode()).decode(), base64.urlsafe_b64encode(secret.encode()).decode()
    assert ("/" in standard, "_" in safe) == (True, True)
    assert a_redactor(secret).clean(f"{standard} {safe}") == f"{REDACTED} {REDACTED}"


def test_overlapping_secrets_leave_no_rest() -> None:
    redactor = a_redactor("abcdef", "defghi", "cdef")
    assert redactor.clean("1abcdefghi2") == "1[redacted]2"
    assert redactor.clean("1abcdefdefghi2") == "1[redacted]2"
    assert a_redactor("abab").clean("1ababab2") == "1[redacted]2"


def test_short_secrets_are_removed_only_together_with_the_user() -> None:
    redactor = a_redactor("abc", "me:abc")
    header = base64.b64encode(b"me:abc").decode()
    assert redactor.clean(f"the abc of me:abc {header}") == "the abc of [redacted] [redacted]"


def test_the_marker_does_not_grow_with_each_pass() -> None:
    redactor = a_redactor("redacted", TOKEN)
    once = redactor.clean(f"{TOKEN} redacted")
    assert once == "[redacted] [redacted]"
    assert redactor.clean(once) == once


def test_json_around_a_secret_stays_json() -> None:
    redactor = a_redactor("nabcd", 'e"f\\g')
    line = json.dumps({"a": "x\nabcd", "b": 'e"f\\g', "c": "\u5f20nabcd"})
    cleaned = json.loads(redactor.clean(line))
    assert cleaned == {"a": "x[redacted]", "b": "[redacted]", "c": "张[redacted]"}


@pytest.mark.parametrize("kept", range(6, len(TOKEN)))
def test_the_beginning_of_a_secret_at_the_end_of_a_truncated_text_is_removed(kept: int) -> None:
    redactor = a_redactor(TOKEN)
    assert redactor.clean(f"sent {TOKEN[:kept]}", cut=True) == "sent [redacted]"
    header = base64.b64encode(TOKEN.encode()).decode()[:kept]
    assert redactor.clean(f"sent {header}", cut=True) == "sent [redacted]"


def test_years_of_rotation_are_bounded_and_secrets_in_use_stay() -> None:
    redactor = Redactor()
    redactor.add(TOKEN, "other file")
    for number in range(10_000):
        redactor.add(f"pt-{number:06d}_secret{number:06d}", "file")
        redactor.add(f"pt-{number:06d}_{number:06d}old", f"renamed {number}")
        redactor.add(TOKEN, "other file")
    assert len(redactor._kept) == 4096
    assert redactor.clean(f"{TOKEN} secret009999 secret009992 secret009991") == (
        "[redacted] [redacted] [redacted] secret009991"
    )


def test_cleaning_a_line_takes_microseconds() -> None:
    redactor = a_redactor(*(f"pt-{number:012x}_{number:012x}5ecre7" for number in range(6)))
    text = ("HTTP 403 Forbidden: the platform refuses the call of this token " * 4)[:200]
    redactor.clean(text)
    assert len(redactor._known._forms if redactor._known else ()) >= 50
    # 2 µs on an idle machine; the best of many short runs is hardly moved by what else runs.
    assert min(timeit.repeat(lambda: redactor.clean(text), number=100, repeat=50)) / 100 < 5e-6


def test_threads_that_add_and_clean_do_not_disturb_each_other() -> None:
    redactor = a_redactor(TOKEN)
    leaks: list[str] = []

    def add() -> None:
        for number in range(200):
            redactor.add(f"secret{number:06d}", f"{number % 7}")

    def clean() -> None:
        for _ in range(400):
            leaks.extend(text for text in [redactor.clean(f"x {TOKEN}")] if PRIVATE in text)

    threads = [threading.Thread(target=work) for work in (add, clean, add, clean)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert leaks == []
    assert redactor.clean("secret000199") == REDACTED


@given(st.text(max_size=80), st.text(max_size=12))
def test_any_text_and_any_secret_pass_without_an_error(text: str, secret: str) -> None:
    redactor = a_redactor(secret)
    assert isinstance(redactor.clean(text, cut=True), str)
    if len(secret) >= 4 and secret not in REDACTED:
        assert secret not in redactor.clean(text + secret + text).replace(REDACTED, "\0")


def test_only_two_letters_are_not_replaced_each_by_itself() -> None:
    """Everything else is folded in one call, texts in Chinese included."""
    letters = [chr(point) for point in range(sys.maxunicode + 1)]
    assert [one for one in letters if len(one.lower()) != 1] == ["\u0130"]
    everything = "".join(one for one in letters if one not in redaction._NOT_ALONE)
    assert everything.lower() == "".join(one.lower() for one in everything)


@given(st.text(st.sampled_from("aB\u0130\u03a3 张\udcff")))
def test_a_folded_text_has_the_same_places(text: str) -> None:
    folded = redaction._folded(text)
    assert folded == "".join(one.lower() if len(one.lower()) == 1 else one for one in text)
