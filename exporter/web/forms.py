"""The filters and the columns of lists on pages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from exporter.model.event import Change
from exporter.model.severity import Severity
from exporter.model.state import Reason
from exporter.model.token import CredentialKind, TokenState
from exporter.state.criteria import PollStatus
from exporter.web.lists import DEFAULT_SORTS
from exporter.web.parameters import ANY, sort_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from exporter.web.reader import Reader
    from exporter.web.urls import Urls

ROWS = 50
"""Rows of a page unless asked otherwise."""
_ROW_CHOICES = ("20", "50", "100", "200")


@dataclass(frozen=True, slots=True)
class Choice:
    """A value that can be chosen."""

    value: str
    label: str


@dataclass(frozen=True, slots=True)
class Field:
    """A filter.

    Attributes:
        name: the parameter.
        label: what it is called.
        type: the type of the input; "select" for a choice.
        value: its present value.
        choices: the values to choose from, or suggestions for a text.
        hint: shown in an empty input.
        first: whether it is always shown.
    """

    name: str
    label: str
    type: str
    value: str
    choices: tuple[Choice, ...] = ()
    hint: str = ""
    first: bool = False


@dataclass(frozen=True, slots=True)
class Column:
    """A column.

    Attributes:
        name: selects what its cells show.
        label: its heading.
        href: sorts by it; "" if that is not possible.
        sorted: `ascending`, `descending` or "".
        wide: whether it is only shown if there is room.
    """

    name: str
    label: str
    href: str = ""
    sorted: str = ""
    wide: bool = True


@dataclass(frozen=True, slots=True)
class Offers:
    """What filters offer.

    Attributes:
        organizations: their names.
        policies: the names of the configured policies.
        ssh_keys: whether SSH keys are watched.
        permissions: permissions that occur.
        departments: departments that occur.
    """

    organizations: Sequence[str]
    policies: Sequence[str]
    ssh_keys: bool
    permissions: Sequence[str]
    departments: Sequence[str]


class _Fields:
    """Makes the filters of a list."""

    def __init__(self, reader: Reader, values: Mapping[str, str]) -> None:
        self._reader = reader
        self._values = values

    def select(self, name: str, label: str, choices: Iterable[str], prefix: str = "", *, first: bool = False) -> Field:
        word = self._reader.word
        options = tuple(Choice(one, word(f"{prefix}{one}") if prefix else one) for one in choices)
        return Field(name, word(label), "select", self._values.get(name, ""), options, "", first)

    def text(self, name: str, suggestions: Sequence[str] = ()) -> Field:
        options = tuple(Choice(one, one) for one in suggestions)
        return Field(name, self._reader.word(name), "text", self._values.get(name, ""), options)

    def days(self, *names: str) -> Iterator[Field]:
        return (Field(name, self._reader.word(name), "date", self._values.get(name, "")) for name in names)

    def search(self) -> Field:
        word = self._reader.word
        return Field("q", word("search"), "search", self._values.get("q", ""), (), word("search_hint"), first=True)

    def policies(self, policies: Sequence[str]) -> Iterator[Field]:
        if policies:
            word = self._reader.word
            options = (Choice(ANY, word("any_policy")), *(Choice(one, one) for one in policies))
            yield Field("policy", word("policy"), "select", self._values.get("policy", ""), options, "", first=True)
            yield self.select("severity", "severity", Severity, "severity_")

    def limit(self) -> Field:
        rows = tuple(Choice(one, one) for one in _ROW_CHOICES)
        return Field("limit", self._reader.word("per_page"), "select", self._values.get("limit", str(ROWS)), rows)


def fields(listed: str, reader: Reader, offers: Offers, values: Mapping[str, str]) -> tuple[Field, ...]:
    """The filters of a list."""
    make = _Fields(reader, values)
    found = [make.search()]
    if len(offers.organizations) > 1:
        found.append(make.select("organization", "organization", offers.organizations, first=True))
    match listed:
        case "users":
            found.append(make.select("status", "status", PollStatus, "status_", first=True))
        case "events":
            found.append(make.select("event", "change", Change, "event_", first=True))
            found += [make.text("user"), *make.days("since", "until")]
        case _:
            found.append(make.select("state", "state", TokenState, "state_", first=True))
    if listed != "events":
        found += [
            *make.policies(offers.policies),
            *(make.text("user"), make.text("owner")),
            *(make.text("department", offers.departments), make.text("permission", offers.permissions)),
            *make.days("expires_from", "expires_to", "created_from", "created_to"),
        ]
    if listed == "users":
        found.append(make.select("reason", "reason", Reason))
    if offers.ssh_keys and listed in {"tokens", "events"}:
        found.append(make.select("kind", "kind", CredentialKind, "kind_"))
    return (*found, make.limit())


_COLUMNS: Mapping[str, tuple[tuple[str, str, str, bool], ...]] = {
    # name, label, sort, whether it needs room
    "tokens": (
        ("token", "token", "token", False),
        ("user", "user", "user", True),
        ("organization", "organization", "organization", True),
        ("department", "department", "department", True),
        ("permissions", "permissions", "permissions", True),
        ("policies", "violations", "severity", True),
        ("created", "created", "created", True),
        ("expires", "expires", "expires", False),
    ),
    "violations": (
        ("problems", "violation", "severity", False),
        ("token", "token", "token", True),
        ("user", "user", "user", True),
        ("organization", "organization", "organization", True),
        ("department", "department", "department", True),
        ("created", "created", "created", True),
        ("expires", "expires", "expires", False),
    ),
    "users": (
        ("user", "user", "user", False),
        ("organization", "organization", "organization", True),
        ("department", "department", "department", True),
        ("status", "status", "status", False),
        ("tokens", "tokens", "tokens", True),
        ("policies", "violations", "violations", True),
        ("polled", "polled", "polled", True),
        ("expires", "next_expiry", "expires", False),
    ),
    "events": (
        ("time", "time", "time", False),
        ("change", "change", "", False),
        ("token", "token", "", True),
        ("user", "user", "", True),
        ("organization", "organization", "", True),
        ("details", "details", "", True),
    ),
}


def columns(listed: str, reader: Reader, urls: Urls, offers: Offers, values: Mapping[str, str]) -> tuple[Column, ...]:
    """The columns of a list; that of the organization only if there are several."""
    default = DEFAULT_SORTS[listed]
    sort, descending = sort_of(values, default)
    found = []
    for name, label, by, wide in _COLUMNS[listed]:
        if (name == "organization" and len(offers.organizations) < 2) or (  # noqa: PLR2004 - more than one
            name in {"policies", "problems"} and not offers.policies
        ):
            continue
        order, href = "", ""
        if by == sort:
            order = "descending" if descending else "ascending"
        if by:
            href = urls.here(values, sort=f"-{by}" if order == "ascending" else by)
        found.append(Column(name, reader.word(label), href, order, wide))
    return tuple(found)
