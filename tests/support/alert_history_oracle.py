"""Which alerts about the expiry of tokens must and may fire: an oracle, written from the documentation.

It shares no code with the exporter. Sources: `docs/runbooks/YunxiaoToken*.md` (meaning of each alert, which one takes
the place of which), `docs/configuration.md` (thresholds, a third and a tenth of the lifetime, `expired_for`, silences,
`resend_interval`), README (what does not resolve an alert), `docs/metrics.md` (`yunxiao_alert_source_rank`), and
Prometheus' and Alertmanager's own documentation (staleness, `endsAt`).

Tolerances:
- a second on both sides of the time at which a stage begins;
- rules: what was there at the last scrape holds for ten minutes without one, and may hold in the very second in which
  these are over; a process that has not polled a user since its start without storage may show what the one before it
  showed, or nothing; of two processes that started in the same second, either may count;
- alerts that the exporter sends: while it is stopped or Alertmanager cannot be reached, what was sent last holds for at
  least three and at most four times `alerting.resend_interval`, and longer by as much as the exporter's clock is ahead;
  after that, up to 45 seconds until the next delivery.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

NEVER = float("inf")
LOOK_BACK = 600.0
"""Seconds for which rules use what they saw last."""
STEP = 15.0
"""Seconds between two evaluations by the exporter."""
RECOVERY = 45.0
"""Longest pause between two attempts to reach Alertmanager, and an evaluation."""
_BLUR = 1.0


@dataclass(frozen=True, slots=True)
class Listed:
    """A token as the platform lists it, or as it is believed to be.

    Attributes:
        expires: epoch seconds; `NEVER`; None if the answer's date cannot be read, or has never been.
    """

    token_id: str
    name: str
    created: float | None
    expires: float | None


Belief = tuple[Listed, ...]
"""What is known of the tokens of a user."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A user's entry in the configuration; thresholds that are None are the general ones."""

    name: str
    team: str = ""
    warning: float | None = None
    critical: float | None = None


@dataclass(frozen=True, slots=True)
class Terms:
    """The part of a configuration that these alerts depend on.

    Attributes:
        silenced: the name of the tokens that `alerting.ignore` lists.
        by_policy: whether policies report tokens that never expire or are not removed, so that no other alert does.
    """

    info: float | None = None
    warning: float = 14 * 86_400.0
    critical: float = 3 * 86_400.0
    expired_for: float = 7 * 86_400.0
    never_expires: bool = False
    silenced: str | None = None
    by_policy: bool = False
    resend: float = 60.0


@dataclass(frozen=True, slots=True)
class Shares:
    """Of a token's lifetime: the longest warning is one in so many, and so the longest critical stage."""

    warning: float = 3.0
    critical: float = 10.0


Key = tuple[str, str, str, str, str, str]
"""An alert: its name, user id, user, token id, token, team."""
Found = dict[str, frozenset[Key]]
"""Alerts by user id."""
_NONE: frozenset[Key] = frozenset()


def believed(before: Belief, answer: Iterable[Listed]) -> Belief:
    """What is known after an answer: "the last known expiry stays in force" where a date cannot be read."""
    known = {one.token_id: one for one in before}
    return tuple(
        [
            replace(one, expires=known[one.token_id].expires) if one.expires is None and one.token_id in known else one
            for one in answer
        ]
    )


def stage(token: Listed, entry: Entry, terms: Terms, now: float, shares: Shares) -> str | None:
    """The alert about a token, without `YunxiaoToken`; None for none."""
    if token.expires is None or token.name == terms.silenced:
        return None
    if token.expires == NEVER:
        return "NeverExpires" if terms.never_expires and not terms.by_policy else None
    left = token.expires - now
    if left <= 0:
        if -left < terms.expired_for:
            return "Expired"
        return None if terms.by_policy else "NotRemoved"
    warning = terms.warning if entry.warning is None else entry.warning
    critical = terms.critical if entry.critical is None else entry.critical
    if token.created is not None:
        lifetime = token.expires - token.created
        warning, critical = min(warning, lifetime / shares.warning), min(critical, lifetime / shares.critical)
    if left < critical:
        return "ExpiringCritical"
    if left < warning:
        return "ExpiringWarning"
    return "ExpiringInfo" if terms.info is not None and left < terms.info else None


