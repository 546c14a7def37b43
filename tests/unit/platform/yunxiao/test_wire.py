from __future__ import annotations

import contextlib
import json
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import official_sample

from exporter.common.cancellation import StoppedError
from exporter.common.redaction import Redactor
from exporter.model.token import Token
from exporter.platform.base import PARSE_FIELDS
from exporter.platform.yunxiao.json_body import WireError
from exporter.platform.yunxiao.wire import Parsed, _shared, parse_tokens

if TYPE_CHECKING:
    from random import Random

ZONE = ZoneInfo("Asia/Shanghai")
JUNE_2 = 1_780_358_400.0
AN_ENTRY_AS_TOKEN = Token("pt-0fh3****0fbG", "ci", ("base_user_read",), JUNE_2 - 86400, JUNE_2, description="builds")


def parsed(data: Any) -> Parsed:
    return parse_tokens(json.dumps(data).encode(), ZONE)


def an_entry(**changes: Any) -> dict[str, Any]:
    entry = {
        "created_at": "2026-06-01T00:00:00.000Z",
        "description": "builds",
        "expired_at": "2026-06-02T00:00:00.000Z",
        "name": "ci",
        "permissions": ["base_user_read"],
        "token_id": "pt-0fh3****0fbG",
        "user_id": "u1",
    }
    return {key: value for key, value in {**entry, **changes}.items() if value is not ...}


def test_an_entry_as_documented() -> None:
    assert parsed([an_entry()]) == Parsed((AN_ENTRY_AS_TOKEN,), {}, owners={"u1"})


def test_a_description_is_cleaned_cut_and_counted() -> None:
    result = parsed(
        [
            an_entry(token_id="pt-1", description="  \ud800 nightly builds\n"),
            an_entry(token_id="pt-2", description="x" * 300),
            an_entry(token_id="pt-3", description=None),
            an_entry(token_id="pt-4", description=...),
            an_entry(token_id="pt-5", description=["builds"]),
            an_entry(token_id="pt-6", description=7),
        ]
    )
    # 256 characters at most, the mark included.
    assert [token.description for token in result.tokens] == [
        "\ufffd nightly builds",
        "x" * 255 + "…",
        *("", "", "", "7"),
    ]
    assert result.errors == {"description": 2}
    assert result.truncated == {"description": 1}


def test_a_secret_in_a_description_is_redacted_even_where_it_is_cut() -> None:
    redactor = Redactor()
    redactor.add("pt-abcd_0123456789abcdef", "token_file")
    entries = [
        an_entry(token_id="pt-1", description="use pt-abcd_0123456789abcdef"),
        an_entry(token_id="pt-2", description="x" * 240 + " pt-abcd_0123456789abcdef " + "y" * 100),
    ]
    result = parse_tokens(json.dumps(entries).encode(), ZONE, redact=redactor.clean)
    assert all("0123456789abcdef" not in token.description for token in result.tokens)
    assert all("0123456" not in token.description for token in result.tokens)
    assert result.tokens[0].description.startswith("use ")


def test_equal_descriptions_are_kept_once() -> None:
    body = json.dumps([an_entry(token_id=f"pt-{number}", description="nightly builds") for number in range(2)])
    first, second = parse_tokens(body.encode(), ZONE).tokens
    assert first.description is second.description


def test_camel_case_spelling_is_the_same_entry() -> None:
    camel = {"createdAt": "2026-06-01T00:00:00.000Z", "expiredAt": "2026-06-02T00:00:00.000Z", "tokenId": "pt-1"}
    assert parsed([camel | {"name": "ci", "permissions": []}]).tokens == (
        Token("pt-1", "ci", (), JUNE_2 - 86400, JUNE_2),
    )


def test_data_envelope_is_the_same_list() -> None:
    assert parsed({"data": [an_entry()], "success": True}) == parsed([an_entry()])


