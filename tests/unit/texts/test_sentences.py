"""Sentences with values that may be missing."""

from __future__ import annotations

from exporter.texts.sentences import (
    MOST_CHARACTERS,
    complete,
    divided,
    joined,
    lasting,
    optional,
    placeholders,
    shortened,
)


def test_a_sentence_is_left_out_if_its_optional_value_is_missing() -> None:
    sentences = ("A {user}.", "Owner: {contact}.", "More: {link}")
    assert joined(sentences, {"user": "li", "contact": "x", "link": "y"}, " ") == "A li. Owner: x. More: y"
    assert joined(sentences, {"user": "li", "contact": "", "link": "y"}, "") == "A li.More: y"
    assert joined(sentences, {"user": ""}, " ") == "A ."


def test_placeholders_of_a_template() -> None:
    assert placeholders("{user} in {organization}: {user} {{x}}") == {"user", "organization"}
    assert optional("{user} {link} {contact}") == ("contact", "link")
    assert optional("{user}") == ()


def test_what_changes_with_time_comes_last_and_is_never_cut() -> None:
    sentences = ("A {user}.", "Left: {remaining}.", "More: {link}")
    assert divided(sentences) == (("A {user}.",), ("Left: {remaining}.", "More: {link}"))
    assert divided(("A {user}.",)) == (("A {user}.",), ())
    values = {"user": "li", "remaining": "2d", "link": ""}
    assert lasting(sentences, values, " ") == "A li."
    assert complete(sentences, values, " ") == "A li. Left: 2d."
    assert complete(sentences[1:], values, " ") == "Left: 2d."
    cut = complete(sentences, values | {"user": "x" * 2000}, " ")
    assert cut == f"A {'x' * (MOST_CHARACTERS - 3)}\u2026 Left: 2d."
    assert shortened("x" * MOST_CHARACTERS) == "x" * MOST_CHARACTERS
