from __future__ import annotations

import base64

from hypothesis import given
from hypothesis import strategies as st

from soak.secrets import SecretSearch

TOKEN = "pt-0a1b2c3d4e5f_" + "5ecre7" + "0badcafe0badcafe"
PRIVATE = TOKEN.partition("_")[2]


def a_search() -> SecretSearch:
    search = SecretSearch()
    search.add("token", TOKEN)
    return search


@given(st.binary(max_size=20), st.binary(max_size=20), st.sampled_from((TOKEN, PRIVATE)))
def test_a_secret_is_found_plain_and_in_base64_between_other_bytes(before: bytes, after: bytes, secret: str) -> None:
    assert a_search().find(before + secret.encode() + after) is not None
    assert a_search().find(base64.b64encode(before + secret.encode() + after)) is not None


def test_the_report_does_not_contain_the_secret() -> None:
    found = a_search().find(f"x {TOKEN} y {PRIVATE} z".encode())
    assert found is not None
    assert PRIVATE not in found
    assert "token" in found


def test_the_public_part_is_not_a_secret() -> None:
    assert a_search().find(b"token pt-0a1b2c3d4e5f of li.wei") is None
    assert SecretSearch().find(TOKEN.encode()) is None
