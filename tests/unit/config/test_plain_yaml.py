from __future__ import annotations

import pytest

from exporter.config.plain_yaml import DeclinedError, plain_entries


@pytest.mark.parametrize(
    "text",
    [
        '[{"id": "a", "labels": {"team": "x"}}, {"id": "b"}]',
        "- id: a\n  labels: {team: x}\n- id: b\n",
        "- id: a\n  labels:\n      team: x\n- id: b\n",
        "- {id: a, labels: {team: 'x'}}\n- { id: b }\n",
    ],
)
def test_each_form_of_a_list_gives_the_same_entries(text: str) -> None:
    assert list(plain_entries(text)) == [{"id": "a", "labels": {"team": "x"}}, {"id": "b"}]


def test_keys_are_checked_by_whoever_knows_the_schema() -> None:
    assert list(plain_entries("- what: ever\n")) == [{"what": "ever"}]


@pytest.mark.parametrize(
    "text",
    [
        "id: a\n",
        "- id: a\nid: b\n",
        "- {id: a}\nname: b\n",
        "- {id: a}\n  name: b\n",
        "- [a]\n",
        "- a\n",
        "- id: [a]\n",
        "- {id: {a: b}}\n",
    ],
)
def test_what_is_no_list_of_simple_entries_is_declined(text: str) -> None:
    with pytest.raises(DeclinedError):
        list(plain_entries(text))


@pytest.mark.parametrize("name", ["yes", "null", "On"])
def test_a_name_in_a_section_that_yaml_does_not_read_as_text_is_declined(name: str) -> None:
    for text in (f"- labels:\n    {name}: x\n", f"- labels: {{{name}: x}}\n"):
        with pytest.raises(DeclinedError):
            list(plain_entries(text))
