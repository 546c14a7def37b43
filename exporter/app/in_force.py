"""The configuration in force: one value in one place, which the reloader replaces and other parts read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from exporter.config.schema import Config
    from exporter.config.settings import Settings
    from exporter.policies.schema import Policies
    from exporter.texts.catalogue import Language


@dataclass(frozen=True, slots=True)
class InForce:
    """The configuration in force.

    Attributes:
        settings: the configuration.
        generation: how many configurations have come into force.
        refused_since: since when newer ones have been refused, in epoch seconds; None if none has.
    """

    settings: Settings
    generation: int = 0
    refused_since: float | None = None


class Current:
    """Holds the configuration in force. One writer, the reloader; readers from any thread.

    Args:
        settings: the configuration to start with.
    """

    def __init__(self, settings: Settings) -> None:
        # Only ever replaced as a whole, so readers need no lock.
        self._value = InForce(settings)

    @property
    def value(self) -> InForce:
        """All of it, as it was at one moment."""
        return self._value

    def replace(self, value: InForce) -> None:
        """Set the configuration in force."""
        self._value = value

    @property
    def organizations(self) -> frozenset[str]:
        """The names of the configured organizations."""
        return frozenset(one.config.name for one in self._value.settings.organizations)

    def config(self) -> Config:
        """The whole configuration file."""
        return self._value.settings.config

    def policies(self) -> Policies:
        """The section `policies`."""
        return self._value.settings.config.policies

    def stale_after(self) -> float:
        """Seconds after which data counts as stale."""
        return self._value.settings.config.poll.stale_after

    def language(self) -> Language:
        """The language of texts."""
        return self._value.settings.config.alerting.language

    def zones(self) -> dict[str, ZoneInfo]:
        """The time zone of each organization."""
        return {one.name: ZoneInfo(one.timezone) for one in self._value.settings.config.organizations}

    def refused_since(self) -> float | None:
        """Since when newer configurations have been refused, in epoch seconds; None if none has."""
        return self._value.refused_since