@dataclass(frozen=True, slots=True)
class Picture:
    """Everything that a process knows at one time. Beliefs are absent for users that it has never polled."""

    beliefs: Mapping[str, Belief]
    entries: Mapping[str, Entry]
    terms: Terms

    def about(self, user_id: str, now: float, shares: Shares) -> tuple[frozenset[Key], frozenset[Key]]:
        """The alerts about a user that must fire and those that may, by this knowledge."""
        entry = self.entries.get(user_id)
        if entry is None:
            return _NONE, _NONE
        must, may = [], []
        for token in self.beliefs.get(user_id, ()):
            found = {stage(token, entry, self.terms, at, shares) for at in (now - _BLUR, now, now + _BLUR)}
            keys = [
                (f"YunxiaoToken{name}", user_id, entry.name, token.token_id, token.name, entry.team)
                for name in found
                if name is not None
            ]
            may += keys
            if len(found) == 1:
                must += keys
        return frozenset(must), frozenset(may)


@dataclass(slots=True)
class Scraped:
    """The last good scrape of a process.

    Attributes:
        rank: whether its last sweep was completed in time, and when it started.
    """

    at: float
    rank: tuple[bool, float]
    picture: Picture


@dataclass
class RulesOracle:
    """What the rules must say, from what Prometheus has scraped of each process of an organization."""

    shares: Shares = field(default_factory=Shares)
    _scraped: dict[str, Scraped] = field(default_factory=dict)

    def scraped(self, process: str, scrape: Scraped) -> None:
        """A scrape succeeded."""
        self._scraped[process] = scrape

    def expected(self, user_id: str, now: float) -> tuple[frozenset[Key], frozenset[Key]]:
        """The alerts about a user that must fire and those that may."""
        seen = sorted(
            (one for one in self._scraped.values() if now - one.at <= LOOK_BACK), key=lambda one: one.rank, reverse=True
        )
        if not seen:
            return _NONE, _NONE
        best, *others = seen
        must, may = best.picture.about(user_id, now, self.shares)
        unknown = user_id not in best.picture.beliefs or now - best.at > LOOK_BACK - _BLUR
        for one in others:
            if unknown or one.rank == best.rank:
                also = one.picture.about(user_id, now, self.shares)
                must, may = must & also[0], may | also[1]
        return (_NONE, may) if unknown else (must, may)


@dataclass(slots=True)
class _Sent:
    """What Alertmanager was known to show of a user, when, and what has been due since then.

    Attributes:
        until: when the last of it ends by itself.
        always: what has been due all the time.
        ever: what has been due at some time.
    """

    at: float
    until: float
    must: frozenset[Key]
    always: frozenset[Key]
    ever: frozenset[Key]


@dataclass
class DirectOracle:
    """What Alertmanager must show of the alerts that the exporter sends.

    Attributes:
        shortest: the shortest resend interval of the history.
        longest: the longest one.
    """

    shortest: float
    longest: float
    shares: Shares = field(default_factory=Shares)
    _sent: dict[str, _Sent] = field(default_factory=dict)
    _left: dict[str, list[_Sent]] = field(default_factory=dict)

    def lost(self) -> None:
        """The process has ended without storage: what it has sent ends by itself."""
        for user_id, sent in self._sent.items():
            self._left.setdefault(user_id, []).append(replace(sent))

    def expected(
        self, user_id: str, now: float, wall: float, picture: Picture | None, *, delivers: bool
    ) -> tuple[frozenset[Key], frozenset[Key]]:
        """The alerts about a user that must fire and those that may.

        Args:
            user_id: the user.
            now: epoch seconds.
            wall: the same by the clock of the exporter.
            picture: what the exporter knows; None while it is stopped.
            delivers: whether it reaches Alertmanager, and has for so long that it must have delivered what is due.
        """
        # A user without an entry is known, too: not to be watched.
        known = picture is not None and (user_id in picture.beliefs or user_id not in picture.entries)
        due = picture.about(user_id, wall, self.shares) if picture is not None and known else None
        last = self._sent.get(user_id)
        if due is not None and delivers:
            until = now + 4 * self.longest + STEP + max(0.0, wall - now)
            self._sent[user_id] = _Sent(now, until, due[0], *due)
            must, may = due
        elif last is None:
            must, may = _NONE, _NONE if due is None else due[1]
        else:
            if due is not None:
                last.always &= due[0]
                last.ever |= due[1]
            must = last.must & last.always if now - last.at < 3 * self.shortest else _NONE
            # Without anything that is due, nothing is sent, and what was sent ends by itself.
            may = last.ever if due is not None or now <= last.until else _NONE
        for left in self._left.get(user_id, ()):
            if now <= left.until:
                may |= left.ever
        return must, may
