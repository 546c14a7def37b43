"""Random histories of tokens and SSH keys: what happens to them, and what goes wrong around them.

A history is one user's: tokens are created, renewed, shortened, deleted, renamed, never expire, or have a date that
cannot be read for a while; the user is renamed or goes to another team; polls fail. Fifty users share a world: one
organization with its exporter, missed scrapes, restarts with and without storage, reloads, outages of the platform and
of Alertmanager, a second replica, or a clock that is set. Half of what happens to a user happens close to such a fault.

Everything follows from the number of the world, and each event has a random number of its own. So a world can be played
again with one user and with a part of the events.
"""

from __future__ import annotations

import functools
import random
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from support.alert_history_oracle import NEVER, Entry, Listed, Terms

if TYPE_CHECKING:
    from collections.abc import Iterator

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
LENGTH = 45
"""Minutes of a history."""
POLL = 120.0
"""Seconds from one sweep to the next."""
USERS = 50
_INFO = 30 * DAY


@dataclass(frozen=True, slots=True)
class Event:
    """What happens to the tokens of a user, or to the user.

    Attributes:
        at: epoch seconds; minute 0 is at 0.
        kind: what happens.
        seed: decides on the rest.
        until: the end of what lasts.
    """

    at: float
    kind: str
    seed: int
    until: float = 0.0


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to the exporter or around it.

    Attributes:
        at: epoch seconds.
        kind: what happens.
        until: the end of what lasts.
        amount: seconds by which a clock is set; 1 if a restart has storage, if an outage is a refusal, or if scrapes of
            one replica are missed only.
    """

    at: float
    kind: str
    until: float = 0.0
    amount: float = 0.0


@dataclass(frozen=True, slots=True)
class Person:
    """A user's history: the events, in order; the first ones create tokens before minute 0."""

    user_id: str
    events: tuple[Event, ...]


@dataclass(frozen=True, slots=True)
class World:
    """The histories of users that share an exporter."""

    number: int
    terms: Terms
    people: tuple[Person, ...]
    faults: tuple[Fault, ...]
    sweep: float

    @property
    def organization(self) -> str:
        """Its name."""
        return f"w{self.number}"

    @property
    def by_rules(self) -> bool:
        """Whether the rules see it: Prometheus has a clock of its own, so a clock that is set is for the other way."""
        return all(fault.kind != "clock" for fault in self.faults)

    def only(self, user_id: str) -> World:
        """The same world with one user."""
        return replace(self, people=tuple([one for one in self.people if one.user_id == user_id]))

    def smaller(self) -> Iterator[World]:
        """The same world with one fault or event less."""
        for fault in self.faults:
            yield replace(self, faults=tuple([one for one in self.faults if one is not fault]))
        for person in self.people:
            for event in person.events:
                rest = replace(person, events=tuple([one for one in person.events if one is not event]))
                yield replace(self, people=tuple([rest if one is person else one for one in self.people]))

    def story(self) -> str:
        """What happens, by time, for people to read."""
        lines = [(fault.at, f"{fault.kind} until {fault.until / 60:.2f} ({fault.amount:g})") for fault in self.faults]
        for person in self.people:
            lines += [
                (one.at, f"user {person.user_id}: {one.kind} (seed {one.seed}, until {one.until / 60:.2f})")
                for one in person.events
            ]
        head = f"world {self.number}: {self.terms}, a sweep takes {self.sweep:g} s"
        return "\n".join([head, *[f"  {at / 60:8.2f} min  {text}" for at, text in sorted(lines)]])


def world(number: int, users: int = USERS) -> World:
    """The world with this number."""
    rng = random.Random(f"world {number}")
    terms = Terms(
        info=_INFO if rng.random() < 0.4 else None,
        expired_for=rng.choice([7 * DAY, 1 * HOUR]),
        never_expires=rng.random() < 0.5,
        by_policy=rng.random() < 0.2,
        resend=rng.choice([60.0, 60.0, 150.0]),
        # Of its own, so that each world keeps what happens in it.
        one_by=random.Random(f"one by {number}").choice(["per_policy", "per_policy", "per_user", "per_token"]),
    )
    faults = tuple(sorted(_faults(rng), key=lambda one: one.at))
    people = [_person(f"{number}-{position}", faults) for position in range(users)]
    return World(number, terms, tuple(people), faults, rng.choice([0.0, 0.0, 45.0, 90.0]))