def test_empty_list_means_no_tokens() -> None:
    assert parsed([]) == Parsed((), {})


@pytest.mark.parametrize("never", [None, ..., "", 0])
def test_never_expiring_in_every_form(never: object) -> None:
    (token,) = parsed([an_entry(expired_at=never)]).tokens
    assert token.expires_at == math.inf


def test_unreadable_expiry_is_counted_and_the_token_stays() -> None:
    result = parsed([an_entry(expired_at="some day"), an_entry(token_id="pt-2")])
    assert [token.expires_at for token in result.tokens] == [None, JUNE_2]
    assert result.errors == {"expired_at": 1}


def test_unreadable_creation_date_costs_that_date_only() -> None:
    result = parsed([an_entry(created_at="2025-53-22T12:44:50.048Z")])
    assert result.tokens[0].created_at is None
    assert result.tokens[0].expires_at == JUNE_2
    assert result.errors == {"created_at": 1}


def test_entries_that_are_no_tokens_cost_themselves_only() -> None:
    result = parsed([7, None, {}, an_entry()])
    assert len(result.tokens) == 1
    assert result.errors == {"token": 2, "token_id": 1}


@pytest.mark.parametrize("name", [None, ..., ""])
def test_a_token_without_a_name_goes_by_its_id(name: object) -> None:
    assert parsed([an_entry(name=name)]).tokens[0].name == "pt-0fh3****0fbG"


def test_lone_surrogate_becomes_the_replacement_character() -> None:
    body = b'[{"token_id": "pt-1", "name": "x\\udca0", "permissions": ["a\\ud800b"]}]'
    token = parse_tokens(body, ZONE).tokens[0]
    assert token.name == "x\ufffd"
    assert token.permissions == ("a\ufffdb",)


def test_surrogate_pairs_are_one_character() -> None:
    assert parse_tokens(b'[{"token_id": "pt-1", "name": "\\ud83d\\udd11"}]', ZONE).tokens[0].name == "🔑"


def test_byte_order_mark_is_no_error() -> None:
    assert parse_tokens(b"\xef\xbb\xbf[]", ZONE).tokens == ()


def test_permissions_are_sorted_and_each_once() -> None:
    result = parsed([an_entry(permissions=["lingma_chat_read", "base_user_read", "lingma_chat_read", 5, None, ""])])
    assert result.tokens[0].permissions == ("base_user_read", "lingma_chat_read")
    assert result.errors == {"permissions": 3}


def test_permissions_that_are_no_list_are_counted() -> None:
    result = parsed([an_entry(permissions="base_user_read")])
    assert result.tokens[0].permissions == ()
    assert result.errors == {"permissions": 1}


def test_a_token_listed_twice_counts_once_with_the_earlier_expiry() -> None:
    later = an_entry(expired_at="2026-06-09T00:00:00Z")
    (token,) = parsed([later, an_entry(), later]).tokens
    assert token.expires_at == JUNE_2


twins = st.lists(
    st.fixed_dictionaries(
        {
            "token_id": st.sampled_from(["pt-1", "pt-2"]),
            "expired_at": st.sampled_from([None, "rubbish", "2026-06-02T00:00:00.000Z", "2026-06-09T00:00:00.000Z"]),
            "permissions": st.sampled_from([None, [], ["base_user_read"], ["lingma_chat_read"], [7]]),
        }
    ),
    min_size=1,
    max_size=5,
)


@given(twins, st.randoms(use_true_random=False))
def test_a_token_listed_several_times_is_the_same_in_any_order(entries: list[Any], random: Random) -> None:
    listed = [an_entry(**entry) for entry in entries]
    shuffled = random.sample(listed, len(listed))
    assert {*parsed(listed).tokens} == {*parsed(shuffled).tokens}
    for token in parsed(listed).tokens:
        readable = [
            {None: math.inf, "2026-06-02T00:00:00.000Z": JUNE_2}.get(entry["expired_at"], JUNE_2 + 7 * 86400)
            for entry in entries
            if entry["token_id"] == token.token_id and entry["expired_at"] != "rubbish"
        ]
        assert token.expires_at == min(readable, default=None)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_an_expiry_that_cannot_be_read_does_not_hide_one_that_can(order: tuple[int, int]) -> None:
    pair = [an_entry(expired_at="rubbish"), an_entry()]
    (token,) = parsed([pair[place] for place in order]).tokens
    assert token.expires_at == JUNE_2


