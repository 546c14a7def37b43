"""Expressions of PromQL that the rules are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

USER = "organization, user_id, user"
TOKEN = f"{USER}, token_id, token, kind"
SHARD = "organization, shard"
"""If users are divided among shards, each shard exposes series about its part of an organization."""
SOURCE = "organization, alert_source"
LOOKBACK = "10m"
"""How far rules look back for a series, so that missed scrapes and a restarting exporter resolve nothing."""


def seconds(value: float) -> str:
    """A number of seconds, to the millisecond and without an exponent."""
    return f"{value:.3f}".rstrip("0").rstrip(".")


def lookback(family: str, selector: str = "") -> str:
    """The latest samples of a family, for as long as `LOOKBACK` after the last scrape."""
    return f"last_over_time({family}{selector}[{LOOKBACK}])"


def latest(labels: str, family: str) -> str:
    """The latest series of a family, with these labels only: those that name a replica are dropped."""
    return f"max by ({labels}) ({lookback(family)})"


_BEST = f"topk by ({SHARD}) (1,\n    max by ({SHARD}, alert_source) ({lookback('yunxiao_alert_source_rank')})\n  )"
"""The process whose entries count: the latest that has current data, or else the latest."""


def entries(
    series: str, one_by: str, labels: Sequence[str], unless: Iterable[tuple[str, str]] = (), *, since: bool = False
) -> str:
    """The entries of a family that count, without what names a replica, and one for each subject.

    Args:
        series: the entries with their latest value; 0 if they have ended.
        one_by: the labels that identify a subject. There is one entry for each of them, whatever its other labels, so
            that no rule fails because an alert would be there twice.
        labels: the labels to keep.
        unless: expressions that suppress entries, each after the labels by which it does.
        since: whether the result is how long ago the value was, instead of the value.
    """
    found = f"{series} != 0\n"
    for by, expression in unless:
        found += f"  unless on ({by})\n  ({expression})\n"
    found += f"  and on ({SOURCE})\n  {_BEST}"
    one = f"topk by ({one_by}) (1,\n  max by ({', '.join(labels)}) (\n  {found}\n  )\n)"
    return f"time() - {one}" if since else one
