from __future__ import annotations

from dataclasses import replace

from support.builders import a_key, a_state, a_token

from exporter.state.known_objects import with_known_objects


def test_equal_tokens_and_keys_are_the_known_objects() -> None:
    known = replace(a_state(a_token("a"), a_token("b")), ssh_keys=(a_key("k"),))
    found = replace(a_state(a_token("c"), a_token("a")), ssh_keys=(a_key("k"), a_key("l")))
    state = with_known_objects(found, known)
    assert state == found
    assert state.tokens[1] is known.tokens[0]
    assert state.ssh_keys is not None
    assert known.ssh_keys is not None
    assert state.ssh_keys[0] is known.ssh_keys[0]


def test_a_list_that_has_not_changed_is_the_same_list() -> None:
    known = a_state(a_token("a"), a_token("b"))
    found = a_state(a_token("a"), a_token("b"))
    assert with_known_objects(found, known).tokens is known.tokens


def test_a_state_that_has_nothing_in_common_is_not_copied() -> None:
    found = a_state(a_token("a"))
    assert with_known_objects(found, a_state()) is found
