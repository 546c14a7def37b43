from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.builders import DAY, NOW, a_failure, a_key, a_state, a_token, a_user
from support.scrapes import STRICT, a_config

from exporter.config.schema import Metrics
from exporter.metrics import chunk as module
from exporter.metrics.chunk import Chunk, Column, smallest_array
from exporter.metrics.deflate import EMPTY
from exporter.metrics.rendering import Plan
from exporter.model.state import UserState
from exporter.model.token import NEVER
from exporter.model.user import User

LI, FANG = User("3001", "li.wei"), User("3002", "wang.fang", (("team", "platform"),))
PLAN = Plan.of(a_config(Metrics(), STRICT), "s")
UP = "yunxiao_user_up"
EXPIRY = "yunxiao_token_expiry_timestamp_seconds"


class Reports:
    """Users that could not be rendered: whether they failed before, and with the same state."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, bool, bool]] = []

    def __call__(self, organization: str, state: UserState, *, failed_before: bool, same_state: bool) -> None:
        assert organization == "acme"
        self.seen.append((state.user.user_id, failed_before, same_state))


def a_chunk(*states: UserState, now: float = NOW, plan: Plan = PLAN) -> Chunk:
    return Chunk("acme", plan).updated(states, now, Reports())


def text(chunk: Chunk, name: str) -> str:
    (column,) = [
        column for family, column in zip(chunk.plan.columns, chunk.columns, strict=True) if family.name == name
    ]
    return column.segment.text.decode()


def test_a_column_knows_the_text_and_the_lines_of_each_user() -> None:
    texts = [b"a 1\na 2\n", b"", b"a 3\n"]
    column = Column.of(texts, PLAN.columns[0], None)
    assert (column.texts(), [*column.counts], column.series) == (texts, [2, 0, 1], 3)


def test_a_column_without_lines_needs_no_segment() -> None:
    relative = next(family for family in PLAN.families if family.relative)
    column = Column.of([b"", b""], PLAN.columns[0], relative)
    assert (column.segment, column.countdown, column.texts()) == (EMPTY, None, [b"", b""])


def test_each_state_and_time_is_rendered_once() -> None:
    li = a_state(a_token(expires_in=100), user=LI)
    chunk = a_chunk(li)
    assert chunk.is_current([li], NOW)
    assert chunk.is_current([li], NOW + 99.9)
    assert not chunk.is_current([li], NOW + 100)
    # The clock was set back: the token may not have been expired then.
    assert not chunk.is_current([li], NOW - 1)
    assert not chunk.is_current([a_state(user=LI)], NOW)
    assert not chunk.is_current([li, a_state(user=FANG)], NOW)
    assert not chunk.is_current([], NOW)


def test_an_empty_chunk_is_current_and_stays_empty() -> None:
    assert Chunk("acme", PLAN).is_current([], NOW)
    assert a_chunk().updated([], NOW, Reports()).states == ()


def test_a_failed_poll_changes_the_columns_about_polls_only() -> None:
    li, fang = a_state(a_token(), user=LI), a_state(a_token("pt-2"), user=FANG)
    before = a_chunk(li, fang)
    after = before.updated([li.failed(a_failure(), NOW + 9), fang], NOW + 9, Reports())
    about_polls = {"yunxiao_user_up", "yunxiao_user_failure", "yunxiao_user_alert_since_timestamp_seconds"}
    changed = {
        family.name
        for family, old, new in zip(PLAN.columns, before.columns, after.columns, strict=True)
        if old is not new
    }
    assert changed == about_polls
    assert text(after, UP) == (
        'yunxiao_user_up{organization="acme",user="li.wei",user_id="3001"} 0.0\n'
        'yunxiao_user_up{organization="acme",user="wang.fang",user_id="3002"} 1.0\n'
    )
    # A result of a poll is no reason to expect less of the rest.
    assert after.valid_until == before.valid_until
    assert [*after.rendered_at] == [NOW + 9, NOW]


def test_data_that_is_about_to_be_stale_is_rendered_when_it_is_due_and_a_poll_postpones_that() -> None:
    name = "yunxiao_user_alert_since_timestamp_seconds"
    chunk = a_chunk(li := a_state(a_token(expires_in=90 * DAY, age=0), user=LI))
    # Stale after an hour, exposed 15 minutes before.
    assert [*chunk.polls_until] == [NOW + 2700]
    assert not chunk.is_current([li], NOW + 2700)
    later = chunk.updated([li], NOW + 2700, Reports())
    assert (text(chunk, name), text(later, name).rpartition(" ")[2]) == ("", f"{NOW}\n")
    assert later.is_current([li], NOW + 5000)
    # The clock was set back.
    assert text(later.updated([li], NOW + 1, Reports()), name) == ""
    polled = later.updated([again := li.succeeded(li.tokens, NOW + 2800)], NOW + 2800, Reports())
    assert (text(polled, name), [*polled.polls_until]) == ("", [NOW + 5500])
    assert polled.is_current([again], NOW + 5499)


def test_users_keep_their_text_in_another_order() -> None:
    states = [a_state(a_token(f"pt-{number}"), user=User(str(number), "x")) for number in range(4)]
    before = a_chunk(*states)
    new = a_state(a_token("pt-9"), user=User("9", "x"))
    after = before.updated([states[3], new, states[0]], NOW + 5, Reports())
    lines = text(after, EXPIRY).splitlines()
    assert [line.split("token_id=")[1][:7] for line in lines] == ['"pt-3",', '"pt-9",', '"pt-0",']
    assert [*after.rendered_at] == [NOW, NOW + 5, NOW]


def test_equal_violations_of_many_users_are_kept_once() -> None:
    states = [a_state(a_token("a", expires_in=NEVER), a_token("b"), user=a_user(f"u{one}")) for one in range(3)]
    chunk = a_chunk(*states)
    for each in (chunk.broken, chunk.offences):
        assert len(each[0]) == 2
        assert each[0] is each[1] is each[2]
    chunk = chunk.updated([*states[1:], a_state(*states[0].tokens, user=a_user("new"))], NOW, Reports())
    assert chunk.offences[0] is chunk.offences[2]
    assert {one.users for one in chunk.summaries.values()} == {3}


@pytest.mark.parametrize(("numbers", "size"), [((), 1), ((0, 255), 1), ((256, 1), 2), ((65_535,), 2), ((65_536, 0), 4)])
def test_numbers_take_as_few_bytes_as_possible(numbers: tuple[int, ...], size: int) -> None:
    found = smallest_array(numbers)
    assert ([*found], found.itemsize) == ([*numbers], size)


def test_violations_are_counted_and_follow_the_users() -> None:
    # never_expires, and two tokens instead of one; of the other user's one token nothing
    li = a_state(a_token("a", expires_in=NEVER), a_token("b"), user=LI)
    chunk = a_chunk(li, a_state(a_token(), user=FANG))
    assert {policy.name: count for policy, count in chunk.violations.items()} == {
        "never_expires": 1,
        "max_tokens_per_user": 1,
    }
    assert not chunk.updated([chunk.states[1]], NOW, Reports()).violations


def test_a_user_that_cannot_be_rendered_has_no_lines_and_is_reported() -> None:
    broken, fang = a_state(a_token(name="\ud83d"), user=LI), a_state(a_token(), user=FANG)
    reports = Reports()
    chunk = Chunk("acme", PLAN).updated([broken, fang], NOW, reports)
    assert (set(chunk.failed), reports.seen) == ({"3001"}, [("3001", False, False)])
    assert "3001" not in "".join(text(chunk, family.name) for family in PLAN.columns)
    assert chunk.is_current([broken, fang], NOW + 2699)
    # Another state that cannot be rendered either, although only a poll failed.
    again = chunk.updated([broken.failed(a_failure(), NOW), fang], NOW, reports)
    assert (set(again.failed), reports.seen[1:]) == ({"3001"}, [("3001", True, False)])
    # The same state again, since the clock was set back.
    again = again.updated(again.states, NOW - 5, reports)
    assert reports.seen[2:] == [("3001", True, True)]
    fixed = again.updated([a_state(a_token(), user=LI), fang], NOW, reports)
    assert (fixed.failed, len(reports.seen)) == (frozenset(), 3)
    assert 'user_id="3001"' in text(fixed, EXPIRY)


def test_a_defect_in_what_polls_change_is_a_defect_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    def defect(*_: object) -> Any:
        raise RuntimeError("defect")

    chunk, reports = a_chunk(li := a_state(a_token(), user=LI)), Reports()
    monkeypatch.setattr(module, "render_outcome", defect)
    monkeypatch.setattr(module, "render_user", defect)
    failed = chunk.updated([li.failed(a_failure(), NOW)], NOW, reports)
    assert (set(failed.failed), reports.seen) == ({"3001"}, [("3001", False, False)])


def test_labels_are_rendered_for_the_names_of_all_users() -> None:
    chunk = a_chunk(a_state(user=LI), a_state(user=FANG))
    assert chunk.label_names == {"team"}
    labelled = chunk.labelled(("team", "zone"))
    assert labelled.labels is not None
    assert labelled.labels[1].text.decode() == (
        'yunxiao_user_labels{organization="acme",team="",user="li.wei",user_id="3001",zone=""} 1.0\n'
        'yunxiao_user_labels{organization="acme",team="platform",user="wang.fang",user_id="3002",zone=""} 1.0\n'
    )
    assert labelled.labelled(("team", "zone")) is labelled
    assert labelled.labelled(()).labels is None
    assert chunk.labelled(()) is chunk
    polled = labelled.updated([state.succeeded((a_token(),), NOW) for state in chunk.states], NOW, Reports())
    assert polled.labels is labelled.labels
    renamed = labelled.updated([a_state(user=User("3001", "li")), chunk.states[1]], NOW, Reports())
    assert renamed.labels is None


def test_details_of_single_users_can_be_left_out() -> None:
    chunk = a_chunk(a_state(a_token("pt-1"), user=LI), a_state(a_token("pt-2"), user=FANG))
    without = chunk.without_details({"3001", "7"})
    assert ("pt-1" in text(without, EXPIRY), "pt-2" in text(without, EXPIRY)) == (False, True)
    (column,) = [column for family, column in zip(PLAN.columns, without.columns, strict=True) if family.name == EXPIRY]
    assert column.countdown is not None
    assert b"pt-1" not in column.countdown.at(NOW).text
    assert text(without, UP) == text(chunk, UP)
    assert chunk.without_details({"7"}) is chunk


states = st.builds(
    lambda tokens, keys, polls: UserState(LI).succeeded(tokens, NOW, ssh_keys=keys) if polls else UserState(LI),
    st.lists(st.sampled_from([a_token("a"), a_token("b", expires_in=NEVER), a_token("b", expires_in=-DAY)]),
             max_size=3).map(tuple),
    st.sampled_from([None, (), (a_key(),)]),
    st.booleans(),
)  # fmt: skip


@given(states, states, st.booleans(), st.integers(-3, 3))
def test_an_update_gives_the_text_of_a_new_chunk(one: UserState, other: UserState, fails: bool, days: int) -> None:  # noqa: FBT001
    after = other.failed(a_failure(), NOW) if fails else other
    now = NOW + days * DAY
    updated = a_chunk(one, a_state(user=FANG)).updated([after, a_state(user=FANG)], now, Reports())
    expected = a_chunk(after, a_state(user=FANG), now=now)
    for family in PLAN.columns:
        assert text(updated, family.name) == text(expected, family.name)
    assert (updated.violations, updated.valid_until) == (expected.violations, expected.valid_until)
