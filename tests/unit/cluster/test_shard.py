"""Which user is whose, and how the rate is given out among processes."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.cluster.shard import WHOLE, Shard, parse_shard


@given(st.text(), st.integers(min_value=1, max_value=50))
def test_each_user_is_in_exactly_one_shard(user_id: str, total: int) -> None:
    assert sum(Shard(number, total).takes(user_id) for number in range(total)) == 1
    assert WHOLE.takes(user_id)


def test_the_hash_never_changes() -> None:
    # BLAKE2b (RFC 7693) of 8 bytes, personalised; another hash would move users between running shards
    digest = hashlib.blake2b(b"99d1e2f0", digest_size=8, person=b"shard").digest()
    assert Shard(int.from_bytes(digest, "big") % 3, 3).takes("99d1e2f0")


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
