"""Which policies each user of an organization violates, kept up to date as states and time change."""

from __future__ import annotations

import heapq
from collections import Counter
from typing import TYPE_CHECKING

import structlog

from exporter.model.token import NEVER
from exporter.policies.evaluate import next_change, violations
from exporter.policies.schema import Policies

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from exporter.model.state import UserState
    from exporter.policies.base import Policy
    from exporter.state.credential_order import Change
    from exporter.state.user_table import UserTable

_log = structlog.get_logger(__name__)
Mask = tuple[int, ...]
"""For each token of a user, and last for the user as a whole, a bit for each policy that is violated."""
_MOST_SHARED = 4096
"""Masks that are shared among users; beyond that, they begin again."""
_MOST_CHANGED = 1024
"""Changed users that are remembered; beyond that, all count as changed."""
_LATE = 30.0
"""Seconds that a question may wait for others. One of an earlier time is no sign that the clock was set back."""
_NO_POLICIES = Policies()


class ViolationIndex:
    """The violations of one organization. For one thread at a time.

    A user is evaluated when its state has changed or a point in time has come, a limited number at a time: until then
    nothing is known about it, and the index is not `complete`. Evaluating takes some 10 µs a user.

    Args:
        users: the states of all users.
        defect: called for each user that cannot be evaluated; such a user violates nothing.
    """

    def __init__(self, users: UserTable, defect: Callable[[], None] = lambda: None) -> None:
        self._users = users
        self._defect = defect
        self._policies = _NO_POLICIES
        self._masks: list[Mask | None] = []
        self._shared: dict[Mask, Mask] = {}
        self._counts: Counter[int] = Counter()
        self._pending: dict[str, None] = {}
        # When users must be evaluated again. Entries of changed users stay, which only evaluates them too early.
        self._due: list[tuple[float, str]] = []
        self._evaluated_at = 0.0
        # Users whose masks have changed; None for all.
        self._changed: set[str] | None = None

    @property
    def policies(self) -> Policies:
        """The configured policies."""
        return self._policies

    @property
    def complete(self) -> bool:
        """Whether all users have been evaluated."""
        return not self._pending

    @property
    def masks(self) -> Sequence[Mask | None]:
        """The masks of users by slot; None for users that violate nothing."""
        self._masks += [None] * (len(self._users.states) - len(self._masks))
        return self._masks

    def count(self, policy: type[Policy]) -> int:
        """The number of violations of a policy."""
        configured = self._policies.configured
        return self._counts[configured.index(policy)] if policy in configured else 0

    def change(self, changes: Iterable[Change]) -> None:
        """Evaluate these users again. Must be called before the table of users shows the new states."""
        for before, after in changes:
            if before is not None:
                self._set(before.user.user_id, None)
                self._pending.pop(before.user.user_id, None)
            if after is not None and self._policies.enabled:
                self._pending[after.user.user_id] = None

    def use(self, policies: Policies) -> None:
        """Evaluate all users by these policies from now on; nothing to do if they are the same."""
        if policies is self._policies:
            return
        changed = policies != self._policies
        self._policies = policies
        if changed:
            self._restart()

    def advance(self, now: float, most: int) -> None:
        """Evaluate users that wait for it.

        Args:
            now: epoch seconds.
            most: the number of users to evaluate at most.
        """
        if 0 < self._evaluated_at - now <= _LATE:
            now = self._evaluated_at
        if now < self._evaluated_at or len(self._due) > 2 * len(self._users) + _MOST_SHARED:
            # The clock was set back, or entries of changed users have piled up.
            self._restart()
        self._evaluated_at = now
        while self._due and self._due[0][0] <= now:
            _, user_id = heapq.heappop(self._due)
            if user_id in self._users:
                self._pending[user_id] = None
        for user_id in [user_id for user_id, _ in zip(self._pending, range(most), strict=False)]:
            del self._pending[user_id]
            self._evaluate(self._users[user_id], now)

    def changed(self) -> set[str] | None:
        """The users whose masks may have changed since the last call; None for all users."""
        found, self._changed = self._changed, set()
        return found

    def _restart(self) -> None:
        self._changed = None
        self._masks, self._shared, self._due = [], {}, []
        self._counts.clear()
        self._pending = dict.fromkeys(self._users) if self._policies.enabled else {}

    def _evaluate(self, state: UserState, now: float) -> None:
        try:
            self._set(state.user.user_id, self._mask(state, now))
        except Exception:  # noqa: BLE001 - one user must not break every page; counted
            _log.exception("a user cannot be checked against the policies", user_id=state.user.user_id)
            self._defect()
            self._set(state.user.user_id, None)
            return
        if (at := next_change(state.tokens, self._policies, now)) < NEVER:
            heapq.heappush(self._due, (at, state.user.user_id))

    def _mask(self, state: UserState, now: float) -> Mask | None:
        user, tokens = state.user, state.tokens
        found = violations(user, tokens, self._policies, now, state.unexpired_left_out)
        if not found:
            return None
        bits = {policy: 1 << place for place, policy in enumerate(self._policies.configured)}
        # Of tokens with the same id and name, the first one stands for all; they may even be the same object.
        places = {id(token): place for place, token in reversed([*enumerate(tokens)])}
        every = [0] * (len(tokens) + 1)
        for one in found:
            every[len(tokens) if one.token is None else places[id(one.token)]] |= bits[one.policy]
        return tuple(every)

    def _set(self, user_id: str, mask: Mask | None) -> None:
        masks, slot = self.masks, self._users.slot(user_id)
        old = masks[slot]
        if old != mask:
            self._changed = _with(self._changed, user_id)
        if old is not None:
            self._add(old, -1)
        if mask is not None:
            if len(self._shared) >= _MOST_SHARED:
                self._shared = {}
            mask = self._shared.setdefault(mask, mask)
            self._add(mask, 1)
        self._masks[slot] = mask

    def _add(self, mask: Mask, sign: int) -> None:
        for bits in mask:
            for place in set_bits(bits):
                self._counts[place] += sign


def _with(changed: set[str] | None, user_id: str) -> set[str] | None:
    """The changed users with one more; None for all if they are many."""
    if changed is None or len(changed) == _MOST_CHANGED:
        return None
    changed.add(user_id)
    return changed


def set_bits(bits: int) -> list[int]:
    """The places of the bits that are set, the lowest first."""
    return [place for place in range(bits.bit_length()) if bits >> place & 1]


def violation_count(mask: Mask | None) -> int:
    """The number of violations of a user."""
    return sum([bits.bit_count() for bits in mask or ()])