def test_tokens_whose_masked_ids_coincide_stay_two() -> None:
    assert len(parsed([an_entry(), an_entry(created_at="2026-05-01T00:00:00Z")]).tokens) == 2


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "an empty body"),
        (b"   \n", "an empty body"),
        (b"<!DOCTYPE html><html>secret</html>", "an HTML or XML page instead of JSON$"),
        (b"<html>secret <title>Sign in</title></html>", "instead of JSON; it is a login page: .* refused the token"),
        (b"null", "not a list"),
        (b"7", "not a list"),
        (b'"text"', "not a list"),
        (b"{}", "without a list"),
        (b'{"data": null}', "without a list"),
        (b'{"success": false, "errorCode": "X"}', "the error X"),
        (b'{"errorCode": "InvalidTokenError", "data": []}', "the error InvalidTokenError"),
        (b"[1, 2", "not JSON"),
        (b"[" * 100_000, "not JSON"),
    ],
)
def test_anything_but_a_list_of_tokens_is_rejected_without_showing_it(body: bytes, words: str) -> None:
    with pytest.raises(WireError, match=words) as caught:
        parse_tokens(body, ZONE)
    assert "secret" not in str(caught.value)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)
odd_entries = st.dictionaries(
    st.sampled_from(
        [
            *("token_id", "tokenId", "name", "description", "permissions"),
            *("created_at", "expired_at", "expiredAt", "user_id", "userId"),
        ]
    ),
    json_values,
)


@given(st.lists(odd_entries | json_values, max_size=6), st.integers(min_value=0, max_value=6))
def test_a_good_token_survives_whatever_stands_beside_it(others: list[Any], position: int) -> None:
    good = an_entry(token_id="pt-the-good-one")
    result = parsed([*others[:position], good, *others[position:]])
    assert replace(AN_ENTRY_AS_TOKEN, token_id="pt-the-good-one") in result.tokens
    assert set(result.errors) <= set(PARSE_FIELDS)
    assert {type(owner) for owner in result.owners} == {str}
    assert result.unreadable == result.errors.get("token", 0) + result.errors.get("token_id", 0)
    for token in result.tokens:
        assert token.token_id
        assert token.name
        (token.token_id + token.name + "".join(token.permissions)).encode()  # writable as UTF-8


@given(st.binary(max_size=200))
def test_no_body_does_more_than_a_wire_error(body: bytes) -> None:
    with contextlib.suppress(WireError):
        parse_tokens(body, ZONE)


def test_what_is_too_long_is_cut_marked_and_counted() -> None:
    result = parsed(
        [
            an_entry(token_id="i" * 129, name="n" * 257, permissions=["p" * 129, "base_user_read"]),
            an_entry(token_id="i" * 128, name="n" * 256, permissions=["p" * 128]),
        ]
    )
    assert [(token.token_id, token.name, token.permissions) for token in result.tokens] == [
        ("i" * 127 + "…", "n" * 255 + "…", ("base_user_read", "p" * 127 + "…")),
        ("i" * 128, "n" * 256, ("p" * 128,)),
    ]
    assert result.truncated == {"token_id": 1, "name": 1, "permissions": 1}
    assert result.errors == {}


def test_a_name_of_5_mb_is_cut_like_any_other() -> None:
    result = parsed([an_entry(name="7 " + "n" * 5_000_000), an_entry(token_id="pt-2")])
    assert [token.name for token in result.tokens] == ["7 " + "n" * 253 + "…", "ci"]
    assert result.truncated == {"name": 1}
    assert result.tokens[0].expires_at == JUNE_2


