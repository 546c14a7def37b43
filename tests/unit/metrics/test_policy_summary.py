from __future__ import annotations

from typing import TYPE_CHECKING

from support.builders import NOW, a_state, a_token, a_user

from exporter.metrics.policy_summary import Offences, merged, offences, summarized
from exporter.model.token import NEVER
from exporter.policies.builtin import NeverExpires
from exporter.policies.evaluate import violations
from exporter.policies.schema import Policies

if TYPE_CHECKING:
    from exporter.model.user import User

POLICIES = Policies.model_validate({"never_expires": "forbid", "max_tokens_per_user": {"limit": 1}})


def of(number: int, tokens: int) -> tuple[User, Offences]:
    """What a user violates with this many tokens that never expire."""
    some = [a_token(f"pt-{one}", expires_in=NEVER) for one in range(tokens)]
    state = a_state(*some, user=a_user(f"u{number}", f"n{number}"))
    found = violations(state.user, state.tokens, POLICIES, NOW, state.unexpired_left_out)
    return state.user, offences(state, found, POLICIES, NOW)


def test_a_policy_counts_tokens_and_users_and_names_those_with_most_tokens() -> None:
    summary = summarized([of(number, tokens) for number, tokens in enumerate((1, 3, 0, 2))])
    found = {
        policy.name if policy else "": (one.violations, one.users, one.words(", ")) for policy, one in summary.items()
    }
    assert found == {
        "never_expires": (6, 3, "n1 (3), n3 (2), n0 (1)"),
        # two users have more than one token
        "max_tokens_per_user": (2, 2, "n1 (3), n3 (2)"),
    }


def test_at_most_five_users_are_named_also_of_several_groups() -> None:
    parts = [summarized([of(number, number + 1)])[NeverExpires] for number in range(7)]
    one = merged(parts)
    assert (one.violations, one.users) == (28, 7)
    assert one.words(", ") == "n6 (7), n5 (6), n4 (5), n3 (4), n2 (3)"
