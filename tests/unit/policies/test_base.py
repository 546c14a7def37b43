"""When an exemption applies."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from support.builders import DAY, NOW, a_token

from exporter.model.token import NEVER, Token
from exporter.model.user import User
from exporter.policies.evaluate import violations
from exporter.policies.schema import Policies

LI = User("3001", "li.wei")


def policies(**sections: Any) -> Policies:
    return Policies.model_validate(sections)


def broken(rules: Policies, *tokens: Token, now: float = NOW) -> list[tuple[str, str | None]]:
    return [(one.policy.name, one.token_id) for one in violations(LI, tokens, rules, now)]


YESTERDAY, TODAY = dt.date(2026, 5, 31), dt.date(2026, 6, 1)


@pytest.mark.parametrize(
    ("entry", "exempted"),
    [
        ({"user": "3001"}, True),
        ({"user": "li.wei"}, True),
        ({"user": "li"}, False),
        ({"token_id": "pt-aaaa"}, True),
        ({"token_id": "pt-a"}, False),
        ({"name": "c."}, True),
        ({"name": "c"}, False),
        ({"user": "3001", "name": "x"}, False),
    ],
)
def test_an_exemption_applies_until_its_day_is_over(entry: dict[str, str], exempted: bool) -> None:  # noqa: FBT001
    def found(until: dt.date, now: float) -> bool:
        exceptions = (entry | {"reason": "known", "until": until},)
        return bool(broken(policies(never_expires={"exceptions": exceptions}), a_token(expires_in=NEVER), now=now))

    assert found(TODAY, NOW) is not exempted
    assert found(TODAY, NOW + DAY - 1) is not exempted
    assert found(TODAY, NOW + DAY) is True
    assert found(YESTERDAY, NOW) is True
