"""The questions of `check-config --probe` to one platform, and what their answers mean, one finding about each."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from exporter.common.text import expiry_words, explained, in_zone, rough_duration
from exporter.config.advice import is_masked
from exporter.model.state import Reason
from exporter.model.token import NEVER
from exporter.platform.base import ApiError, Refusal
from exporter.polling.own_token import own_token

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from zoneinfo import ZoneInfo

    from exporter.common.cancellation import Stop
    from exporter.common.secrets import SecretSource
    from exporter.model.state import Failure
    from exporter.model.token import Token
    from exporter.model.user import User
    from exporter.platform.base import Caller, OwnTokens, SshKeyLister

_NAMED = 5
"""Users named in a line."""
_LONG = 10.0
"""Seconds of questions that are announced."""
_MOST_FAILURES = 3
"""Failures of the platform in a row after which no further user is asked for."""
_OF_THE_PLATFORM = frozenset(
    {
        Reason.UNSUPPORTED,
        Reason.RATE_LIMITED,
        Reason.SERVER_ERROR,
        Reason.TIMEOUT,
        Reason.CONNECTION,
        Reason.REDIRECT,
        Reason.INVALID_RESPONSE,
    }
)
"""Failures that do not depend on the user, as a rule."""
_HOPELESS = frozenset({Reason.UNAUTHORIZED, Reason.TLS, Reason.CONNECTION})
"""Failures that every other question would have."""


class Verdict(StrEnum):
    """What a finding means for the configuration."""

    GOOD = "good"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one question, or several alike, brought."""

    verdict: Verdict
    text: str


@dataclass(frozen=True, slots=True)
class Discovered:
    """What one refresh of the list of users brought.

    Attributes:
        users: the users.
        failure: why there is no list; None if there is one.
        allow_empty: whether an empty list is intended.
    """

    users: tuple[User, ...]
    failure: Failure | None
    allow_empty: bool


@dataclass(frozen=True, slots=True)
class Subject:
    """What is probed.

    Attributes:
        client: the platform.
        token: the exporter's own token; only its public part is compared.
        listed: the users of `static` and `files`.
        discover: refreshes the list of users; None if none are discovered.
        timezone: the organization's time zone.
        soon: remaining seconds of the own token below which there is a warning.
        rate: requests per second that are allowed; None for no limit.
        ssh_keys: lists SSH keys; None if they are not watched.
    """

    client: OwnTokens
    token: SecretSource
    listed: tuple[User, ...]
    discover: Callable[[], Discovered] | None
    timezone: ZoneInfo
    soon: float
    rate: float | None
    ssh_keys: SshKeyLister | None = None


