from __future__ import annotations

import pytest
from support.builders import DAY, HOUR, MINUTE, NOW

from exporter.common.text import expiry_words
from exporter.model.token import NEVER


@pytest.mark.parametrize(
    ("expires_in", "words"),
    [
        (-55 * DAY, "expired 55d ago"),
        (55 * MINUTE, "expires in 55m"),
        (55 * DAY, "expires in 55d"),
        (59, "expires in 59s"),
        (0.5, "expires in 0s"),
        (0, "expired 0s ago"),
        (NEVER, "never expires"),
        (23 * HOUR + 59 * MINUTE, "expires in 23h"),
    ],
)
def test_past_and_future_expiry_in_words(expires_in: float, words: str) -> None:
    assert expiry_words(NOW + expires_in, NOW) == words
