from __future__ import annotations

import pytest
from support.configuration import faults, settled, with_organization


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("redis://h:6379/0", ""),
        ("rediss://h", ""),
        ("redis://h:99999", "is not a valid"),
        ("http://h:6379", "is not a valid Redis URL"),
        ("redis://me:secret@h/0", "must not contain a user or password"),
        ("redis://h/x", "must end in a database number"),
        ("redis://", "is not a valid Redis URL"),
        ("redis+sentinel://a:26379,b,[::1]:1/main/0", ""),
        ("rediss+sentinel://a/main/12", ""),
        ("redis+sentinel://a/main", "is not a valid Redis Sentinel URL"),
        ("redis+sentinel://a/main/x", "is not a valid Redis Sentinel URL"),
        ("redis+sentinel://a//0", "is not a valid Redis Sentinel URL"),
        ("redis+sentinel://a/main/0?x=1", "is not a valid Redis Sentinel URL"),
        ("redis+sentinel://a,/main/0", "name a host for each Sentinel"),
        ("redis+sentinel://a:99999/main/0", "is not a valid"),
        ("redis+sentinel://:secret@a/main/0", "must not contain a user or password"),
        ("+sentinel://a/main/0", "is not"),
    ],
)
def test_urls_of_redis(url: str, words: str) -> None:
    text = f"redis: {{url: '{url}'}}\n" + with_organization("")
    if not words:
        redis = settled(text).config.redis
        assert redis is not None
        assert redis.url == url
        return
    (fault,) = faults(text)
    assert words in fault
    assert "secret" not in fault
