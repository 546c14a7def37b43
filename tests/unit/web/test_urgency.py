"""How urgent tokens are. Stages are tested in tests/unit/model/test_stages.py."""

from __future__ import annotations

import pytest
from support.builders import DAY, NOW, a_token

from exporter.config.alerting import Alerting
from exporter.model.token import NEVER
from exporter.model.user import OwnThresholds, User
from exporter.web.urgency import Urgency, urgency

ALERTING = Alerting()  # a warning 14 days before, critical 3 days before


@pytest.mark.parametrize(
    ("expires_in", "expected"),
    [
        (NEVER, Urgency.NEVER), (None, Urgency.UNKNOWN), (15 * DAY, Urgency.OK), (13 * DAY, Urgency.WARNING),
        (2 * DAY, Urgency.CRITICAL), (-DAY, Urgency.EXPIRED), (-8 * DAY, Urgency.NOT_REMOVED),
    ],
)  # fmt: skip
def test_urgency_by_the_time_left(expires_in: float | None, expected: Urgency) -> None:
    token = a_token(expires_in=expires_in, age=100 * DAY)
    assert urgency(User("1", "li"), token, ALERTING, NOW) is expected


def test_a_user_may_have_other_thresholds() -> None:
    token = a_token(expires_in=20 * DAY, age=100 * DAY)
    own = User("1", "li", (), OwnThresholds(warning=30 * DAY))
    assert urgency(own, token, ALERTING, NOW) is Urgency.WARNING
