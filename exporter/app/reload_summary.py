"""What a reload has changed, as fields of a log line. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.config.schema import Config

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from exporter.config.settings import OrganizationSettings, Settings
    from exporter.model.user import User, UserKey

_NAMED = 10
"""Organizations or users that are named; the others are counted."""
_ORGANIZATIONS = "organizations"


def changes(before: Settings, after: Settings) -> dict[str, object]:
    """The differences between two configurations; nothing for what is the same.

    Users are those of `users.static` and `users.files`.
    """
    old, new = _by_name(before), _by_name(after)
    both = [name for name in new if name in old]
    users_before, users_after = _users(before), _users(after)
    added = [user for key, user in users_after.items() if key not in users_before]
    removed = [user for key, user in users_before.items() if key not in users_after]
    fields: dict[str, object] = {
        "organizations_added": _named(name for name in new if name not in old),
        "organizations_removed": _named(name for name in old if name not in new),
        "organizations_changed": _named(name for name in both if not _same(old[name], new[name])),
        "users_added": len(added),
        "users_removed": len(removed),
        "users_changed": sum(users_before[key] != user for key, user in users_after.items() if key in users_before),
        "added": _named(f"{user.name} ({user.user_id})" for user in added),
        "removed": _named(f"{user.name} ({user.user_id})" for user in removed),
        "sections_changed": _named(
            name
            for name in Config.model_fields
            if name != _ORGANIZATIONS and getattr(before.config, name) != getattr(after.config, name)
        ),
    }
    return {name: value for name, value in fields.items() if value}


def _by_name(settings: Settings) -> dict[str, OrganizationSettings]:
    return {one.config.name: one for one in settings.organizations}


def _same(old: OrganizationSettings, new: OrganizationSettings) -> bool:
    """Whether two organizations have the same settings. Their users are compared one by one."""
    users = old.config.users.model_copy(update={"static": (), "files": ()})
    other = new.config.users.model_copy(update={"static": (), "files": ()})
    return old.same_client(new) and users == other


def _users(settings: Settings) -> Mapping[UserKey, User]:
    return {(one.config.name, user.user_id): user for one in settings.organizations for user in one.users}


def _named(names: Iterable[str]) -> str:
    found = list(names)
    more = len(found) - _NAMED
    return ", ".join([*found[:_NAMED], *([f"and {more} more"] if more > 0 else [])])
