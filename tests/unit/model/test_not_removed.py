from __future__ import annotations

from zoneinfo import ZoneInfo

from support.builders import DAY, NOW, a_key, a_state, a_token

from exporter.model.not_removed import NotRemoved, not_removed
from exporter.model.token import NEVER

UTC = ZoneInfo("UTC")


def test_tokens_and_keys_count_from_the_second_in_which_they_should_have_been_removed() -> None:
    state = a_state(
        a_token("pt-1", name="just", expires_in=-7 * DAY),
        a_token("pt-2", name="not yet", expires_in=1 - 7 * DAY),
        a_token("pt-3", name="first", expires_in=-9 * DAY),
        a_token("pt-4", name="never", expires_in=NEVER),
        a_token("pt-5", name="unreadable", expires_in=None),
        a_token("pt-6", name="silenced", expires_in=-99 * DAY),
        # The same id and name are one token.
        a_token("pt-3", name="first", expires_in=-8 * DAY),
        keys=(a_key("501", expires_in=-8 * DAY, age=90 * DAY),),
    )
    found = not_removed(state, 7 * DAY, NOW, lambda token: token.name != "silenced")
    assert found == NotRemoved(3, NOW - 9 * DAY, "first")
    assert not_removed(state, 100 * DAY, NOW, lambda _: True) is None
    assert not_removed(state, 7 * DAY, NOW, lambda _: False) is None


def test_the_day_is_that_of_the_time_zone_and_names_are_printable_and_short() -> None:
    # 2026-05-31 23:00 UTC, an hour before NOW
    late = NotRemoved(1, NOW - 3600, "a\nb")
    assert late.words(UTC) == "a\ufffdb, 2026-05-31"
    assert late.words(ZoneInfo("Asia/Shanghai")) == "a\ufffdb, 2026-06-01"
    assert len(NotRemoved(1, NOW, "x" * 5000).words(UTC)) == 60 + len(", 2026-06-01")
    assert NotRemoved(1, 1e15, "x").words(UTC) == "x, 9999-12-30"
