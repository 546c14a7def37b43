"""Which tokens an entry matches, and until when."""

from __future__ import annotations

import datetime as dt

import pytest
from pydantic import ValidationError
from support.builders import DAY, NOW, a_token

from exporter.model.user import User
from exporter.policies.token_matcher import TokenMatcher

LI = User("3001", "li.wei")
TODAY = dt.date(2026, 6, 1)


def matcher(until: dt.date = TODAY, **keys: str) -> TokenMatcher:
    return TokenMatcher.model_validate({**keys, "reason": "known", "until": until})


def test_every_key_must_match() -> None:
    token = a_token("pt-aaaa", name="ci")
    assert matcher(user="li.wei", token_id="pt-aaaa", name="c.").matches(LI, token)
    assert not matcher(user="li.wei", token_id="pt-aaaa", name="c").matches(LI, token)
    assert not matcher(user="li.wei", token_id="pt-a", name="c.").matches(LI, token)
    assert not matcher(user="li", token_id="pt-aaaa", name="c.").matches(LI, token)


def test_an_entry_is_active_to_the_end_of_its_last_day() -> None:
    # NOW is the midnight at which 2026-06-01 begins
    entry = matcher(user="3001")
    assert entry.ends_at == NOW + DAY
    assert entry.active(NOW + DAY - 1)
    assert not entry.active(NOW + DAY)


def test_the_last_day_of_the_calendar_has_an_end() -> None:
    # 2,932,896 days lie between 1970-01-01 and 9999-12-31
    assert matcher(dt.date(9999, 12, 31), user="x").ends_at == 2_932_897 * 86400


def test_an_entry_without_a_key_is_refused() -> None:
    with pytest.raises(ValidationError, match="matches nothing; set user, token_id or name"):
        matcher()