class Checks:
    """Asks the questions, one after the other.

    Args:
        subject: what is probed.
        stop: cancels the requests.
        now: epoch seconds.
    """

    def __init__(self, subject: Subject, stop: Stop, now: Callable[[], float]) -> None:
        self._subject = subject
        self._stop = stop
        self._now = now
        self._explained: set[Reason] = set()

    def run(self) -> Iterator[Finding]:
        """Ask for the caller, its tokens, the users, their tokens, and the SSH keys of one user.

        All listed users are asked for, and one discovered user.
        """
        try:
            caller = self._subject.client.caller(self._stop)
        except ApiError as error:
            yield self._no_caller(error)
            if _is_hopeless(error):
                return
        else:
            yield _good(f"caller: {caller.name or caller.username or caller.user_id} ({caller.user_id})")
            yield self._own_token(caller)
        found: tuple[User, ...] = ()
        if self._subject.discover is not None:
            discovered = self._subject.discover()
            found = discovered.users
            yield self._discovery(discovered)
        yield from self._tokens(found)
        yield from self._keys(found)

    def _no_caller(self, error: ApiError) -> Finding:
        if error.not_offered:
            return _good(f"caller: this token may not ask for it ({error.detail}), so its own expiry is not watched")
        return self._failed("caller", error.failure)

    def _own_token(self, caller: Caller) -> Finding:
        try:
            listed = self._listed(caller.user_id)
        except ApiError as error:
            return _warning(f"own token: its expiry is not watched: {error.reason}: {error.detail}")
        # Only the part before "_" is public, and is what the platform lists.
        token = own_token(self._subject.token.current().reveal().partition("_")[0], listed)
        if token is None:
            return _warning(
                f"own token: it is not among the {len(listed)} token(s) of its owner, so its expiry is not watched"
            )
        return _own_expiry(token, self._subject, self._now())

    def _discovery(self, discovered: Discovered) -> Finding:
        if discovered.failure is not None:
            return self._failed("discovery", discovered.failure)
        if discovered.users or discovered.allow_empty:
            return _good(f"discovery: {_named(discovered.users)}")
        return Finding(
            Verdict.FAILED,
            "discovery: no users; check status, departments, include and exclude, or set allow_empty",
        )

    def _tokens(self, found: Sequence[User]) -> Iterator[Finding]:
        listed = self._subject.listed
        ids = {user.user_id for user in listed}
        # One discovered user is enough: the platform itself gave the ids.
        further = next((user for user in found if user.user_id not in ids), None)
        masked = [user for user in listed if is_masked(user.user_id)]
        for user in masked:
            yield Finding(Verdict.FAILED, f"{_about(user)}: the id is masked; write the whole id")
        asked = [user for user in listed if not is_masked(user.user_id)] + ([further] if further else [])
        if not asked:
            if not masked:
                yield _good("tokens: no user to ask for")
            return
        if self._subject.rate is not None and len(asked) / self._subject.rate > _LONG:
            takes = rough_duration(len(asked) / self._subject.rate)
            yield _good(f"tokens: asking for {len(asked)} users, which takes about {takes} at the allowed rate")
        answers: dict[str, int] = {}
        yield from self._ask(asked, answers)
        if len(asked) + len(masked) == 1:
            yield from (_good(f"{_about(asked[0])}: {count}") for count in answers.values())
        else:
            tokens = sum(answers.values())
            total = len(asked) + len(masked)
            yield _good(f"tokens: {len(answers)} of {total} users can be polled, they have {tokens} token(s)")
        # The ids that discovery brought are certainly right.
        unsure = answers.keys() & (ids - {user.user_id for user in found})
        if unsure and not any(answers[one] for one in unsure):
            yield _warning(
                f"tokens: the platform lists no token of {len(unsure)} listed user(s); it may answer so for ids that "
                "it does not know: check that they are user ids, not ids of members, staff ids or login names"
            )

    def _ask(self, users: Sequence[User], answers: dict[str, int]) -> Iterator[Finding]:
        """Ask for the tokens of each user; failures are findings, the others go into `answers`."""
        in_a_row = 0
        for number, user in enumerate(users, 1):
            try:
                answers[user.user_id] = len(self._listed(user.user_id))
            except ApiError as error:
                yield self._failed(_about(user), error.failure)
                in_a_row = in_a_row + 1 if error.reason in _OF_THE_PLATFORM else 0
                left = len(users) - number
                if left and (_is_hopeless(error) or in_a_row == _MOST_FAILURES):
                    yield Finding(Verdict.FAILED, f"tokens: {left} more user(s) not asked for after this failure")
                    return
            else:
                in_a_row = 0

    def _keys(self, found: Sequence[User]) -> Iterator[Finding]:
        """Whether the platform lists SSH keys, by the example of one user. Without them everything else works."""
        users = [user for user in (*self._subject.listed, *found) if not is_masked(user.user_id)]
        if self._subject.ssh_keys is None or not users:
            return
        about = f"SSH keys of {users[0].name} ({users[0].user_id})"
        try:
            keys = self._subject.ssh_keys.list_ssh_keys(users[0].user_id, self._stop)
        except ApiError as error:
            yield _warning(f"{about}: {error.reason}: {error.detail}; without them, tokens are still watched")
        else:
            yield _good(f"{about}: {len(keys)}")

    def _listed(self, user_id: str) -> tuple[Token, ...]:
        return self._subject.client.list_tokens(user_id, self._stop).tokens

    def _failed(self, what: str, failure: Failure) -> Finding:
        """A failed question. What its reason means is said once."""
        meaning = "" if failure.reason in self._explained else failure.reason.meaning
        self._explained.add(failure.reason)
        return Finding(Verdict.FAILED, explained(failure.message, meaning, reason=f"{what}: failed: {failure.reason}"))


def _is_hopeless(error: ApiError) -> bool:
    """Whether every other question would fail in the same way."""
    return error.reason in _HOPELESS and error.refusal is not Refusal.CALL


def _own_expiry(token: Token, subject: Subject, now: float) -> Finding:
    name = f"own token: {token.token_id}"
    if token.expires_at is None:
        return _warning(f"{name}: its expiry cannot be read, so it is not watched")
    words = f"{name} {expiry_words(token.expires_at, now)}"
    if token.expires_at == NEVER:
        return _good(words)
    if (at := in_zone(token.expires_at, subject.timezone)) is not None:
        words += f", at {at}"
    return _good(words) if token.expires_at - now >= subject.soon else _warning(f"{words}; create its successor")


def _about(user: User) -> str:
    return f"tokens of {user.name} ({user.user_id})"


def _named(users: Sequence[User]) -> str:
    names = ", ".join(user.name for user in users[:_NAMED])
    more = f" and {len(users) - _NAMED} more" if len(users) > _NAMED else ""
    return f"{len(users)} user(s)" + (f": {names}{more}" if users else "")


def _good(text: str) -> Finding:
    return Finding(Verdict.GOOD, text)


def _warning(text: str) -> Finding:
    return Finding(Verdict.WARNING, text)
