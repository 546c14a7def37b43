"""Checks passwords against bcrypt hashes, in the same time for known and unknown users."""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

import bcrypt

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_MAX_REMEMBERED = 100
_MAX_PASSWORD = 72
"""Bytes of a password that bcrypt uses."""
_LOWEST_COST = 4
_DUMMY_HASH = bcrypt.hashpw(b"", bcrypt.gensalt(_LOWEST_COST)).decode()


def cost_of(hashed: str) -> int:
    """The cost of a bcrypt hash: a check runs 2**cost rounds."""
    return int(hashed.split("$")[2])


class Passwords:
    """Users and their password hashes. Thread-safe.

    Args:
        users: bcrypt hashes by user name; at least one.
        verify: whether a password matches a hash; slow on purpose.
    """

    def __init__(self, users: Mapping[str, str], verify: Callable[[bytes, bytes], bool] = bcrypt.checkpw) -> None:
        self._users = dict(users)
        self._verify = verify
        self._highest = max(cost_of(hashed) for hashed in self._users.values())
        # bcrypt is slow on purpose, so valid credentials are remembered instead of checked at each scrape. Only keyed
        # digests are kept, never a password; with the name of the user.
        self._valid: OrderedDict[bytes, str] = OrderedDict()
        # Guards _valid.
        self._lock = threading.Lock()
        self._key = secrets.token_bytes(32)

    def replaced(self, users: Mapping[str, str]) -> Passwords:
        """The passwords of other users; valid credentials of unchanged users are remembered.

        Args:
            users: bcrypt hashes by user name; at least one.
        """
        made = Passwords(users, self._verify)
        made._key = self._key
        with self._lock:
            kept = [(digest, name) for digest, name in self._valid.items() if users.get(name) == self._users[name]]
        made._valid.update(kept)
        return made

    def remembers(self, encoded: bytes) -> bool:
        """Whether these credentials, as in the header, were valid before. Takes microseconds."""
        digest = self._digest(encoded)
        with self._lock:
            if digest not in self._valid:
                return False
            self._valid.move_to_end(digest)
            return True

    def check(self, encoded: bytes) -> bool:
        """Whether these credentials are valid. Invalid ones take as long as a check at the highest cost."""
        try:
            name, _, text = base64.b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return False
        password = text.encode()[:_MAX_PASSWORD]
        hashed = self._users.get(name)
        if hashed is None:
            self._waste(password, self._highest)
            return False
        if not self._verify(password, hashed.encode()):
            # A check of cost c runs 2**c rounds; together with those of costs c to n-1 that makes 2**n.
            for cost in range(cost_of(hashed), self._highest):
                self._waste(password, cost)
            return False
        with self._lock:
            self._valid[self._digest(encoded)] = name
            if len(self._valid) > _MAX_REMEMBERED:
                self._valid.popitem(last=False)
        return True

    def _waste(self, password: bytes, cost: int) -> None:
        """Do the work of one check, so that the time does not reveal which users exist."""
        self._verify(password, f"$2b${cost:02d}${_DUMMY_HASH.rpartition('$')[2]}".encode())

    def _digest(self, encoded: bytes) -> bytes:
        return hmac.digest(self._key, encoded, "sha256")
