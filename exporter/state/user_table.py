"""The states of an organization's users, by id and by number."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, KeysView

    from exporter.model.state import UserState


class UserTable:
    """The states of users. Each user has a slot, a small number that stays until the user is removed.

    What searches read of users is kept in sequences by slot, since a place in a sequence is found faster than a key in
    a dictionary.
    """

    def __init__(self) -> None:
        self._slots: dict[str, int] = {}
        self._free: list[int] = []
        self.states: list[UserState | None] = []

    def __len__(self) -> int:
        """The number of users."""
        return len(self._slots)

    def __contains__(self, user_id: str) -> bool:
        """Whether there is such a user."""
        return user_id in self._slots

    def __getitem__(self, user_id: str) -> UserState:
        """The state of a user."""
        state = self.states[self._slots[user_id]]
        if state is None:
            raise KeyError(user_id)
        return state

    def __iter__(self) -> Iterator[str]:
        """The ids of all users."""
        return iter(self._slots)

    def get(self, user_id: str) -> UserState | None:
        """The state of a user; None if there is no such user."""
        slot = self._slots.get(user_id)
        return None if slot is None else self.states[slot]

    def keys(self) -> KeysView[str]:
        """The ids of all users."""
        return self._slots.keys()

    def slot(self, user_id: str) -> int:
        """The slot of a user.

        Raises:
            KeyError: there is no such user.
        """
        return self._slots[user_id]

    def put(self, state: UserState) -> None:
        """Set the state of a user, who may be new."""
        user_id = state.user.user_id
        slot = self._slots.get(user_id)
        if slot is not None:
            self.states[slot] = state
        elif self._free:
            slot = self._slots[user_id] = self._free.pop()
            self.states[slot] = state
        else:
            self._slots[user_id] = len(self.states)
            self.states.append(state)

    def remove(self, user_id: str) -> None:
        """Remove a user, whose slot may be given to another one."""
        slot = self._slots.pop(user_id)
        self.states[slot] = None
        self._free.append(slot)
