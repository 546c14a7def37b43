"""The list of all tokens in portions, against the list of the command line."""

from __future__ import annotations

import json

import msgspec
import pytest
from support.builders import DAY, NOW, ManualClock, a_key, a_token
from support.web import CountedRefusals

from exporter.model.token import NEVER, Token
from exporter.model.user import User
from exporter.report.listing import records, rows
from exporter.state.ledger import Ledger
from exporter.state.store import Store
from exporter.state.token_index import TokenIndex
from exporter.web import token_list
from exporter.web.token_list import TokenList

USERS = [User(str(number), f"user{number}") for number in range(100)]
BAD = Token("pt-bad", "\ud83d", ("base_user_read",), 1.0, NOW + 1)


class Scene:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.refusals = CountedRefusals(self.clock)
        self.store = Store()
        self.ledgers = [Ledger(name, USERS) for name in ("acme", "globex")]
        self.store.replace(self.ledgers)
        for number, user in enumerate(USERS):
            expires_in = (DAY * number - 50 * DAY, NEVER, None)[number % 3]
            self.ledgers[number % 2].succeeded(
                user.user_id, (a_token(f"pt-{number}", expires_in=expires_in),), NOW, (a_key(str(number)),)
            )
        self.tokens = TokenList(TokenIndex(self.store.view), self.clock, self.refusals)

    def portions(self) -> list[bytes]:
        return list(self.tokens.begin().portions())

    def names(self) -> set[str]:
        return {one["token_id"] for one in json.loads(b"".join(self.portions())) if one["kind"] == "token"}


@pytest.mark.parametrize("size", [1, 7, 200, 201])
def test_the_portions_together_are_the_list_of_the_command_line(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(token_list, "_ROWS", size)
    scene = Scene()
    listed = rows(scene.store.view(), NOW)
    assert len(listed) == 200
    assert b"".join(scene.portions()) == msgspec.json.encode(records(listed, NOW))
    assert len(scene.portions()) == -(-200 // size) + 1


def test_an_empty_list() -> None:
    scene = Scene()
    scene.store.replace([])
    assert scene.portions() == [b"[]"]


def test_a_list_is_about_one_snapshot_and_one_time() -> None:
    scene = Scene()
    listing = scene.tokens.begin()
    before = msgspec.json.encode(records(rows(scene.store.view(), NOW), NOW))
    found = listing.portions()
    scene.ledgers[0].watch([])
    scene.clock.advance(1000 * DAY)
    assert b"".join(found) == before


def test_tokens_that_are_only_counted_are_left_out() -> None:
    scene = Scene()
    scene.ledgers[0].keep_tokens(1)
    scene.ledgers[0].succeeded("0", tuple(a_token(f"pt-{number}") for number in range(4)), NOW)
    assert scene.tokens.begin().left_out == 3


def test_tokens_that_cannot_be_rendered_are_left_out_and_counted_once_for_each_user(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(token_list, "_ROWS", 10)
    scene = Scene()
    everything = scene.names()
    assert len(everything) == 100
    for user_id in ("4", "98"):
        scene.ledgers[0].succeeded(user_id, (BAD, BAD), NOW)
    assert scene.names() == everything - {"pt-4", "pt-98"}
    assert scene.refusals.internal_errors == {"render": 2}
    assert scene.names() == everything - {"pt-4", "pt-98"}
    assert scene.refusals.internal_errors == {"render": 2}


def test_a_list_of_nothing_that_can_be_rendered_is_valid() -> None:
    scene = Scene()
    ledger = Ledger("acme", USERS[:1])
    ledger.succeeded("0", (BAD,), NOW)
    scene.store.replace([ledger])
    assert scene.portions() == [b"[]"]
