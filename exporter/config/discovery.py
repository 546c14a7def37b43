"""The section `users.discover`: which users of the platform to watch."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from exporter.common.fields import Duration, OwnerLabel, Regex, Section, Text

_STATUSES = {
    "users": ("enabled", "deleted"),
    "members": ("enabled", "disabled", "undeleted", "deleted", "normal_using", "unvisited"),
}


class Discover(Section):
    """Discover the users on the platform, and refresh the list periodically.

    If a user is also in `static` or `files`, that entry wins. If the list cannot be fetched, the previous one stays in
    effect.

    A list with several pages can miss a user if others leave while it is read. So a user who is missing is removed only
    if the next list does not have the user either, or if this list is certain: it has the user with another `status`,
    or it has exactly as many users as its header `x-total` says and no new ones. After a restart, the users of before
    are kept until the second list.
    """

    source: Literal["users", "members"] = Field(
        description="`users`: the users of the enterprise. `members`: the members of one organization, or of all."
    )
    organization_id: Text | None = Field(
        None,
        description=(
            "Organization whose `members` to watch; null for all organizations. In the console: Enterprise settings > "
            "Organization > Basic Information (组织管理后台 > 基本信息)."
        ),
    )
    organization_in_path: bool = Field(
        True,
        description=(
            "Whether the platform's path for `members` contains the organization. Set to false for editions with a "
            "single organization, whose path is `/platform/members`."
        ),
    )
    status: Text | None = Field(
        None,
        description=(
            "Only users with this status, in capitals or not; null for all but deleted users. `users`: `enabled`, "
            "`deleted`. `members`: also `disabled`, `normal_using` and `unvisited`, which `enabled` includes, and "
            "`undeleted` for all but `deleted`."
        ),
    )
    departments: tuple[Text, ...] = Field(
        (),
        description=(
            "Ids of departments. Only users in one of them, or in a department below, are watched. All users if empty. "
            "With `source: users`, users are requested by department if the platform refuses the list of all users "
            "because it has more than 10,000."
        ),
    )
    include: tuple[Regex, ...] = Field(
        (),
        description=(
            "Regular expressions (RE2), one of which must match the entire name, user name or e-mail. All users if "
            "empty."
        ),
    )
    exclude: tuple[Regex, ...] = Field(
        (), description="Regular expressions (RE2), none of which may match the entire name, user name or e-mail."
    )
    interval: Duration = Field(3600.0, ge=1, description="Time between two refreshes of the list.")
    allow_empty: bool = Field(
        False,
        description=(
            "Accept an empty list after one with users, and remove them at once. Otherwise the previous list stays in "
            "effect."
        ),
    )
    owner_labels: tuple[OwnerLabel, ...] = Field(
        (),
        description=(
            "Which of `email`, `department` and `username` become labels of users' alerts and of "
            "`yunxiao_user_labels`. None by default, because labels add series and expose personal data."
        ),
    )

    @model_validator(mode="after")
    def _organization_id_requires_members(self) -> Self:
        if self.source == "users" and self.organization_id is not None:
            raise ValueError("organization_id requires source: members; remove it, or change source")
        return self

    @model_validator(mode="after")
    def _status_exists(self) -> Self:
        known = _STATUSES[self.source]
        if self.status is not None and self.status.lower() not in known:
            raise ValueError(f"status {self.status} does not exist; use one of {', '.join(known)}")
        return self
