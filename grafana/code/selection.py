"""What the variables of *Overview* select, and expressions that several of its panels share."""

from __future__ import annotations

from parts import DAY

ORGANIZATION = 'organization=~"$organization"'
WHO = f'{ORGANIZATION}, user=~"$user"'
PERMISSION = f'{WHO}, permission=~"$permission"'
SERIES = "organization, user_id, user, token_id, token"
# Users whose label has another value are removed. So everything stays if all values are selected, whether or not the
# exporter exposes labels of users.
OTHER_OWNERS = f'yunxiao_user_labels{{{ORGANIZATION}, $owner_label!~"$owner"}}'


def merged(family: str, labels: str, selector: str = WHO) -> str:
    """The series of a family about users with these labels, of any owner."""
    # Replicas expose the same series with different instance labels; max keeps one of each.
    return f"max by ({labels}) ({family}{{{selector}}})"


def selected(family: str, labels: str, selector: str = WHO) -> str:
    """The series of a family about users with these labels."""
    return f"({merged(family, labels, selector)} unless on (organization, user_id) {OTHER_OWNERS})"


EXPIRY = selected("yunxiao_token_expiry_timestamp_seconds", SERIES)
CREATED = selected("yunxiao_token_created_timestamp_seconds", SERIES)
LEFT = f"({EXPIRY} - time())"
FAILURE = selected("yunxiao_user_failure", "organization, user_id, user, reason")
LAST_SUCCESS = selected("yunxiao_user_last_success_timestamp_seconds", "organization, user_id, user")
VIOLATIONS = f"max by (organization, policy, shard) (yunxiao_policy_violations{{{ORGANIZATION}}})"
# Alerts about the exporter itself have no organization.
FIRING = 'alertname=~"Yunxiao.+", organization=~"$organization|", user=~"$user|"'


def counted(state: str) -> str:
    """The number of tokens in a state; 0 if there are none."""
    series = selected("yunxiao_user_tokens", "organization, user_id, user", f'{WHO}, state="{state}"')
    return f"sum({series}) or vector(0)"


def within(days: str) -> str:
    """The number of tokens that expire within so many days; 0 if there are none."""
    return f"count(0 < {LEFT} < {days} * {DAY}) or vector(0)"


def soonest(expiry: str) -> tuple[str, str, str]:
    """The 100 series of an expiry family that are due next: seconds left, time in milliseconds, and urgency.

    The urgency is 2 within $critical_days, 1 within $warning_days, else 0.
    """
    next_due = f"bottomk(100, {expiry} > time() < +Inf)"
    return (
        f"{next_due} - time()",
        f"{next_due} * 1000",
        f"({next_due} < bool time() + $critical_days * {DAY}) + ({next_due} < bool time() + $warning_days * {DAY})",
    )
