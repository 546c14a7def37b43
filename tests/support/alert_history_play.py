"""Plays a world through real processes: every 15 seconds, both ways at once.

The direct way is compared with its oracle after each step. The samples that Prometheus would have are collected, with
what its oracle needs to know, for `support.alert_history_rules`.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from exporter.config.alerting import Silence
from exporter.config.schema import Config
from exporter.model.user import OwnThresholds, User
from support.alert_history import LENGTH, MINUTE, POLL, Account, Fault, World, changed
from support.alert_history_oracle import (
    ABOUT_POLLS,
    NOT_REMOVED,
    RECOVERY,
    STEP,
    Belief,
    DirectOracle,
    Entry,
    Key,
    Listed,
    Picture,
    Polls,
    RulesOracle,
    Scraped,
    Shares,
    Terms,
    believed,
)
from support.alert_history_process import Alertmanager, Process, StoredAlerts
from support.builders import ManualClock

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

_COMPLETED_IN_TIME = 3 * POLL + 10
"""Seconds, by docs/metrics.md and docs/configuration.md: three intervals and the time of one request."""
LABELS = ("team",)
_FAR = dt.date(2099, 1, 1)
_EMPTY = re.compile(r'\w+="",?')
USED_BY_RULES = (
    "yunxiao_token_alert_expiry_timestamp_seconds",
    "yunxiao_token_alert_due_timestamp_seconds",
    "yunxiao_alert_source_rank",
    "yunxiao_user_alert_since_timestamp_seconds",
    "yunxiao_organization_poll_alerts_suppressed",
    "yunxiao_organization_unreadable_since_timestamp_seconds",
    "yunxiao_policy_alert_violations",
    "yunxiao_user_alert_policy_violations",
)
"""The families that the rules are based on that are checked."""


def config(terms: Terms, organization: str) -> Config:
    """The configuration with these settings."""
    thresholds = {"warning": terms.warning, "critical": terms.critical, "info": terms.info}
    text = {
        "organizations": (
            {"name": organization, "endpoint": "http://x", "token_env": "T", "users": {"files": ("x",)}},
        ),
        "poll": {"interval": f"{POLL:.0f}s", "stale_after": "10m", "timeout": "10s"},
        "metrics": {"per_token": False, "per_permission": False, "relative": False},
        "policies": {"never_expires": "forbid", "expired_not_removed": {"after": "30d"}} if terms.by_policy else {},
        "alerting": {
            "thresholds": {name: f"{value:.0f}s" for name, value in thresholds.items() if value is not None},
            "expired_for": f"{terms.expired_for:.0f}s",
            "policy_violations": terms.one_by,
            "never_expires": terms.never_expires,
            "resend_interval": f"{terms.resend:.0f}s",
            "ignore": () if terms.silenced is None else (Silence(name=terms.silenced, reason="x", until=_FAR),),
        },
    }
    return Config.model_validate(text)


@dataclass(frozen=True, slots=True)
class Mismatch:
    """An alert that fires and may not, or does not and must.

    Attributes:
        way: rules or direct; `defect` for an unexpected exception.
        at: epoch seconds.
        text: what is wrong, if it is something else.
    """

    way: str
    at: float
    user_id: str
    missing: frozenset[Key]
    wrong: frozenset[Key]
    text: str = ""

    def __str__(self) -> str:
        return (
            f"{self.way}, minute {self.at / 60:.2f}, user {self.user_id}: "
            f"{self.text or f'missing {sorted(self.missing)}, wrong {sorted(self.wrong)}'}"
        )


def compared(
    way: str, at: float, user_id: str, found: Collection[Key], expected: tuple[Collection[Key], Collection[Key]]
) -> Iterator[Mismatch]:
    """What is wrong with the alerts about a user."""
    must, may = set(expected[0]), set(expected[1])
    missing, wrong = must - set(found), set(found) - may
    if missing or wrong:
        yield Mismatch(way, at, user_id, frozenset(missing), frozenset(wrong))


@dataclass
class _Run:
    """A process, and what the platform has answered it.

    Attributes:
        offset: seconds by which its clock is ahead.
        next_sweep: when the next sweep begins.
        polls: the polls of the sweep in progress.
    """

    process: Process
    beliefs: dict[str, Belief]
    entries: dict[str, Entry]
    terms: Terms
    started: float
    completed: float | None
    next_sweep: float
    polls: list[tuple[float, str]] = field(default_factory=list)
    succeeded: int = 0
    refused: bool = False
    sweeping: bool = False
    polled: Polls = field(default_factory=lambda: Polls({}, {}))
    _picture: Picture | None = None

    def picture(self) -> Picture:
        """What it knows."""
        if self._picture is None:
            self._picture = Picture(dict(self.beliefs), self.entries, self.terms, self.polled)
        return self._picture

    def learned(self) -> None:
        """What it knows has changed."""
        self._picture = None

    def succeeded_with(self, user_id: str, answer: Iterable[Listed], now: float) -> None:
        """A poll has succeeded."""
        # Up to this moment, no user may have been reachable.
        self.check(now)
        self.succeeded += 1
        self.beliefs[user_id] = believed(self.beliefs.get(user_id, ()), answer)
        failing = {one: since for one, since in self.polled.failing.items() if one != user_id}
        succeeded = {**self.polled.succeeded, user_id: now}
        self.polled = replace(self.polled, failing=failing, succeeded=succeeded, since=None, refused=False)
        self.learned()

    def failed_with(self, user_ids: Iterable[str], now: float, *, refused: bool = False) -> None:
        """Polls have failed."""
        failing = {**dict.fromkeys(user_ids, now), **self.polled.failing}
        since = now if self.polled.since is None else self.polled.since
        self.polled = replace(self.polled, failing=failing, since=since, refused=self.polled.refused or refused)
        self.learned()

    def check(self, now: float) -> None:
        """Record whether the organization is unreadable at the moment."""
        if self.polled.since is None:
            return
        certain, possible = self.picture().unreadable(now)
        if certain:
            self.polled = replace(self.polled, certain_at=now)
        if possible:
            self.polled = replace(self.polled, possible_at=now)
            self.learned()


Expected = tuple[frozenset[Key], frozenset[Key]]
"""The alerts that must fire, and those that may."""
Series = dict[str, dict[int, float]]
STALE = float("nan")


class Player:
    """Plays one world.

    Args:
        world: the world.
        shares: of the oracles.
        edit: changes the body of a scrape, to see whether that is noticed.
        sabotage: called with each reload's process before it, for the same reason.
    """

    def __init__(
        self,
        world: World,
        shares: Shares = Shares(),  # noqa: B008 - frozen
        edit: Callable[[str], str] | None = None,
        sabotage: Callable[[Process], None] | None = None,
    ) -> None:
        self.world = world
        self.series: Series = {}
        self.mismatches: list[Mismatch] = []
        self.expected: dict[int, dict[str, Expected]] = {}
        """For the rules, by minute and user id."""
        self.errors: list[str] = []
        self.alertmanager = Alertmanager()
        self._edit = edit
        self._sabotage = sabotage
        self._shares = shares
        self._terms = world.terms
        resends = (
            {world.terms.resend} | {60.0, 90.0}
            if any(f.kind == "reload changes" for f in world.faults)
            else {world.terms.resend}
        )
        self._direct = DirectOracle(min(resends), max(resends))
        self._rules = RulesOracle(shares)
        self._accounts = {
            one.user_id: Account(one.user_id, world.terms, {}, Entry(f"u{one.user_id}")) for one in world.people
        }
        self._events = sorted(
            [
                (event.at, position, person.user_id, event)
                for position, person in enumerate(world.people)
                for event in person.events
            ],
            key=lambda one: one[:2],
        )
        self._clock_offset = 0.0
        self._stored = StoredAlerts()
        self._runs: dict[str, _Run] = {}
        self._kept: _Run | None = None
        self._starts = 0
        self._series_of: dict[str, set[str]] = {}
        self._names: dict[str, str] = {}
        self._unreachable_until = -RECOVERY
        self._actions = sorted(self._planned(), key=lambda one: one[0])

    def play(self) -> Player:
        """Play it to its end."""
        for step in range(int(LENGTH * MINUTE / STEP) + 1):
            self._step(step * STEP)
        self.mismatches += [
            Mismatch("direct", at, user_id, frozenset(), frozenset(), text)
            for at, user_id, text in self.alertmanager.faults
        ]
        self.mismatches += [Mismatch("defect", 0, "", frozenset(), frozenset(), one) for one in self.errors]
        return self

    def _planned(self) -> Iterator[tuple[float, Callable[[float], None]]]:
        yield 0.0, lambda now: self._start("a", now, storage=False)
        for fault in self.world.faults:
            if fault.kind == "restart":
                yield fault.at, lambda _: self._stop("a")
                yield fault.until, lambda now, storage=bool(fault.amount): self._start("a", now, storage=storage)  # type: ignore[misc]
            elif fault.kind == "replica":
                yield fault.at, lambda now: self._start("b", now, storage=False)
                yield fault.until, lambda _: self._stop("b")
            elif fault.kind.startswith("reload"):
                yield fault.at, lambda _, one=fault: self._reload(one)  # type: ignore[misc]
            elif fault.kind == "clock":
                yield fault.at, lambda _, one=fault: self._set_clock(one.amount)  # type: ignore[misc]

    def _during(self, kind: str, now: float) -> Fault | None:
        return next((one for one in self.world.faults if one.kind == kind and one.at <= now < one.until), None)

    def _step(self, now: float) -> None:
        self._happen(now)
        self.alertmanager.time = now
        self.alertmanager.reachable = self._during("alertmanager", now) is None
        if not self.alertmanager.reachable:
            self._unreachable_until = now + RECOVERY
        for run in self._runs.values():
            run.process.clock.time, run.process.clock.ticks = now + self._clock_offset, now
        while self._actions and self._actions[0][0] <= now:
            self._actions.pop(0)[1](now)
        self.alertmanager.sender_ahead = max(self._clock_offset, 0.0)
        for run in self._runs.values():
            self._poll(run, now)
            run.check(now)
        main = self._runs.get("a")
        if main is not None:
            main.process.notify()
        self.alertmanager.check_requests()
        self._compare(main, now)
        if now % MINUTE == 0:
            self._scrape(now)

    def _happen(self, now: float) -> None:
        changed_entries = False
        while self._events and self._events[0][0] <= now:
            _, _, user_id, event = self._events.pop(0)
            changed_entries |= self._accounts[user_id].apply(event)
        if changed_entries:
            for run in self._runs.values():
                self._watch(run)
                run.process.ledger.watch(self._users())

    def _users(self) -> list[User]:
        return [_user(user_id, one.entry) for user_id, one in self._accounts.items() if one.watched]

    def _entries(self) -> dict[str, Entry]:
        return {user_id: one.entry for user_id, one in self._accounts.items() if one.watched}

    def _watch(self, run: _Run) -> None:
        run.entries = self._entries()
        run.beliefs = {user_id: one for user_id, one in run.beliefs.items() if user_id in run.entries}
        run.polled = replace(
            run.polled,
            failing={user_id: one for user_id, one in run.polled.failing.items() if user_id in run.entries},
            succeeded={user_id: one for user_id, one in run.polled.succeeded.items() if user_id in run.entries},
        )
        run.learned()

    def _start(self, instance: str, now: float, *, storage: bool) -> None:
        if instance in self._runs:
            return
        self._starts += 1
        before = self._kept if storage else None
        if instance == "a" and not storage:
            self._stored = StoredAlerts()
            self._direct.lost()
        process = Process(
            self.world.organization,
            f"{instance}{self._starts}",
            config(self._terms, self.world.organization),
            self._users(),
            ManualClock(now + self._clock_offset, now),
            None if before is None else before.process.ledger.view(),
            self.alertmanager if instance == "a" else None,
            self._stored,
            self.errors,
        )
        beliefs = {} if before is None else dict(before.beliefs)
        completed = None if before is None else before.completed
        run = _Run(process, beliefs, {}, self._terms, now, completed, now)
        if before is not None:
            run.polled = replace(before.polled, certain_at=-float("inf"))
        self._watch(run)
        run.check(now)
        self._runs[instance] = run

    def _stop(self, instance: str) -> None:
        run = self._runs.pop(instance, None)
        if instance == "a" and run is not None:
            self._kept = run

    def _reload(self, fault: Fault) -> None:
        if fault.kind == "reload changes":
            self._terms = changed(self._terms, fault.amount)
        for run in self._runs.values():
            if self._sabotage is not None:
                self._sabotage(run.process)
            run.process.reload(config(self._terms, self.world.organization), self._users())
            run.terms = self._terms
            run.learned()

    def _set_clock(self, seconds: float) -> None:
        self._clock_offset += seconds
        for run in self._runs.values():
            run.process.clock.time += seconds

    def _poll(self, run: _Run, now: float) -> None:
        if now >= run.next_sweep and not run.sweeping:
            run.next_sweep += POLL
            run.sweeping, run.succeeded = True, 0
            fault = self._during("platform", now)
            run.refused = fault is not None and bool(fault.amount)
            watched = list(run.entries)
            duration = self.world.sweep if now else 0.0
            run.polls = [(now + duration * position / len(watched), one) for position, one in enumerate(watched)]
        if not run.sweeping:
            return
        if run.refused:
            run.process.refused()
            run.failed_with(run.entries, now, refused=True)
            run.polls = []
        down = self._during("platform", now) is not None
        while run.polls and run.polls[0][0] <= now:
            _, user_id = run.polls.pop(0)
            if user_id not in run.entries:
                continue
            answer = None if down else self._accounts[user_id].answer(now)
            run.process.polled(user_id, answer)
            if answer is None:
                run.failed_with([user_id], now)
            else:
                run.succeeded_with(user_id, answer, now)
        if not run.polls:
            run.sweeping = False
            run.process.swept(failed=not run.succeeded)
            if run.succeeded:
                run.completed = now

    def _compare(self, main: _Run | None, now: float) -> None:
        firing: dict[str, set[Key]] = {}
        for key in self.alertmanager.firing():
            firing.setdefault(key[1], set()).add(key)
        picture = None if main is None else main.picture()
        delivers = main is not None and now >= self._unreachable_until
        offset = self._clock_offset
        held_back = (False, False) if picture is None else picture.held_back(now)
        for user_id in self._accounts:
            # A user without an entry is known, too: not to be watched.
            known = picture is not None and (user_id in picture.beliefs or user_id not in picture.entries)
            due = picture.about(user_id, now + offset, self._shares) if picture is not None and known else None
            expected = self._direct.expected(user_id, now, due, offset, delivers=delivers)
            found = firing.pop(user_id, set())
            about_polls = {key for key in found if key[0] in ABOUT_POLLS}
            self.mismatches += compared("direct", now, user_id, found - about_polls, expected)
            if self.world.by_rules:
                due = None if picture is None else picture.about_polls(user_id, now, held_back)
                expected = self._direct.expected(f"polls {user_id}", now, due, offset, delivers=delivers)
                self.mismatches += compared("direct", now, user_id, about_polls, expected)
        name = self.world.organization
        found = firing.pop(name, set())
        tokens = {key for key in found if key[0] == NOT_REMOVED}
        due = None if picture is None else picture.not_removed(name, now + offset)
        expected = self._direct.expected(f"tokens {name}", now, due, offset, delivers=delivers)
        self.mismatches += compared("direct", now, name, tokens, expected)
        due = None if picture is None else picture.about_organization(name, now)
        if self.world.by_rules:
            expected = self._direct.expected(name, now, due, offset, delivers=delivers)
            self.mismatches += compared("direct", now, name, found - tokens, expected)

    def _scrape(self, now: float) -> None:
        if not self.world.by_rules:
            return
        minute = int(now // MINUTE)
        fault = self._during("unscraped", now)
        for instance in ("a", "b"):
            run = self._runs.get(instance)
            found: set[str] = set()
            if run is not None and (fault is None or (fault.amount and instance == "b")):
                body = run.process.scrape()
                for line in (body if self._edit is None else self._edit(body)).split("\n"):
                    if line.startswith(USED_BY_RULES):
                        name, _, value = line.rpartition(" ")
                        series = self._name(name, instance)
                        self.series.setdefault(series, {})[minute] = float(value)
                        found.add(series)
                current = run.completed is not None and now < run.completed + _COMPLETED_IN_TIME
                self._rules.scraped(run.process.source, Scraped(now, (current, run.started), run.picture()))
            # A series that is not in a scrape, or all if it fails, become stale.
            for series in self._series_of.get(instance, set()) - found:
                self.series[series][minute] = STALE
            self._series_of[instance] = found
        self.expected[minute] = {user_id: self._by_rules(user_id, now) for user_id in self._accounts}
        self.expected[minute][self.world.organization] = self._rules.organization(self.world.organization, now)

    def _by_rules(self, user_id: str, now: float) -> Expected:
        tokens, polls = self._rules.tokens(user_id, now), self._rules.polls(user_id, now)
        return tokens[0] | polls[0], tokens[1] | polls[1]

    def _name(self, name: str, instance: str) -> str:
        """A series as Prometheus stores it: without empty labels, with that of the target."""
        known = f"{instance}{name}"
        if (series := self._names.get(known)) is None:
            series = self._names[known] = f'{_EMPTY.sub("", name)[:-1].rstrip(",")},instance="{instance}",job="y"}}'
        return series


def _user(user_id: str, entry: Entry) -> User:
    labels = (("team", entry.team),) if entry.team else ()
    own = entry.warning is not None
    return User(user_id, entry.name, labels, OwnThresholds(entry.warning, entry.critical) if own else None)
