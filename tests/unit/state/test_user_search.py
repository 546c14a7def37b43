"""What users are sorted by. Searches are tested in test_contents.py."""

from __future__ import annotations

import math

from support.builders import DAY, NOW, a_token

from exporter.model.state import UserState
from exporter.model.token import NEVER
from exporter.model.user import User
from exporter.state.user_search import next_expiry


def test_the_next_expiry_is_in_the_future() -> None:
    tokens = [a_token(expires_in=one) for one in (None, NEVER, -DAY, 0.0, 2 * DAY, DAY)]
    state = UserState(User("1", "li")).succeeded(tuple(tokens), NOW)
    assert next_expiry(state, NOW) == NOW + DAY
    assert next_expiry(state, NOW + 2 * DAY) == math.inf
