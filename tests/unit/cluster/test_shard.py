"""Which user is whose, and how the rate is given out among processes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.cluster.shard import WHOLE, Shard, parse_shard


@given(st.text(), st.integers(min_value=1, max_value=50))
def test_each_user_is_in_exactly_one_shard(user_id: str, total: int) -> None:
    assert sum(Shard(number, total).takes(user_id) for number in range(total)) == 1
    assert WHOLE.takes(user_id)


def test_shards_are_of_about_the_same_size() -> None:
    sizes = [sum(Shard(number, 4).takes(str(user)) for user in range(4000)) for number in range(4)]
    # 1,000 each; five standard deviations of a binomial distribution are 5 * sqrt(4000 * 1/4 * 3/4) = 137
    assert all(abs(size - 1000) < 137 for size in sizes)


@pytest.mark.parametrize(
    ("text", "environ", "shard"),
    [
        ("0/1", {}, Shard(0, 1)),
        ("2/3", {}, Shard(2, 3)),
        ("auto/3", {"POD_NAME": "exporter-2", "HOSTNAME": "x-0"}, Shard(2, 3)),
        ("auto/12", {"HOSTNAME": "yunxiao-token-exporter-11"}, Shard(11, 12)),
    ],
)
def test_a_shard_is_read(text: str, environ: dict[str, str], shard: Shard) -> None:
    assert parse_shard(text, environ) == shard


@pytest.mark.parametrize(
    ("text", "environ", "words"),
    [
        ("3/3", {}, "counted from 0 to 2"),
        ("0/0", {}, "is not a valid shard"),
        ("-1/3", {}, "is not a valid shard"),
        ("1", {}, "is not a valid shard"),
        ("auto/3", {"HOSTNAME": "laptop"}, "does not end in an ordinal"),
        ("auto/3", {"POD_NAME": "exporter-3"}, "counted from 0 to 2"),
        ("auto/3", {}, "does not end in an ordinal"),
    ],
)
def test_an_invalid_shard_has_a_clear_error(text: str, environ: dict[str, str], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_shard(text, environ)


@pytest.mark.parametrize(
    ("user_id", "digest"),
    [
        # BLAKE2b (RFC 7693) with 8 bytes of digest and the personalization "shard", as a big-endian number
        ("99d1e2f0", 15873178851281850080),
        ("5f3b7c11-7a61-4e0e-8a54-6b1d0c9e2f77", 9025370556289858646),
        ("\u5f20\u4e09", 10368129891770580806),
        ("", 5451867196849449505),
    ],
)
def test_a_user_stays_in_the_shard_of_earlier_releases(user_id: str, digest: int) -> None:
    # Another hash would move users between running shards: the literal numbers must never change.
    for total in (3, 7, 1000):
        assert [number for number in range(total) if Shard(number, total).takes(user_id)] == [digest % total]


def test_a_shard_of_none_is_refused_as_such() -> None:
    for text in ("0/0", "auto/0"):
        with pytest.raises(ValueError, match=f"^'{text}' is not a valid shard"):
            parse_shard(text, {"POD_NAME": "exporter-0"})