def test_a_token_has_256_permissions_and_a_user_1024_at_most() -> None:
    names = [f"p{number:04}" for number in range(2200)]
    one = parsed([an_entry(permissions=names[:300])])
    assert one.tokens[0].permissions == tuple(names[:256])
    assert one.truncated == {"permissions": 44}
    many = parsed(
        [an_entry(token_id=f"{start}", permissions=names[start : start + 220]) for start in range(0, 2200, 220)]
    )
    assert {name for token in many.tokens for name in token.permissions} == set(names[:1024])
    assert many.truncated == {"permissions": 1176}
    one_more = parsed(
        [an_entry(token_id=f"{start}", permissions=names[start : start + 205]) for start in range(0, 1025, 205)]
    )
    assert one_more.truncated == {"permissions": 1}
    # As many as are allowed, however many tokens grant them.
    assert parsed([an_entry(token_id=f"{number}", permissions=names[:100]) for number in range(50)]).truncated == {}


def test_dates_that_are_longer_than_any_are_unreadable() -> None:
    assert parsed([an_entry(expired_at="2" * 1_000)]).errors == {"expired_at": 1}


def test_secrets_are_replaced_in_ids_names_and_permissions() -> None:
    secret = "pt-0a1b2c3d4e5f_" + "5ecre7" + "f00dfeed"
    redactor = Redactor()
    redactor.add(secret)
    body = json.dumps(
        [an_entry(token_id=f"a {secret}", name=secret, permissions=[f"x{secret}", "base_user_read"]), an_entry()]
    )
    bad, good = parse_tokens(body.encode(), ZONE, redact=redactor.clean).tokens
    assert (bad.token_id, bad.name, bad.permissions) == (
        "a [redacted]",
        "[redacted]",
        ("base_user_read", "x[redacted]"),
    )
    assert good == parsed([an_entry()]).tokens[0]
    escaped = b'[{"token_id": "1", "name": "\\u0070' + secret[1:].encode() + b'"}]'
    assert parse_tokens(escaped, ZONE, redact=redactor.clean).tokens[0].name == "[redacted]"


def test_a_large_answer_can_be_called_off_between_two_pieces() -> None:
    body = json.dumps([an_entry(token_id=f"pt-{number}") for number in range(2000)]).encode()
    calls = []
    assert len(parse_tokens(body, ZONE, between=lambda: calls.append(1)).tokens) == 2000
    # 2,000 entries of 214 bytes or so in pieces of 64 KiB
    assert 6 <= len(calls) <= 8

    def called_off() -> None:
        raise StoppedError

    with pytest.raises(StoppedError):
        parse_tokens(body, ZONE, between=called_off)


def test_nothing_that_hostile_names_fill_grows_beyond_its_bound() -> None:
    for number in range(50):
        parsed([an_entry(token_id=f"{number}", permissions=[f"{number} {place} " + "x" * 100 for place in range(256)])])
    # Sets of more than 64 names or 2,048 characters are not kept.
    before = _shared.cache_info().currsize
    parsed([an_entry(permissions=[f"{place}" for place in range(65)])])
    parsed([an_entry(permissions=["y" * 128] + [f"{place:0128}" for place in range(16)])])
    assert _shared.cache_info().currsize == before
    parsed([an_entry(permissions=["base_auditlog_read", "base_license_read"])])
    assert _shared.cache_info().currsize in {before + 1, 4096}


@pytest.mark.parametrize(
    ("permissions", "names", "read"),
    [
        (["base_user_read"], ("base_user_read",), True),
        ([], (), True),
        (..., (), False),  # no list does not mean that there are no permissions
        (None, (), False),
        ("base_user_read", (), False),
        (["base_user_read", 7], ("base_user_read",), False),
        ([""], (), False),
    ],
)
def test_whether_all_permissions_could_be_read(permissions: object, names: tuple[str, ...], read: bool) -> None:  # noqa: FBT001
    (token,) = parsed([an_entry(permissions=permissions)]).tokens
    assert (token.permissions, token.permissions_read) == (names, read)


