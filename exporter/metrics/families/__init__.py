"""Every family that the exporter exposes, in one table: name, type, labels, help, and where its samples come from.

Rendering and `docs/metrics.md` are made from this table. Each family is declared once, in one of the modules below:

- `users`, `organizations`: computed at each scrape from the state of the users and from the configuration;
- `alerts`, `alert_organizations`: the same, for alert rules;
- `platform`, `notifications`, `exporter`, `http`: counted by the exporter about itself, see
  `exporter.metrics.instruments`. Declaring a family there adds it to the table.
"""

from __future__ import annotations

from exporter.metrics.families import exporter, http, notifications, platform
from exporter.metrics.families.alert_organizations import ENDED_ENTRIES, ORGANIZATION_ALERT_FAMILIES
from exporter.metrics.families.base import ConfigFamily, Family, Kind, OrganizationFamily, OwnFamily, UserFamily
from exporter.metrics.families.organizations import (
    CONFIG_FAMILIES,
    ORGANIZATION_FAMILIES,
    POLICY_VIOLATIONS,
    USERS_LEFT_OUT,
)
from exporter.metrics.families.users import USER_FAMILIES, USER_LABELS

__all__ = (
    "ALL_FAMILIES",
    "OWN_FAMILIES",
    "ConfigFamily",
    "Family",
    "Kind",
    "OrganizationFamily",
    "OwnFamily",
    "UserFamily",
)

OWN_FAMILIES: tuple[OwnFamily, ...] = tuple(
    value
    for module in (notifications, platform, exporter, http)
    for value in vars(module).values()
    if isinstance(value, OwnFamily)
)
ALL_FAMILIES: tuple[Family, ...] = (
    *USER_FAMILIES,
    USER_LABELS,
    USERS_LEFT_OUT,
    POLICY_VIOLATIONS,
    *ORGANIZATION_FAMILIES,
    *ORGANIZATION_ALERT_FAMILIES,
    ENDED_ENTRIES,
    *CONFIG_FAMILIES,
    *OWN_FAMILIES,
)
