"""Checks passwords against bcrypt hashes, at the same cost for every user, known or not."""

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
"""Bytes of a password that bcrypt looks at."""
_LOWEST = 4
_STAND_IN = bcrypt.hashpw(b"", bcrypt.gensalt(_LOWEST)).decode()


def cost_of(hashed: str) -> int:
    """The cost of a bcrypt hash: a check does 2 to that power rounds."""
    return int(hashed.split("$")[2])


class Passwords:
    """The users and their hashes. Any thread may ask.

    Args:
        users: bcrypt hashes by user name; at least one.
        verify: password and hash to whether they match; it does the work that is meant to be slow.
    """

    def __init__(self, users: Mapping[str, str], verify: Callable[[bytes, bytes], bool] = bcrypt.checkpw) -> None:
        self._users = dict(users)
        self._verify = verify
        self._highest = max(cost_of(hashed) for hashed in self._users.values())
        # bcrypt is slow on purpose. Credentials that were right once are not checked again at each scrape. Only keyed
        # digests are kept, never a password.
        self._right: OrderedDict[bytes, None] = OrderedDict()
        # Guards _right.
        self._lock = threading.Lock()
        self._key = secrets.token_bytes(32)

    def remembers(self, encoded: bytes) -> bool:
        """Whether these credentials, as the header has them, were right before. Takes microseconds."""
        digest = self._digest(encoded)
        with self._lock:
            if digest not in self._right:
                return False
            self._right.move_to_end(digest)
            return True

    def check(self, encoded: bytes) -> bool:
        """Whether these credentials are right. Takes as long as the highest cost of all hashes, unless they are."""
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
            # A check of cost c does 2**c rounds; with those of costs c to n-1 that makes 2**n.
            for cost in range(cost_of(hashed), self._highest):
                self._waste(password, cost)
            return False
        with self._lock:
            self._right[self._digest(encoded)] = None
            if len(self._right) > _MAX_REMEMBERED:
                self._right.popitem(last=False)
        return True

    def _waste(self, password: bytes, cost: int) -> None:
        """Do the work of one check, so that the time does not say which users there are."""
        self._verify(password, f"$2b${cost:02d}${_STAND_IN.rpartition('$')[2]}".encode())

    def _digest(self, encoded: bytes) -> bytes:
        return hmac.digest(self._key, encoded, "sha256")
