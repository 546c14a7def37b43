"""Which alerts about tokens and polls must and may fire: an oracle, written from the documentation.

It shares no code with the exporter. Sources: `docs/runbooks/` (meaning of each alert, which one takes the place of
which), `docs/configuration.md` (thresholds, a third and a tenth of the lifetime, `expired_for`, silences,
`resend_interval`), README (what does not resolve an alert), `docs/metrics.md` (`yunxiao_alert_source_rank`), and
Prometheus' and Alertmanager's own documentation (staleness, `endsAt`).

Tolerances:
- a second on both sides of the time at which a stage begins;
- rules: what was there at the last scrape holds for ten minutes without one, and may hold in the very second in which
  these are over; a process that has not polled a user since its start without storage may show what the one before it
  showed, or nothing; of two processes that started in the same second, either may count;
- rules: an alert about all tokens of a user or an organization is as old as the last scrape;
- rules: polls fail for two intervals from when Prometheus first sees it, whichever process says so;
- an organization of which some users have not been polled, or 20 in a row have failed, may count as unreadable;
- alerts that the exporter sends: while it is stopped or Alertmanager cannot be reached, what was sent last holds for at
  least three and at most four times `alerting.resend_interval` (less where a reload has just made that longer), and
  longer by as much as the exporter's clock is ahead;
  after that, up to 45 seconds until the next delivery.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

NEVER = float("inf")
LOOK_BACK = 600.0
"""Seconds for which rules use what they saw last."""
STEP = 15.0
"""Seconds between two evaluations by the exporter."""
RECOVERY = 45.0
"""Longest pause between two attempts to reach Alertmanager, and an evaluation."""
INTERVAL = 120.0
"""Seconds from one sweep to the next: `poll.interval` of the histories."""
STALE_AFTER = 600.0
"""`poll.stale_after` of the histories."""
POLL_FAILING = "YunxiaoUserPollFailing"
ABOUT_POLLS = frozenset({POLL_FAILING, "YunxiaoUserDataStale"})
NOT_REMOVED = "YunxiaoTokenNotRemoved"
_MANY = 20
_BLUR = 1.0


@dataclass(frozen=True, slots=True)
class Listed:
    """A token or SSH key as the platform lists it, or as it is believed to be.

    Attributes:
        is_key: whether it is an SSH key; no policy is about these.
        expires: epoch seconds; `NEVER`; None if the answer's date cannot be read, or has never been.
    """

    token_id: str
    name: str
    created: float | None
    expires: float | None
    is_key: bool = False


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
        one_by: `alerting.policy_violations`: whether tokens that are not removed are one alert for an organization, a
            user or a token.
    """

    info: float | None = None
    warning: float = 14 * 86_400.0
    critical: float = 3 * 86_400.0
    expired_for: float = 7 * 86_400.0
    never_expires: bool = False
    silenced: str | None = None
    by_policy: bool = False
    resend: float = 60.0
    one_by: str = "per_policy"


@dataclass(frozen=True, slots=True)
class Shares:
    """Of a token's lifetime: the longest warning is one in so many, and so the longest critical stage."""

    warning: float = 3.0
    critical: float = 10.0


Key = tuple[str, str, str, str, str, str]
"""An alert: its name, user id (or organization, if it is about no user), user, token id with its
kind, token, team."""
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
    by_policy = terms.by_policy and not token.is_key
    if token.expires == NEVER:
        return "NeverExpires" if terms.never_expires and not by_policy else None
    left = token.expires - now
    if left <= 0:
        if -left < terms.expired_for:
            return "Expired"
        return None if by_policy else "NotRemoved"
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
class Polls:
    """How the polls of an organization went.

    Attributes:
        failing: when the first poll failed since the last successful one, by user id.
        succeeded: when the last poll succeeded.
        since: when the first poll failed since the last successful one of any user; None if the last one succeeded.
        refused: whether the platform refuses the exporter's token.
        certain_at: when the organization was certainly unreadable last, since the start of the process.
        possible_at: when it was perhaps.
    """

    failing: Mapping[str, float]
    succeeded: Mapping[str, float]
    since: float | None = None
    refused: bool = False
    certain_at: float = -NEVER
    possible_at: float = -NEVER


