"""The cost of password checks, counted in rounds of bcrypt (2**cost) instead of seconds."""

from __future__ import annotations

import base64

import bcrypt
import pytest

from exporter.web.passwords import Passwords, cost_of


def encoded(name: str, password: str) -> bytes:
    return base64.b64encode(f"{name}:{password}".encode())


def a_hash(cost: int) -> str:
    return f"$2b${cost:02d}${bcrypt.hashpw(b'', bcrypt.gensalt(4)).decode().rpartition('$')[2]}"


class Rounds:
    """Replaces bcrypt."""

    def __init__(self, right: bytes = b"") -> None:
        self.right = right
        self.done = 0

    def verify(self, password: bytes, hashed: bytes) -> bool:
        self.done += 2 ** cost_of(hashed.decode())
        return bool(self.right) and password == self.right


@pytest.mark.parametrize("name", ["five", "ten", "twelve", "unknown", ""])
def test_a_wrong_password_costs_the_same_for_every_user_known_or_not(name: str) -> None:
    rounds = Rounds()
    passwords = Passwords({"five": a_hash(5), "ten": a_hash(10), "twelve": a_hash(12)}, rounds.verify)
    assert passwords.check(encoded(name, "wrong")) is False
    assert rounds.done == 4096


@pytest.mark.parametrize("cost", [5, 10, 12])
def test_an_unknown_user_takes_as_long_as_the_only_user(cost: int) -> None:
    rounds = Rounds()
    passwords = Passwords({"prometheus": a_hash(cost)}, rounds.verify)
    passwords.check(encoded("unknown", "wrong"))
    assert rounds.done == 2**cost


def test_valid_credentials_are_remembered_and_invalid_ones_are_not() -> None:
    rounds = Rounds(b"right")
    passwords = Passwords({"prometheus": a_hash(4)}, rounds.verify)
    right, wrong = encoded("prometheus", "right"), encoded("prometheus", "wrong")
    assert not passwords.remembers(right)
    assert passwords.check(right)
    assert not passwords.check(wrong)
    done = rounds.done
    assert passwords.remembers(right)
    assert not passwords.remembers(wrong)
    assert rounds.done == done
    assert b"right" not in b"".join(passwords._valid)


def test_remembered_credentials_are_bounded() -> None:
    # Only the first 72 bytes count, so many passwords match the same hash.
    right = "x" * 72
    passwords = Passwords({"prometheus": a_hash(4)}, Rounds(right.encode()).verify)
    for number in range(300):
        assert passwords.check(encoded("prometheus", f"{right}{number}"))
    assert len(passwords._valid) == 100


@pytest.mark.parametrize("odd", [b"", b"###", base64.b64encode(b"\xff:\xfe"), base64.b64encode(b"prometheus")])
def test_malformed_credentials_are_invalid(odd: bytes) -> None:
    hashed = bcrypt.hashpw(b"right", bcrypt.gensalt(4)).decode()
    assert Passwords({"prometheus": hashed}).check(odd) is False


def test_real_hashes() -> None:
    hashed = bcrypt.hashpw(b"right", bcrypt.gensalt(4)).decode()
    passwords = Passwords({"prometheus": hashed, "other": a_hash(5)})
    assert passwords.check(encoded("prometheus", "right"))
    assert not passwords.check(encoded("prometheus", "wr\0ng"))
    assert not passwords.check(encoded("unknown", "right"))


def test_new_passwords_keep_the_valid_credentials_of_unchanged_users() -> None:
    rounds = Rounds(b"right")
    same, changed, gone = a_hash(4), a_hash(4), a_hash(4)
    before = Passwords({"same": same, "changed": changed, "gone": gone}, rounds.verify)
    for name in ("same", "changed", "gone"):
        assert before.check(encoded(name, "right"))
    after = before.replaced({"same": same, "changed": a_hash(5), "new": a_hash(4)})
    known = [name for name in ("same", "changed", "gone", "new") if after.remembers(encoded(name, "right"))]
    assert known == ["same"]
    assert after.check(encoded("new", "right"))
    assert not before.remembers(encoded("new", "right"))
