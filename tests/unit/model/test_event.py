"""What counts as a change of a token and what does not."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.builders import DAY, NOW, a_failure, a_key, a_state, a_token, a_user

from exporter.model.event import Change, Event, events
from exporter.model.permission import granted
from exporter.model.state import UserState
from exporter.model.token import NEVER, CredentialKind, Token

if TYPE_CHECKING:
    from exporter.model.ssh_key import SshKey

LATER = NOW + 900


def between(before: tuple[Token, ...], after: tuple[Token, ...]) -> tuple[Event, ...]:
    state = a_state(*before)
    return events("acme", state, state.succeeded(after, LATER))


def one(before: Token, after: Token) -> Event:
    (event,) = between((before,), (after,))
    return event


def test_created_and_deleted() -> None:
    deleted, created = between(
        (a_token("1", permissions=("base_user_read",)),), (a_token("2", name="x", expires_in=NEVER),)
    )
    assert deleted == Event(
        LATER, "acme", "u1", "li.wei", Change.DELETED, "1", "ci", removed=("base_user_read",), old_expiry=NOW + 5 * DAY
    )
    assert created == Event(
        LATER, "acme", "u1", "li.wei", Change.CREATED, "2", "x", added=("base_user_read",), new_expiry=NEVER
    )


def test_a_later_expiry_is_a_renewal_and_an_earlier_one_a_shortening() -> None:
    token = a_token()
    later, never = replace(token, expires_at=NOW + 6 * DAY), replace(token, expires_at=NEVER)
    assert (one(token, later).change, one(token, never).change) == (Change.RENEWED, Change.RENEWED)
    assert (one(later, token).change, one(never, later).change) == (Change.SHORTENED, Change.SHORTENED)
    assert one(token, later).details() == {
        "old_expiry": "2026-06-06T00:00:00Z",
        "new_expiry": "2026-06-07T00:00:00Z",
    }
    assert one(later, never).details()["new_expiry"] == "never"
    # As read from storage.
    assert one(later, replace(token, expires_at=float("inf"))).details()["new_expiry"] == "never"


def test_an_unreadable_expiry_is_not_a_change() -> None:
    token, unreadable = a_token(), a_token(expires_in=None)
    assert between((token,), (unreadable,)) == ()
    assert between((unreadable,), (token,)) == ()


def test_permissions_are_widened_narrowed_or_both() -> None:
    few, more, others = (
        a_token(permissions=names)
        for names in (
            ("base_user_read",),
            ("base_user_read", "lingma_chat_read", "lingma_kbFile_read"),
            ("base_user_read", "lingma_feedback_read"),
        )
    )
    widened, narrowed, changed = one(few, more), one(more, few), one(more, others)
    assert (widened.change, widened.added, widened.removed) == (
        Change.PERMISSIONS_WIDENED,
        ("lingma_chat_read", "lingma_kbFile_read"),
        (),
    )
    assert (narrowed.change, narrowed.added, narrowed.removed) == (
        Change.PERMISSIONS_NARROWED,
        (),
        ("lingma_chat_read", "lingma_kbFile_read"),
    )
    assert (changed.change, changed.added, changed.removed) == (
        Change.PERMISSIONS_CHANGED,
        ("lingma_feedback_read",),
        ("lingma_chat_read", "lingma_kbFile_read"),
    )


READ, READ_WRITE = "base_user_read", "base_user_read_write"


@pytest.mark.parametrize(
    ("before", "after", "change", "added", "removed"),
    [
        ((), (READ,), "permissions_widened", (READ,), ()),
        ((READ,), (READ_WRITE,), "permissions_widened", (READ_WRITE,), ()),
        ((READ,), (READ, READ_WRITE), "permissions_widened", (READ_WRITE,), ()),
        ((READ_WRITE,), (READ,), "permissions_narrowed", (), (READ_WRITE,)),
        ((READ, READ_WRITE), (READ,), "permissions_narrowed", (), (READ_WRITE,)),
        ((), (READ_WRITE,), "permissions_widened", (READ, READ_WRITE), ()),
        ((READ_WRITE,), (), "permissions_narrowed", (), (READ, READ_WRITE)),
        ((READ, "base_license_read"), (READ_WRITE,), "permissions_changed", (READ_WRITE,), ("base_license_read",)),
    ],
)
def test_read_write_is_more_than_read(
    before: tuple[str, ...], after: tuple[str, ...], change: str, added: tuple[str, ...], removed: tuple[str, ...]
) -> None:
    event = one(a_token(permissions=before), a_token(permissions=after))
    assert (event.change, event.added, event.removed) == (change, added, removed)


def test_naming_the_included_level_or_not_is_no_change() -> None:
    both, higher = a_token(permissions=(READ, READ_WRITE)), a_token(permissions=(READ_WRITE,))
    assert between((both,), (higher,)) == ()
    assert between((higher,), (both,)) == ()


def test_a_token_gains_and_loses_included_permissions_when_it_is_created_and_deleted() -> None:
    token = a_token(permissions=(READ_WRITE,))
    ((created,), (deleted,)) = between((), (token,)), between((token,), ())
    assert (created.added, deleted.removed) == ((READ, READ_WRITE), (READ, READ_WRITE))


def test_a_new_name() -> None:
    event = one(a_token(name="old"), a_token(name="new"))
    assert (event.change, event.token, event.old_name) == (Change.RENAMED, "new", "old")


def test_a_name_that_was_read_again_is_not_a_new_name() -> None:
    # Equal texts that are different objects, as two answers of the platform contain.
    before, after = (a_token(name=f"ci{suffix}") for suffix in ("-main", "-main"))
    assert before.name is not after.name
    assert between((before,), (replace(after, created_at=NOW),)) == ()


def test_a_token_may_change_in_several_ways_at_once() -> None:
    found = between((a_token(),), (a_token(expires_in=9 * DAY, name="x", permissions=()),))
    assert [event.change for event in found] == [Change.RENEWED, Change.PERMISSIONS_NARROWED, Change.RENAMED]


def test_a_different_order_or_creation_date_is_not_a_change() -> None:
    first, second = a_token("1"), a_token("2")
    assert between((first, second), (second, replace(first, created_at=None))) == ()


def test_tokens_with_the_same_masked_id_are_paired_by_name() -> None:
    ci, bot = a_token("pt-***", name="ci"), a_token("pt-***", name="bot")
    (renewed,) = between((ci, bot), (bot, replace(ci, expires_at=NEVER)))
    assert (renewed.change, renewed.token) == (Change.RENEWED, "ci")
    (deleted,) = between((ci, bot), (bot,))
    assert (deleted.change, deleted.token) == (Change.DELETED, "ci")


def test_a_new_description_is_no_event_and_does_not_change_which_tokens_are_paired() -> None:
    read, write = a_token("pt-***", permissions=("a_read",)), a_token("pt-***", permissions=("a_read_write",))
    described = (replace(write, description="deploys"), replace(read, description="builds"))
    assert between((read, write), described) == ()


def test_an_event_has_the_description_after_it() -> None:
    old, new = (replace(a_token(expires_in=days * DAY), description=f"{days} days") for days in (1, 2))
    assert one(old, new).description == "2 days"
    assert one(old, new).details()["description"] == "2 days"
    (deleted,) = between((old,), ())
    assert deleted.description == "1 days"


def test_neither_the_first_poll_nor_a_failed_one_causes_events() -> None:
    newcomer = UserState(a_user())
    assert events("acme", newcomer, newcomer.succeeded((a_token(),), NOW)) == ()
    failed = newcomer.failed(a_failure(), NOW)
    assert events("acme", failed, failed.succeeded((a_token(),), NOW)) == ()
    known = a_state(a_token())
    assert events("acme", known, known.failed(a_failure(), LATER)) == ()
    broken = known.failed(a_failure(), LATER)
    (event,) = events("acme", broken, broken.succeeded((), LATER))
    assert event.change is Change.DELETED


TOKENS = st.lists(
    st.builds(
        Token,
        st.sampled_from(["1", "2", "3", "pt-**"]),
        st.sampled_from(["ci", "bot"]),
        st.sampled_from([(), (READ,), (READ_WRITE,), (READ, READ_WRITE), ("base_license_read",)]),
        st.just(None),
        st.none() | st.just(NEVER) | st.integers(0, 3).map(lambda days: NOW + days * DAY),
    ),
    max_size=6,
).map(tuple)


@given(TOKENS, TOKENS)
def test_events_between_random_states_add_up(before: tuple[Token, ...], after: tuple[Token, ...]) -> None:
    found = between(before, after)
    created = Counter(event.token_id for event in found if event.change is Change.CREATED)
    deleted = Counter(event.token_id for event in found if event.change is Change.DELETED)
    was, now = Counter(token.token_id for token in before), Counter(token.token_id for token in after)
    assert created == now - was
    assert deleted == was - now
    assert not created.keys() & deleted.keys()
    assert between(after, after) == ()
    # Where ids are unique, what is left of the old permissions and expiry after all events is the new.
    if max([*was.values(), *now.values(), 1]) == 1:
        for token in after:
            old = next((one for one in before if one.token_id == token.token_id), None)
            permissions = set() if old is None else {*granted(old.permissions)}
            for event in found:
                if event.token_id == token.token_id:
                    permissions = (permissions - set(event.removed)) | set(event.added)
            assert permissions == {*granted(token.permissions)}


def test_unreadable_permissions_are_not_a_change() -> None:
    good = a_token(permissions=("base_orgmember_read_write", "base_user_read"))
    known = a_state(good)
    unread = known.succeeded((replace(good, permissions=(), permissions_read=False),), LATER)
    # what was known holds on, and so do the policies about it
    assert unread.tokens[0].permissions == ("base_orgmember_read_write", "base_user_read")
    assert events("acme", known, unread) == ()
    assert events("acme", unread, unread.succeeded((good,), LATER)) == ()
    first = a_state(replace(good, permissions=(), permissions_read=False))
    assert events("acme", first, first.succeeded((good,), LATER)) == ()


def test_a_token_that_is_only_counted_is_neither_created_nor_deleted() -> None:
    tokens = tuple(a_token(str(number), expires_in=(number + 1) * DAY) for number in range(4))
    all_known = a_state(*tokens)
    cut = all_known.succeeded(tokens, LATER, most=2)
    # "2" and "3" go to those that are only counted, and come back
    assert events("acme", all_known, cut) == ()
    assert events("acme", cut, cut.succeeded(tokens, LATER)) == ()
    # among those that are kept everything is said, and what is gone when all are known is gone
    renamed = (replace(tokens[0], name="other"), *tokens[1:])
    (event,) = events("acme", cut, cut.succeeded(renamed, LATER, most=2))
    assert (event.change, event.token_id) == (Change.RENAMED, "0")
    deleted = events("acme", cut, cut.succeeded(tokens[2:], LATER))
    assert [(event.change, event.token_id) for event in deleted] == [(Change.DELETED, "0"), (Change.DELETED, "1")]
    more = all_known.succeeded((*tokens, a_token("new", expires_in=DAY / 2)), LATER, most=2)
    assert [one.change for one in events("acme", all_known, more)] == [Change.CREATED]


def test_thousands_of_tokens_with_one_id_are_compared_quickly() -> None:
    before = tuple(a_token("pt-**", name=f"a{number}") for number in range(5000))
    after = tuple(a_token("pt-**", name=f"b{number}") for number in range(5000))
    known = UserState(a_user()).succeeded(before, NOW, most=5000)
    # Comparing each with each would take a minute.
    found = events("acme", known, known.succeeded(after, LATER, most=5000))
    assert [event.change for event in found] == [Change.RENAMED] * 5000


def test_the_values_of_the_label_event_and_their_meanings() -> None:
    assert [change.value for change in Change] == [
        "created",
        "deleted",
        "renewed",
        "shortened",
        "permissions_widened",
        "permissions_narrowed",
        "permissions_changed",
        "renamed",
    ]
    meanings = [change.meaning for change in Change]
    assert all(isinstance(meaning, str) for meaning in meanings)
    assert len(set(meanings)) == 8


def test_the_details_of_each_change() -> None:
    few, others = a_token(permissions=("base_user_read",)), a_token(permissions=("lingma_chat_read",))
    assert one(few, others).details() == {"added": ["lingma_chat_read"], "removed": ["base_user_read"]}
    assert one(a_token(name="old"), a_token(name="new")).details() == {"old_name": "old"}
    (deleted,) = between((few,), ())
    assert deleted.details() == {"removed": ["base_user_read"], "old_expiry": "2026-06-06T00:00:00Z"}
    (created,) = between((), (a_token(expires_in=None, permissions=()),))
    assert created.details() == {}


def keys_between(before: tuple[SshKey, ...] | None, after: tuple[SshKey, ...] | None) -> tuple[Event, ...]:
    state = a_state(keys=before)
    return events("acme", state, state.succeeded((), LATER, ssh_keys=after))


def test_ssh_keys_change_like_tokens() -> None:
    deleted, created = keys_between((a_key("1"),), (a_key("2", expires_in=NEVER),))
    assert (deleted.change, deleted.kind, deleted.token_id) == (Change.DELETED, CredentialKind.SSH_KEY, "1")
    assert (created.change, created.kind, created.token) == (Change.CREATED, CredentialKind.SSH_KEY, "laptop")
    assert created.description == "SHA256:0f1e2d"
    (renewed,) = keys_between((a_key(),), (a_key(expires_in=NEVER),))
    assert (renewed.change, renewed.old_expiry, renewed.new_expiry) == (Change.RENEWED, NOW + 5 * DAY, NEVER)


def test_the_first_list_of_keys_and_a_use_are_no_events() -> None:
    assert keys_between(None, (a_key(),)) == ()
    assert keys_between((a_key(),), None) == ()
    assert keys_between((a_key(),), (a_key(used=1),)) == ()


def test_a_key_and_a_token_with_the_same_id_are_never_paired() -> None:
    before, after = a_state(a_token("7"), keys=()), a_state(keys=(a_key("7"),), at=LATER)
    assert [(one.change, one.kind) for one in events("acme", before, after)] == [
        (Change.DELETED, CredentialKind.TOKEN),
        (Change.CREATED, CredentialKind.SSH_KEY),
    ]


def test_another_limit_for_never_is_no_change_of_the_token() -> None:
    dated = a_token(expires_in=36_500 * DAY)
    never = dated.within(3650 * DAY, NOW)
    assert never != dated
    for before, after in ((dated, never), (never, dated), (never, never)):
        assert between((before,), (after,)) == ()


def test_a_distant_expiry_that_the_platform_moves_is_a_change() -> None:
    far = a_token(expires_in=36_500 * DAY).within(3650 * DAY, NOW)
    soon = a_token(expires_in=5 * DAY)
    (event,) = between((far,), (soon,))
    assert (event.change, event.old_expiry, event.new_expiry) == (Change.SHORTENED, NEVER, NOW + 5 * DAY)
    (event,) = between((soon,), (far,))
    assert (event.change, event.old_expiry, event.new_expiry) == (Change.RENEWED, NOW + 5 * DAY, NEVER)
    # Both are as good as never.
    assert between((far,), (a_token(expires_in=40_000 * DAY).within(3650 * DAY, NOW),)) == ()
    assert between((far,), (a_token(expires_in=NEVER),)) == ()


def test_a_token_kept_for_an_unreadable_entry_is_not_deleted() -> None:
    known = a_state(a_token("1"), a_token("2"))
    unread = known.succeeded((a_token("1"),), LATER, unreadable=1)
    assert events("acme", known, unread) == ()
    (event,) = events("acme", unread, unread.succeeded((a_token("1"),), LATER + 10))
    assert (event.change, event.token_id) == (Change.DELETED, "2")


def test_an_unreadable_expiry_is_followed_by_the_change_that_it_hid() -> None:
    known = a_state(a_token(expires_in=DAY))
    unread = known.succeeded((a_token(expires_in=None),), LATER)
    assert events("acme", known, unread) == ()
    (event,) = events("acme", unread, unread.succeeded((a_token(expires_in=9 * DAY),), LATER + 10))
    assert (event.change, event.old_expiry, event.new_expiry) == (Change.RENEWED, NOW + DAY, NOW + 9 * DAY)