def _faults(rng: random.Random) -> Iterator[Fault]:
    for _ in range(rng.randrange(4)):
        at = _minute(rng)
        yield Fault(at, "unscraped", at + MINUTE * rng.choice([1, 1, 2, 3, 3, 5, 8, 12]), rng.choice([0.0, 1.0]))
    for _ in range(rng.choice([0, 1, 1, 2])):
        at = _minute(rng) + rng.choice([0.0, 15.0, 45.0])
        yield Fault(at, "restart", at + rng.choice([15.0, 30.0, 60.0, 150.0, 240.0, 600.0]), rng.choice([0.0, 1.0]))
    for _ in range(rng.randrange(4)):
        yield Fault(_minute(rng) + rng.choice([0.0, 15.0, 30.0]), rng.choice(_RELOADS), 0.0, rng.random())
    if rng.random() < 0.3:
        at = _minute(rng)
        until = at + MINUTE * rng.choice([1, 2, 4, 10])
        yield Fault(at, "alertmanager", until)
        if rng.random() < 0.5:
            # What has ended by then waits to be sent.
            yield Fault(until - 15, rng.choice(_RELOADS), 0.0, rng.random())
    if rng.random() < 0.4:
        at = _minute(rng)
        yield Fault(at, "platform", at + MINUTE * rng.choice([2, 5, 12]), rng.choice([0.0, 1.0]))
    yield from _rarely_together(rng)


def _rarely_together(rng: random.Random) -> Iterator[Fault]:
    """A second replica, or a clock that is set."""
    if rng.random() < 0.25:
        at = _minute(rng)
        yield Fault(at, "replica", at + MINUTE * rng.randrange(5, 40))
    elif rng.random() < 0.25:
        for _ in range(rng.choice([1, 2])):
            yield Fault(_minute(rng), "clock", 0.0, rng.choice([-7200.0, -900.0, -61.0, 40.0, 600.0, 5400.0]))


def _minute(rng: random.Random) -> float:
    return rng.randrange(4, LENGTH - 6) * MINUTE


_RELOADS = ("reload", "reload changes")
_KINDS = (
    "create", "create", "renew", "renew", "renew", "shorten", "shorten", "delete", "delete", "delete", "replace",
    "rename", "rename", "never", "unreadable", "unreadable", "failing", "user renamed", "user moved", "user gone",
)  # fmt: skip


def _person(user_id: str, faults: tuple[Fault, ...]) -> Person:
    rng = random.Random(f"person {user_id}")
    events = [Event(-1.0, "create", rng.getrandbits(32)) for _ in range(rng.choice([1, 1, 2]))]
    if rng.random() < 0.15:
        events.append(Event(-1.0, "own thresholds", rng.getrandbits(32)))
    for _ in range(rng.choice([0, 1, 1, 2, 2, 3, 4])):
        at = rng.uniform(1, LENGTH - 3) * MINUTE
        if faults and rng.random() < 0.5:
            fault = rng.choice(faults)
            at = rng.choice([fault.at, fault.until or fault.at]) + rng.uniform(-4, 3) * MINUTE
        until = at + rng.choice([1, 2, 4, 15]) * MINUTE
        events.append(Event(max(at, 1.0), rng.choice(_KINDS), rng.getrandbits(32), until))
    return Person(user_id, tuple(sorted(events, key=lambda one: one.at)))


def a_token(rng: random.Random, token_id: str, name: str, now: float, terms: Terms) -> Listed:
    """A token or SSH key of which some stage begins within the hour, in most cases."""
    lifetime = rng.choice([None, 3 * HOUR, 12 * HOUR, 3 * DAY, 30 * DAY, 90 * DAY, 365 * DAY])
    warning, critical = terms.warning, terms.critical
    if lifetime is not None:
        warning, critical = min(warning, lifetime / 3), min(critical, lifetime / 10)
    # Seconds left when the stage begins; other values are for tokens that are in one stage all the time.
    left = rng.choice([warning, warning, critical, critical, 0.0, 0.0, -terms.expired_for, terms.info or warning])
    left += rng.choice([0.0, 0.0, 0.0, 0.0, rng.uniform(-2 * HOUR, 2 * HOUR)])
    is_key = rng.random() < 0.2
    if rng.random() < 0.08:
        return Listed(token_id, name, now - DAY, NEVER, is_key)
    expires = now + rng.uniform(-5, 50) * MINUTE + left
    created = None if lifetime is None else min(expires - lifetime, now - MINUTE)
    return Listed(token_id, name, created, round(expires, 3), is_key)


