"""The section `policies`."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from exporter.policies.builtin import POLICIES, MaxAge, MaxTokensPerUser, NeverExpires
from exporter.policies.schema import Policies


def test_every_policy_has_a_key_and_is_off_by_default() -> None:
    assert list(Policies.model_fields) == [policy.name for policy in POLICIES]
    assert Policies().enabled == ()


def test_enabled_policies_keep_the_order_of_the_list() -> None:
    policies = Policies.model_validate({"max_age": {"limit": "1d"}, "max_tokens_per_user": {"limit": 3}})
    assert policies.configured == (MaxTokensPerUser, MaxAge)
    assert [type(policy) for policy in policies.of_tokens] == [MaxAge]
    assert [type(policy) for policy in policies.of_users] == [MaxTokensPerUser]


def test_never_expires_has_a_short_form() -> None:
    short = Policies.model_validate({"never_expires": "forbid"})
    assert short == Policies.model_validate({"never_expires": {}})
    assert short.configured == (NeverExpires,)


@pytest.mark.parametrize(
    ("section", "text"),
    [
        ({"never_expires": "allow"}, "must be forbid or a section with keys"),
        ({"never_expires": None}, "never_expires is empty; set its keys, or remove it"),
        ({"max_lifespan": {}}, "Extra inputs are not permitted"),
    ],
)
def test_sections_that_are_not_valid(section: dict[str, object], text: str) -> None:
    with pytest.raises(ValidationError, match=text):
        Policies.model_validate(section)
