"""Expressions of PromQL that the rules are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.alerts.escaping import promql_regex, promql_string

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from exporter.config.alerting import Silence

USER = "organization, user_id, user"
TOKEN = f"{USER}, token_id, token"
SHARD = "organization, shard"
"""If users are divided among shards, each shard exposes series about its part of an organization."""
POLLED = "yunxiao_user_last_success_timestamp_seconds"
EXPIRY = "yunxiao:token_expiry_timestamp_seconds"
LOOKBACK = "10m"
"""How far rules look back for a series, so that missed scrapes and a restarting exporter resolve nothing."""


def seconds(value: float) -> str:
    """A number of seconds, to the millisecond and without an exponent."""
    return f"{value:.3f}".rstrip("0").rstrip(".")


def lookback(family: str, selector: str = "") -> str:
    """The latest samples of a family, for as long as `LOOKBACK` after the last scrape."""
    return f"last_over_time({family}{selector}[{LOOKBACK}])"


def latest(labels: str, family: str, selector: str = "", present: str = "") -> str:
    """The current series of a family, and the last ones where none is exposed at the moment.

    Args:
        labels: the labels to keep; those that name a replica are dropped.
        family: the name of the family.
        selector: label matchers, in braces.
        present: a family with a series for every user that is exposed. For these users the current series of
            ``family`` are complete, so that a missing one is gone for good, such as that of a deleted token. Without
            it, look back for all series.
    """
    before = f"max by ({labels}) ({lookback(family, selector)})"
    if not present:
        return before
    now = f"max by ({labels}) ({family}{selector})"
    return f"(\n  {now}\n  or\n  ({before} unless on (organization, user_id) {present})\n)"


def unless_silenced(expression: str, silences: Iterable[Silence], series: str = EXPIRY) -> str:
    """The expression without the tokens that `alerting.ignore` silences, each until the end of its last day."""
    for entry in silences:
        for matchers in _matchers(entry):
            expression += f"\nunless ({series}{{{matchers}}} and on () vector(time()) < {entry.ends_at:.0f})"
    return expression


def _matchers(entry: Silence) -> Iterable[str]:
    """The label matchers of the tokens that an entry silences: its user may be an id or a name."""
    matchers = []
    if entry.token_id is not None:
        matchers.append(f"token_id={promql_string(entry.token_id)}")
    if entry.name is not None:
        matchers.append(f"token=~{promql_regex(entry.name)}")
    if entry.user is None:
        return [", ".join(matchers)]
    return [", ".join([f"{label}={promql_string(entry.user)}", *matchers]) for label in ("user_id", "user")]


def with_user_labels(expression: str, names: Sequence[str]) -> str:
    """The expression with the labels of the user's entry; users without labels keep their alert."""
    if not names:
        return expression
    return (
        f"(\n  ({expression})\n  * on (organization, user_id) group_left ({', '.join(names)})"
        f" yunxiao:user_labels\n)\nor on ({TOKEN}) ({expression})"
    )
