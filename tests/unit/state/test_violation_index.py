"""Which violations are known when: after changes, after time, in portions."""

from __future__ import annotations

import pytest
from support.builders import DAY, NOW, a_token

from exporter.model.state import UserState
from exporter.model.token import NEVER, Token
from exporter.model.user import User
from exporter.policies.builtin import ExpiredNotRemoved, MaxTokensPerUser, NeverExpires
from exporter.policies.schema import Policies
from exporter.state.user_table import UserTable
from exporter.state.violation_index import ViolationIndex, set_bits, violation_count

POLICIES = Policies.model_validate(
    {"never_expires": "forbid", "max_tokens_per_user": {"limit": 1}, "expired_not_removed": {"after": "1d"}}
)
NO_VIOLATION = None


class World:
    def __init__(self) -> None:
        self.table = UserTable()
        self.index = ViolationIndex(self.table)
        self.index.use(POLICIES)

    def set(self, user_id: str, *tokens: Token) -> None:
        before = self.table.get(user_id)
        after = UserState(User(user_id, user_id)).succeeded(tokens, NOW)
        self.index.change([(before, after)])
        self.table.put(after)

    def remove(self, user_id: str) -> None:
        self.index.change([(self.table[user_id], None)])
        self.table.remove(user_id)

    def mask(self, user_id: str) -> tuple[int, ...] | None:
        return self.index.masks[self.table.slot(user_id)]


@pytest.fixture
def world() -> World:
    return World()


# The bits are those of the configured policies in order: never_expires 1, max_tokens_per_user 2, expired_not_removed 4.


def test_each_token_and_the_user_have_their_violations(world: World) -> None:
    world.set("a", a_token("1", expires_in=NEVER), a_token("2"))
    world.set("b", a_token("3"))
    world.index.advance(NOW, 10)
    assert (world.mask("a"), world.mask("b")) == ((1, 0, 2), NO_VIOLATION)
    assert [world.index.count(one) for one in (NeverExpires, MaxTokensPerUser, ExpiredNotRemoved)] == [1, 1, 0]


def test_the_first_of_equal_tokens_stands_for_all(world: World) -> None:
    token = a_token("1", expires_in=NEVER)
    world.set("a", token, token)
    world.index.advance(NOW, 10)
    assert (world.mask("a"), world.index.count(NeverExpires)) == ((1, 0, 2), 1)


def test_users_are_evaluated_a_few_at_a_time(world: World) -> None:
    for number in range(5):
        world.set(str(number), a_token(expires_in=NEVER))
    states = []
    for _ in range(3):
        world.index.advance(NOW, 2)
        states.append((world.index.count(NeverExpires), world.index.complete))
    assert states == [(2, False), (4, False), (5, True)]


def test_a_violation_begins_when_its_time_comes(world: World) -> None:
    world.set("a", a_token(expires_in=DAY))
    world.index.advance(NOW, 10)
    # The token expires after a day, and may stay for another one.
    for after, expected in ((DAY, NO_VIOLATION), (2 * DAY - 1, NO_VIOLATION), (2 * DAY, (4, 0))):
        world.index.advance(NOW + after, 10)
        assert world.mask("a") == expected


def test_a_violation_ends_with_a_change_of_the_state(world: World) -> None:
    world.set("a", a_token(expires_in=NEVER))
    world.index.advance(NOW, 10)
    world.set("a", a_token(expires_in=DAY))
    # Nothing is known about the new state until it has been evaluated.
    assert (world.mask("a"), world.index.complete, world.index.count(NeverExpires)) == (None, False, 0)
    world.index.advance(NOW, 10)
    assert (world.mask("a"), world.index.complete) == (None, True)


def test_the_violations_of_a_removed_user_are_not_those_of_the_next_one(world: World) -> None:
    world.set("a", a_token(expires_in=NEVER))
    world.index.advance(NOW, 10)
    world.remove("a")
    world.set("b", a_token())
    world.index.advance(NOW, 10)
    assert (world.mask("b"), world.index.count(NeverExpires)) == (None, 0)


def test_other_policies_evaluate_all_users_again(world: World) -> None:
    world.set("a", a_token(expires_in=NEVER))
    world.index.advance(NOW, 10)
    world.index.use(Policies.model_validate({"never_expires": "forbid"}))
    assert not world.index.complete
    world.index.advance(NOW, 10)
    assert (world.mask("a"), world.index.count(MaxTokensPerUser)) == ((1, 0), 0)
    same = Policies.model_validate({"never_expires": "forbid"})
    world.index.use(same)
    assert world.index.complete
    world.index.use(Policies())
    assert (world.index.complete, world.mask("a")) == (True, None)


def test_a_clock_that_was_set_back_evaluates_all_users_again(world: World) -> None:
    world.set("a", a_token(expires_in=-2 * DAY))
    world.index.advance(NOW, 10)
    assert world.mask("a") == (4, 0)
    # A day before, it had been expired for a day; two days before, it was valid.
    world.index.advance(NOW - 3 * DAY, 10)
    assert world.mask("a") is None


def test_points_in_time_of_changed_users_do_not_pile_up(world: World) -> None:
    for number in range(5000):
        world.set("a", a_token(expires_in=DAY + number))
        world.index.advance(NOW, 10)
    assert len(world.index._due) <= 4096 + 2 * 1 + 1


def test_it_says_of_which_users_the_violations_have_changed(world: World) -> None:
    world.index.advance(NOW, 10)
    # Before the first answer, nothing is known about anyone.
    assert (world.index.changed(), world.index.changed()) == (None, set())
    for user_id, expires_in in (("a", NEVER), ("b", DAY), ("c", 9 * DAY)):
        world.set(user_id, a_token(expires_in=expires_in))
    world.index.advance(NOW, 10)
    assert world.index.changed() == {"a"}
    # b's token stays for longer than a day after its expiry.
    world.index.advance(NOW + 3 * DAY, 10)
    assert world.index.changed() == {"b"}
    world.set("a", a_token(expires_in=NEVER))
    assert world.index.changed() == {"a"}
    world.index.use(Policies())
    assert world.index.changed() is None


def test_many_changed_users_count_as_all(world: World) -> None:
    world.index.changed()
    for number in range(1024):
        world.set(str(number), a_token(expires_in=NEVER))
    world.index.advance(NOW, 2000)
    assert world.index.changed() == {str(number) for number in range(1024)}
    for number in range(1025):
        world.set(str(number), a_token(expires_in=NEVER), a_token("2"))
    world.index.advance(NOW, 2000)
    assert world.index.changed() is None


def test_bits_and_counts() -> None:
    assert (set_bits(0), set_bits(0b1101)) == ([], [0, 2, 3])
    assert (violation_count(None), violation_count((0b101, 0, 0b1))) == (0, 3)


def test_questions_of_several_threads_need_not_come_in_the_order_of_their_times(world: World) -> None:
    world.set("a", a_token(expires_in=-2 * DAY))
    world.set("b", a_token(expires_in=-2 * DAY))
    world.index.advance(NOW, 10)
    # A thread took its time before another one, and waited for it.
    world.index.advance(NOW - 0.5, 1)
    assert (world.index.complete, world.mask("a"), world.mask("b")) == (True, (4, 0), (4, 0))