def test_permissions_that_cannot_be_read_say_nothing_about_those_of_other_tokens() -> None:
    tokens = parsed([an_entry(token_id="1", permissions=[7]), an_entry(token_id="2"), an_entry(token_id="3")]).tokens
    assert [token.permissions_read for token in tokens] == [False, True, True]


@pytest.mark.parametrize("created", [..., None, "", 0, "0001-01-01T00:00:00Z"])
def test_a_creation_date_that_is_absent_is_unknown_and_no_error(created: object) -> None:
    result = parsed([an_entry(created_at=created)])
    assert result.tokens[0].created_at is None
    assert result.errors == {}


def test_an_answer_that_says_success_is_read_whatever_its_error_code() -> None:
    assert parsed({"data": [an_entry()], "success": True, "errorCode": "0"}) == parsed([an_entry()])


def test_white_space_around_texts_is_dropped() -> None:
    (token,) = parsed([an_entry(token_id=" pt-1\n", name="\tci ", permissions=[" base_user_read "])]).tokens
    assert (token.token_id, token.name, token.permissions) == ("pt-1", "ci", ("base_user_read",))


def test_a_body_that_is_json_does_no_more_than_a_wire_error() -> None:
    values: list[Any] = [0, True, "x", None, {}, [[]], [None], {"data": {}}, {"data": 7}, [{"token_id": {}}]]
    for value in values:
        with contextlib.suppress(WireError):
            assert parsed(value).tokens == ()


def test_the_sample_of_the_documentation() -> None:
    result = parse_tokens(official_sample.BODY, ZONE)
    (token,) = result.tokens
    assert token.token_id == official_sample.TOKEN_ID
    assert token.name == official_sample.NAME
    assert token.permissions == official_sample.PERMISSIONS
    assert token.created_at == pytest.approx(official_sample.CREATED_AT, abs=1e-6)
    assert token.expires_at == pytest.approx(official_sample.EXPIRES_AT, abs=1e-6)
    assert (result.errors, result.truncated) == ({}, {})
    assert result.owners == {official_sample.USER_ID}


def test_the_owners_that_entries_name_are_collected() -> None:
    result = parsed(
        [
            an_entry(),
            an_entry(token_id="2", user_id=..., userId=" u2 "),
            an_entry(token_id="3", user_id=None, userId=7),
            an_entry(token_id="4", user_id=...),
            an_entry(token_id="5", user_id=["u5"]),
            an_entry(token_id=..., user_id="no token"),
        ]
    )
    assert result.owners == {"u1", "u2", "7", ""}
    assert len(result.tokens) == 5


@pytest.mark.parametrize("entries", [1, 10, 1000])
def test_a_list_without_a_token_is_no_list(entries: int) -> None:
    renamed = [{key.replace("token_id", "pat_id"): value for key, value in an_entry().items()}] * entries
    result = parsed(renamed)
    assert (result.tokens, result.unreadable, result.errors) == ((), entries, {"token_id": entries})
    with pytest.raises(WireError, match=f"a list in which no entry is a token with an id \\({entries} listed\\)"):
        result.check()


def test_one_unreadable_entry_of_ten_costs_itself_only() -> None:
    result = parsed([an_entry(token_id=f"pt-{number}" if number else None) for number in range(10)])
    assert (len(result.tokens), result.unreadable, result.errors) == (9, 1, {"token_id": 1})
    result.check()


@pytest.mark.parametrize("body", [[], [{"token_id": "pt-1"}]])
def test_an_empty_list_and_one_with_a_token_are_lists(body: list[Any]) -> None:
    parsed(body).check()
