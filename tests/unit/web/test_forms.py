"""The filters and columns of lists."""

from __future__ import annotations

import pytest
from support.builders import NOW

from exporter.texts.catalogue import Language
from exporter.web import parameters
from exporter.web.forms import Offers, columns, fields
from exporter.web.reader import Reader
from exporter.web.urls import Urls

READER = Reader(Language.EN, {}, NOW)
FULL = Offers(["acme", "globex"], ["never_expires"], True, ["a_read"], ["Ops"])
BARE = Offers(["acme"], [], False, [], [])
KNOWN = {
    "tokens": parameters.TOKENS, "violations": parameters.VIOLATIONS, "users": parameters.USERS,
    "events": parameters.EVENTS,
}  # fmt: skip


@pytest.mark.parametrize("listed", KNOWN)
@pytest.mark.parametrize("offers", [FULL, BARE])
def test_every_filter_is_a_parameter_and_every_choice_is_allowed(listed: str, offers: Offers) -> None:
    by_name = {one.name: one for one in KNOWN[listed]}
    for field in fields(listed, READER, offers, {}):
        allowed = by_name[field.name].choices
        assert not allowed or {one.value for one in field.choices} <= {*allowed}
    for column in columns(listed, READER, Urls("/"), offers, {}):
        if column.href:
            assert column.href.removeprefix("?sort=") in by_name["sort"].choices


def names(listed: str, offers: Offers) -> tuple[set[str], set[str]]:
    return (
        {one.name for one in fields(listed, READER, offers, {})},
        {one.name for one in columns(listed, READER, Urls("/"), offers, {})},
    )


def test_what_would_be_the_same_everywhere_is_not_offered() -> None:
    filters, shown = names("tokens", BARE)
    assert filters.isdisjoint({"organization", "policy", "severity", "kind"})
    assert shown.isdisjoint({"organization", "policies"})
    filters, shown = names("tokens", FULL)
    assert filters >= {"organization", "policy", "severity", "kind"}
    assert shown >= {"organization", "policies"}


def test_values_are_kept() -> None:
    found = {one.name: one.value for one in fields("tokens", READER, FULL, {"q": "x", "state": "expired"})}
    assert (found["q"], found["state"], found["user"], found["limit"]) == ("x", "expired", "", "50")


def test_the_heading_of_the_sorted_column_turns_the_order_around() -> None:
    by_name = {one.name: one for one in columns("users", READER, Urls("/users"), FULL, {"q": "x", "sort": "tokens"})}
    assert (by_name["tokens"].sorted, by_name["tokens"].href) == ("ascending", "?q=x&sort=-tokens")
    assert (by_name["user"].sorted, by_name["user"].href) == ("", "?q=x&sort=user")
    reverse = {one.name: one for one in columns("users", READER, Urls("/users"), FULL, {"sort": "-tokens"})}
    assert (reverse["tokens"].sorted, reverse["tokens"].href) == ("descending", "?sort=tokens")
