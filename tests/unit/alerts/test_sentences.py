"""Sentences with values that may be missing."""

from __future__ import annotations

from exporter.alerts.sentences import joined, optional, placeholders


def test_a_sentence_is_left_out_if_its_optional_value_is_missing() -> None:
    sentences = ("A {user}.", "Owner: {contact}.", "More: {link}")
    assert joined(sentences, {"user": "li", "contact": "x", "link": "y"}, " ") == "A li. Owner: x. More: y"
    assert joined(sentences, {"user": "li", "contact": "", "link": "y"}, "") == "A li.More: y"
    assert joined(sentences, {"user": ""}, " ") == "A ."


def test_placeholders_of_a_template() -> None:
    assert placeholders("{user} in {organization}: {user} {{x}}") == {"user", "organization"}
    assert optional("{user} {link} {contact}") == ("contact", "link")
    assert optional("{user}") == ()