@dataclass(frozen=True, slots=True)
class Picture:
    """Everything that a process knows at one time. Beliefs are absent for users that it has never polled."""

    beliefs: Mapping[str, Belief]
    entries: Mapping[str, Entry]
    terms: Terms
    polls: Polls

    def unreadable(self, now: float) -> tuple[bool, bool]:
        """Whether no user can be polled: certainly, and perhaps."""
        polls = self.polls
        failing = [self.polls.failing[one] for one in self.entries if one in polls.failing]
        if not failing:
            return False, False
        certain = (
            len(failing) == len(self.entries)
            and polls.since is not None
            and (polls.refused or now >= polls.since + 2 * INTERVAL)
        )
        most = all(one in polls.failing or one not in polls.succeeded for one in self.entries)
        many = polls.since is not None and len(failing) >= _MANY
        return certain, (most or many) and (polls.refused or now >= min(failing) + 2 * INTERVAL - _BLUR)

    def about_organization(self, name: str, now: float) -> tuple[frozenset[Key], frozenset[Key]]:
        """The alert that no user can be polled."""
        alert = frozenset([("YunxiaoOrganizationUnreadable", name, "", "", "", "")])
        certain, possible = self.unreadable(now)
        return alert if certain else _NONE, alert if possible else _NONE

    def held_back(self, now: float) -> tuple[bool, bool]:
        """Whether alerts about polls of single users are: certainly, and perhaps.

        While no user can be polled, and until each has been polled once more.
        """
        certain, possible = self.unreadable(now)
        return (
            certain or now < self.polls.certain_at + 2 * INTERVAL - STEP,
            possible or now < self.polls.possible_at + 2 * INTERVAL + INTERVAL,
        )

    def about_polls(
        self, user_id: str, now: float, held_back: tuple[bool, bool], patience: float = 2 * INTERVAL
    ) -> tuple[frozenset[Key], frozenset[Key]]:
        """The alerts about the polls of a user.

        Args:
            user_id: the user.
            now: epoch seconds.
            held_back: the result of `held_back`.
            patience: seconds for which polls must have failed.
        """
        entry = self.entries.get(user_id)
        certainly, perhaps = held_back
        if entry is None or certainly:
            return _NONE, _NONE
        must, may = set(), set()
        for name, since in (
            (POLL_FAILING, self.polls.failing.get(user_id, NEVER) + patience),
            ("YunxiaoUserDataStale", self.polls.succeeded.get(user_id, NEVER) + STALE_AFTER),
        ):
            key = (name, user_id, entry.name, "", "", entry.team)
            if now >= since - _BLUR:
                may.add(key)
            if now >= since + _BLUR and not perhaps:
                must.add(key)
        return frozenset(must), frozenset(may)

    def not_removed(self, name: str, now: float) -> tuple[frozenset[Key], frozenset[Key]]:
        """The alert about all tokens of the organization that are not removed."""
        if self.terms.one_by != "per_policy":
            return _NONE, _NONE
        alert = frozenset([(NOT_REMOVED, name, "", "", "", "")])
        found = [self._not_removed_by(user_id, now) for user_id in self.entries]
        return alert if any(one[0] for one in found) else _NONE, alert if any(one[1] for one in found) else _NONE

    def _not_removed_by(self, user_id: str, now: float) -> tuple[bool, bool]:
        """Whether a user certainly has such tokens, and whether perhaps."""
        certain = possible = False
        for token in self.beliefs.get(user_id, ()):
            at = (now - _BLUR, now, now + _BLUR)
            found = {stage(token, self.entries[user_id], self.terms, one, Shares()) for one in at}
            certain |= found == {"NotRemoved"}
            possible |= "NotRemoved" in found
        return certain, possible

    def about(
        self, user_id: str, now: float, shares: Shares, known_at: float | None = None
    ) -> tuple[frozenset[Key], frozenset[Key]]:
        """The alerts about a user that must fire and those that may, by this knowledge.

        Args:
            user_id: the user.
            now: epoch seconds.
            shares: of lifetimes.
            known_at: the time at which tokens were counted; None if that is now.
        """
        entry = self.entries.get(user_id)
        if entry is None:
            return _NONE, _NONE
        must, may = [], []
        if self.terms.one_by == "per_user":
            key = (NOT_REMOVED, user_id, entry.name, "", "", entry.team)
            certain, possible = self._not_removed_by(user_id, now if known_at is None else known_at)
            must += [key] if certain else []
            may += [key] if possible else []
        for token in self.beliefs.get(user_id, ()):
            kind = " ssh_key" if token.is_key else ""
            found = {stage(token, entry, self.terms, at, shares) for at in (now - _BLUR, now, now + _BLUR)}
            if self.terms.one_by != "per_token":
                found = {None if name == "NotRemoved" else name for name in found}
            keys = [
                (f"YunxiaoToken{name}", user_id, entry.name, token.token_id + kind, token.name, entry.team)
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
    _must_since: dict[Key, float] = field(default_factory=dict)
    _may_since: dict[Key, float] = field(default_factory=dict)

    def scraped(self, process: str, scrape: Scraped) -> None:
        """A scrape succeeded."""
        self._scraped[process] = scrape

    def tokens(self, user_id: str, now: float) -> tuple[frozenset[Key], frozenset[Key]]:
        """The alerts about the tokens of a user that must fire, and those that may."""
        return self._joined(now, user_id, lambda one: one.picture.about(user_id, now, self.shares, one.at))

    def polls(self, user_id: str, now: float) -> tuple[frozenset[Key], frozenset[Key]]:
        """The same about the polls of a user. To be called for every evaluation."""
        must, may = self._joined(
            now, None, lambda one: one.picture.about_polls(user_id, now, one.picture.held_back(one.at), 0.0)
        )
        return self._lasting(self._must_since, user_id, must, now), self._lasting(self._may_since, user_id, may, now)

    def _lasting(self, since: dict[Key, float], user_id: str, due: frozenset[Key], now: float) -> frozenset[Key]:
        """Those that have been due long enough, whichever process said so."""
        for key in [key for key in since if key[1] == user_id and key not in due]:
            del since[key]
        for key in due:
            since.setdefault(key, now)
        return frozenset([key for key in due if key[0] != POLL_FAILING or now >= since[key] + 2 * INTERVAL])

    def organization(self, name: str, now: float) -> tuple[frozenset[Key], frozenset[Key]]:
        """The same about the organization."""
        unreadable = self._joined(now, None, lambda one: one.picture.about_organization(name, one.at))
        tokens = self._joined(now, None, lambda one: one.picture.not_removed(name, one.at))
        return unreadable[0] | tokens[0], unreadable[1] | tokens[1]

    def _joined(
        self, now: float, user_id: str | None, about: Callable[[Scraped], tuple[frozenset[Key], frozenset[Key]]]
    ) -> tuple[frozenset[Key], frozenset[Key]]:
        """What the process with the highest rank says; if it does not know the user, others may count."""
        seen = sorted(
            (one for one in self._scraped.values() if now - one.at <= LOOK_BACK), key=lambda one: one.rank, reverse=True
        )
        if not seen:
            return _NONE, _NONE
        best, *others = seen
        must, may = about(best)
        unknown = now - best.at > LOOK_BACK - _BLUR or (user_id is not None and user_id not in best.picture.beliefs)
        for one in others:
            if unknown or one.rank == best.rank:
                also = about(one)
                must, may = must & also[0], may | also[1]
        return (_NONE, may) if unknown else (must, may)


@dataclass(slots=True)
class _Sent:
    """What Alertmanager was known to show of a subject, when, and what has been due since then.

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
    _sent: dict[str, _Sent] = field(default_factory=dict)
    _left: dict[str, list[_Sent]] = field(default_factory=dict)

    def lost(self) -> None:
        """The process has ended without storage: what it has sent ends by itself."""
        for subject, sent in self._sent.items():
            self._left.setdefault(subject, []).append(replace(sent))

    def expected(
        self,
        subject: str,
        now: float,
        due: tuple[frozenset[Key], frozenset[Key]] | None,
        ahead: float,
        *,
        delivers: bool,
    ) -> tuple[frozenset[Key], frozenset[Key]]:
        """The alerts about a subject that must fire and those that may.

        Args:
            subject: identifies it.
            now: epoch seconds.
            due: what must and may fire by the exporter's knowledge; None if it is stopped or has none.
            ahead: seconds by which its clock is ahead.
            delivers: whether it reaches Alertmanager, and has for so long that it must have delivered what is due.
        """
        last = self._sent.get(subject)
        if due is not None and delivers:
            self._sent[subject] = _Sent(now, now + 4 * self.longest + STEP + max(0.0, ahead), due[0], *due)
            must, may = due
        elif last is None:
            must, may = _NONE, _NONE if due is None else due[1]
        else:
            if due is not None:
                last.always &= due[0]
                last.ever |= due[1]
            lasts = 4 * self.shortest - self.longest
            must = last.must & last.always if now - last.at < lasts else _NONE
            # Without anything that is due, nothing is sent, and what was sent ends by itself.
            may = last.ever if due is not None or now <= last.until else _NONE
        for left in self._left.get(subject, ()):
            if now <= left.until:
                may |= left.ever
        return must, may
