from __future__ import annotations

from collections import Counter
from dataclasses import replace

from support.builders import DAY, NOW, a_token

from exporter.model.state import Reason, UserState
from exporter.model.token import NEVER, TokenState
from exporter.model.user import OwnThresholds, User
from exporter.policies.schema import Policies
from exporter.polling.sweep_summary import SummarySettings, failing, sweep_summary

TOKENS = (
    a_token("old", expires_in=-DAY),
    a_token("now", expires_in=0),
    a_token("soon", expires_in=14 * DAY - 1),
    a_token("later", expires_in=14 * DAY),
    a_token("never", expires_in=NEVER),
    a_token("odd", expires_in=None),
)
LI = UserState(User("1", "li"), TOKENS, NOW, polled=True)
NO_POLICIES = SummarySettings(14 * DAY, Policies())


def test_tokens_that_have_expired_and_that_expire_soon() -> None:
    assert sweep_summary([LI], NO_POLICIES, NOW) == {"expired": 2, "expiring": 1, "violations": 0}


def test_own_thresholds_of_a_user_count() -> None:
    own = replace(LI, user=User("1", "li", thresholds=OwnThresholds(warning=15 * DAY)))
    assert sweep_summary([own, LI], NO_POLICIES, NOW) == {"expired": 4, "expiring": 3, "violations": 0}


def test_tokens_that_are_only_counted_count() -> None:
    many = replace(LI, left_out=((TokenState.EXPIRED, 5), (TokenState.ACTIVE, 7)))
    assert sweep_summary([many], NO_POLICIES, NOW)["expired"] == 7


def test_violations_of_all_policies() -> None:
    policies = Policies.model_validate({"never_expires": "forbid", "max_tokens_per_user": {"limit": 3}})
    # never; and four unexpired tokens: soon, later, never, odd
    assert sweep_summary([LI], SummarySettings(14 * DAY, policies), NOW)["violations"] == 2


def test_failing_users_by_reason() -> None:
    assert failing(Counter()) == {"failing": 0}
    assert failing(Counter({Reason.FORBIDDEN: 1, Reason.TIMEOUT: 2})) == {
        "failing": 3,
        "failing_timeout": 2,
        "failing_forbidden": 1,
    }
