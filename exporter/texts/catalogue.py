"""What a catalogue of texts contains, and the catalogue of each language."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class Language(StrEnum):
    """A language of texts, as the configuration names it."""

    EN = "en"
    ZH = "zh"


LANGUAGE_NAMES = {Language.EN: "English", Language.ZH: "中文"}
"""What each language calls itself."""
OPTIONAL = frozenset(
    {"began", "contact", "created", "detail", "last_success", "link", "permissions", "purpose", "users", "worst"}
)
"""Placeholders that may be empty. A sentence with one is left out if it is."""


@dataclass(frozen=True, slots=True)
class AlertText:
    """The texts of an alert, as templates with placeholders such as ``{user}``.

    Attributes:
        summary: one line that names what the alert is about, and when.
        description: sentences, in this order; see `OPTIONAL`.
    """

    summary: str
    description: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PolicyText:
    """The texts of a policy.

    Attributes:
        words: what is wrong with a token or user that violates it, as the end of a sentence.
        limit: the configured limit, as a template with ``{limit}``; "" if it has none.
        actual: what was found instead, as a template with ``{actual}``; "" if it has nothing to add.
    """

    words: str
    limit: str = ""
    actual: str = ""


@dataclass(frozen=True, slots=True)
class ReasonText:
    """The texts of a reason why a poll fails.

    Attributes:
        words: the problem, as the end of a sentence.
        meaning: what it means and what to do.
    """

    words: str
    meaning: str


@dataclass(frozen=True, slots=True)
class LossText:
    """What happens to permissions when a token expires.

    Attributes:
        lost_at: they will be lost; a template with ``{time}``, like the next two.
        lost_since: they are lost.
        until: other tokens grant them until that time.
        kept: other tokens grant them for ever.
        unclear: nothing certain is known about the other tokens.
        more: how many permissions are not named; a template with ``{count}``.
    """

    lost_at: str
    lost_since: str
    until: str
    kept: str
    unclear: str
    more: str


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All texts in one language.

    Attributes:
        units: the units of durations, after the number, by their letter.
        comma: between the items of a list.
        colon: between items and what is said of them.
        semicolon: between groups of items.
        brackets: around an addition, with ``{}`` for it.
        space: between two sentences.
        credentials: what each kind of credential is called, at the begin of a sentence.
        expires: when something expires; a template with ``{expires}`` and ``{remaining}``.
        expires_in: the same if only the remaining time is known.
        expired: when something expired; a template with ``{expires}`` and ``{remaining}``.
        expired_ago: the same if only the time since then is known.
        ago: how long ago something began; a template with ``{remaining}``.
        where: the organization, if known, in `YunxiaoExporterDown`; a template with ``{organization}``.
        alerts: by the name of the alert.
        policies: by the name of the policy.
        reasons: by the value of the label `reason`.
        unknown_reason: the words for any other reason.
        losses: what happens to permissions.
        page: words of the pages with runbooks; the words of other pages are in `exporter.texts.pages`.
    """

    units: Mapping[str, str]
    comma: str
    colon: str
    semicolon: str
    brackets: str
    space: str
    credentials: Mapping[str, str]
    expires: str
    expires_in: str
    expired: str
    expired_ago: str
    ago: str
    where: str
    alerts: Mapping[str, AlertText]
    policies: Mapping[str, PolicyText]
    reasons: Mapping[str, ReasonText]
    unknown_reason: str
    losses: LossText
    page: Mapping[str, str]

    def duration(self, rough: str) -> str:
        """A rounded duration such as ``13d``, as `rough_duration` writes it, in this language."""
        return f"{rough[:-1]}{self.units[rough[-1]]}"


@functools.cache
def catalogue(language: Language) -> Catalogue:
    """The catalogue of a language."""
    # Here, since the modules of the languages need the types above.
    from exporter.texts import en, zh  # noqa: PLC0415

    return {Language.EN: en.CATALOGUE, Language.ZH: zh.CATALOGUE}[language]
