"""How a reader sees values: language, time zones, and words for times, states and permissions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from exporter.common.text import rough_duration, utc
from exporter.model.token import NEVER
from exporter.texts.catalogue import Catalogue, Language, catalogue
from exporter.texts.pages import page_words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from exporter.policies.base import Policy

_UTC = ZoneInfo("UTC")
_OFFSET = len("+08:00")


@dataclass(frozen=True, slots=True)
class Moment:
    """A point in time, ready to be shown.

    Attributes:
        machine: RFC 3339 in UTC; "" if it is no time.
        local: in the time zone of the organization.
        utc: in UTC; "" if that is the time zone of the organization.
        relative: from now, in words.
    """

    machine: str
    local: str
    utc: str
    relative: str


@dataclass(frozen=True, slots=True)
class Reader:
    """Someone who reads a page.

    Attributes:
        language: the language.
        zones: the time zone of each organization.
        now: epoch seconds.
    """

    language: Language
    zones: Mapping[str, ZoneInfo]
    now: float

    @property
    def texts(self) -> Catalogue:
        """The texts that alerts and pages share."""
        return catalogue(self.language)

    def word(self, key: str, **values: object) -> str:
        """A word or a sentence of the pages."""
        template = page_words(self.language)[key]
        return template.format(**values) if values else template

    def zone(self, organization: str) -> ZoneInfo:
        """The time zone of an organization."""
        return self.zones.get(organization, _UTC)

    def duration(self, seconds: float) -> str:
        """A rounded duration."""
        return self.texts.duration(rough_duration(max(0.0, seconds)))

    def moment(self, epoch: float | None, organization: str = "", nothing: str = "") -> Moment:
        """A point in time.

        Args:
            epoch: epoch seconds; None or `NEVER` for none.
            organization: whose time zone counts.
            nothing: what to say if it is None.
        """
        if epoch is None:
            return Moment("", nothing, "", "")
        machine = utc(epoch)
        if epoch == NEVER or machine is None:
            return Moment("", self.word("never"), "", "")
        zone = self.zone(organization)
        away = epoch - self.now
        relative = self.word("in_time", duration=self.duration(away))
        if away <= 0:
            relative = self.word("ago", duration=self.duration(-away))
        return Moment(machine, _minutes(epoch, zone), "" if zone.key == _UTC.key else _minutes(epoch, _UTC), relative)

    def expiry_words(self, epoch: float | None) -> str:
        """When something expires, as the end of a sentence."""
        if epoch is None or epoch == NEVER:
            return self.word("never")
        away = epoch - self.now
        template = self.texts.expires_in if away > 0 else self.texts.expired_ago
        return template.format(remaining=self.duration(abs(away)))

    def reason_of(self, reason: str) -> str:
        """Why polls fail, in words."""
        found = self.texts.reasons.get(reason)
        return self.texts.unknown_reason if found is None else found.words

    def meaning_of(self, reason: str) -> str:
        """What a reason means, and what to do about it; "" for an unknown one."""
        found = self.texts.reasons.get(reason)
        return "" if found is None else found.meaning

    def policy(self, policy: Policy) -> str:
        """What is wrong with what violates a policy."""
        found = self.texts.policies.get(policy.name)
        return policy.words if found is None else found.words


def _minutes(epoch: float, zone: ZoneInfo) -> str:
    """A time to the minute, such as ``2026-12-25 13:00 +08:00``."""
    try:
        text = datetime.fromtimestamp(int(epoch), tz=zone).isoformat(" ")
    except (OverflowError, ValueError):
        text = datetime.fromtimestamp(int(epoch), tz=UTC).isoformat(" ")
    minutes, offset = text[:16], text[-_OFFSET:]
    return f"{minutes} {'UTC' if offset == '+00:00' else offset}"
