"""The shape of the section `users.discover`: where the platform is asked whom to watch, and who of them is meant."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from exporter.common.fields import Duration, OwnerLabel, Regex, Section, Text

_STATUSES = {
    "users": ("enabled", "deleted"),
    "members": ("enabled", "disabled", "undeleted", "deleted", "normal_using", "unvisited"),
}


class Discover(Section):
    """Find the users on the platform, and look again now and then.

    Entries of `static` and `files` come first: what they say of an id wins. A list that cannot be had leaves the last
    one in force.
    """

    source: Literal["users", "members"] = Field(
        description="`users`: those of the enterprise. `members`: those of one organization, or of all."
    )
    organization_id: Text | None = Field(
        None, description="The organization whose `members` are meant; null for all organizations."
    )
    organization_in_path: bool = Field(
        True,
        description=(
            "Whether the platform's path for `members` names the organization. Editions with one organization have "
            "`/platform/members` without it: false."
        ),
    )
    status: Text | None = Field(
        None, description="Only users of this status, such as `enabled`; null for all but the deleted."
    )
    departments: tuple[Text, ...] = Field(
        (), description="Ids of departments; only who is in one of them, or in one below, is watched. All if empty."
    )
    include: tuple[Regex, ...] = Field(
        (),
        description=(
            "Regular expressions (RE2), one of which must fit the whole name, user name or e-mail. All fit if empty."
        ),
    )
    exclude: tuple[Regex, ...] = Field(
        (), description="Regular expressions of which none may fit the whole name, user name or e-mail."
    )
    interval: Duration = Field(3600.0, ge=1, description="Time from one look at the platform's list to the next.")
    allow_empty: bool = Field(
        False,
        description="Believe an empty list that comes after one with users. Otherwise the last list stays in force.",
    )
    owner_labels: tuple[OwnerLabel, ...] = Field(
        (),
        description=(
            "What becomes a label of users' alerts and of `yunxiao_user_labels`: `email`, `department`, `username`. "
            "None by default: labels cost series and spread personal data."
        ),
    )

    @model_validator(mode="after")
    def _organization_only_of_members(self) -> Self:
        if self.source == "users" and self.organization_id is not None:
            raise ValueError("organization_id goes with source: members; leave it out, or ask for the members")
        return self

    @model_validator(mode="after")
    def _status_that_exists(self) -> Self:
        known = _STATUSES[self.source]
        if self.status is not None and self.status.lower() not in known:
            raise ValueError(f"status {self.status} fits nobody; the platform has {', '.join(known)}")
        return self
