from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from soak.plan import Change, Organization, changed, first_plan


def test_users_start_in_equal_parts() -> None:
    plan = first_plan(7, 2)
    assert plan.organizations == (Organization("soak-org-0000", (0, 1, 2)), Organization("soak-org-0001", (3, 4, 5)))


def test_a_renamed_organization_keeps_its_users_under_a_name_never_used_before() -> None:
    plan = changed(first_plan(6, 2), Change.RENAME_ORGANIZATION, random.Random(1))
    assert sorted(plan.users) == [0, 1, 2, 3, 4, 5]
    assert "soak-org-0002" in plan.names
    assert len(plan.names) == 2


def test_a_removed_organization_takes_its_users_along() -> None:
    plan = changed(first_plan(40, 3), Change.REMOVE_ORGANIZATION, random.Random(1))
    # 40 users in three parts of 13; one part is gone.
    assert (len(plan.names), len(plan.users)) == (2, 26)


@given(st.lists(st.sampled_from(Change), max_size=80), st.integers(0, 1000))
def test_plans_keep_their_size_and_reuse_no_names(changes: list[Change], seed: int) -> None:
    chance = random.Random(seed)
    plan = first_plan(40, 3)
    gone_names: set[str] = set()
    gone_users: set[int] = set()
    for change in changes:
        following = changed(plan, change, chance)
        gone_names |= plan.names - following.names
        gone_users |= plan.users - following.users
        plan = following
        assert not plan.names & gone_names
        assert not plan.users & gone_users
        assert len(plan.organizations) >= 2
        assert 19 <= len(plan.users) <= 78
        assert len(plan.users) == sum(len(one.users) for one in plan.organizations)