@dataclass
class Account:
    """What the platform has of a user, and the entry of the user in the configuration.

    Attributes:
        tokens: by id.
        unreadable: until when the dates of its tokens cannot be read.
        failing: until when polls of the user fail.
        watched: whether the user is.
    """

    user_id: str
    terms: Terms
    tokens: dict[str, Listed]
    entry: Entry
    unreadable: float = 0.0
    failing: float = 0.0
    watched: bool = True

    def answer(self, now: float) -> tuple[Listed, ...] | None:
        """What the platform answers; None if the poll fails."""
        if now < self.failing:
            return None
        tokens = tuple(self.tokens.values())
        if now < self.unreadable:
            return tuple([replace(one, expires=None) for one in tokens])
        return tokens

    def apply(self, event: Event) -> bool:
        """Let an event happen; returns whether the entry has changed."""
        rng, entry = random.Random(event.seed), self.entry
        watched = self.watched
        if event.kind == "create":
            token_id = f"pt-{event.seed}"
            self.tokens[token_id] = a_token(rng, token_id, rng.choice(["ci", "deploy"]), event.at, self.terms)
        elif event.kind == "unreadable":
            self.unreadable = event.until
        elif event.kind == "failing":
            self.failing = event.until
        elif event.kind == "user renamed":
            self.entry = replace(entry, name=f"{entry.name.partition('.')[0]}.{event.seed % 1000}")
        elif event.kind == "user moved":
            self.entry = replace(entry, team=rng.choice(["red", "blue", ""]))
        elif event.kind == "user gone":
            self.watched = not watched
        elif event.kind == "own thresholds":
            warning = rng.choice([2 * HOUR, 5 * DAY, 20 * DAY])
            self.entry = replace(entry, warning=warning, critical=warning / 4)
        elif self.tokens:
            self._change(event, rng)
        return (self.entry, self.watched) != (entry, watched)

    def _change(self, event: Event, rng: random.Random) -> None:
        token = self.tokens[rng.choice(sorted(self.tokens))]
        put = functools.partial(self.tokens.__setitem__, token.token_id)
        if event.kind == "renew":
            base = event.at if token.expires in {None, NEVER} else max(event.at, token.expires or 0.0)
            put(replace(token, expires=round(base + rng.choice([10 * MINUTE, HOUR, DAY, 7 * DAY, 90 * DAY]), 3)))
        elif event.kind == "shorten":
            at = event.at + rng.choice([-DAY, -HOUR, -MINUTE, 3 * MINUTE, 9 * MINUTE, 20 * MINUTE, HOUR, 2 * DAY])
            # Not before its creation: the documentation does not say what that means.
            put(replace(token, expires=round(max(at, (token.created or at) + MINUTE), 3)))
        elif event.kind == "delete":
            del self.tokens[token.token_id]
        elif event.kind == "replace":
            del self.tokens[token.token_id]
            token_id = f"pt-{event.seed}"
            self.tokens[token_id] = a_token(rng, token_id, token.name, event.at, self.terms)
        elif event.kind == "rename":
            put(replace(token, name=f"{token.name[:2]}{event.seed % 1000}"))
        elif event.kind == "never":
            put(replace(token, expires=NEVER))


def changed(terms: Terms, amount: float) -> Terms:
    """Other settings, by a random number below 1."""
    if amount < 0.3:
        return replace(terms, warning=20 * DAY, critical=6 * DAY)
    if amount < 0.5:
        return replace(terms, silenced="deploy" if terms.silenced is None else None)
    if amount < 0.65:
        return replace(terms, by_policy=not terms.by_policy)
    if amount < 0.8:
        return replace(terms, resend=90.0 if terms.resend != 90.0 else 60.0)
    return replace(terms, never_expires=not terms.never_expires)
