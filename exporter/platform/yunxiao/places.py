"""Where the users to watch are listed: in the enterprise, or in one or all organizations of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote

from exporter.platform.base import ApiError, Operation
from exporter.platform.yunxiao.directory import parse_members, parse_organizations, parse_users

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from exporter.common.cancellation import Stop
    from exporter.config.discovery import Discover
    from exporter.platform.yunxiao.directory import Person
    from exporter.platform.yunxiao.fields import Fields
    from exporter.platform.yunxiao.lists import ListReader


@dataclass(frozen=True, slots=True)
class Place:
    """The calls that list the users of the enterprise, or the members of one organization.

    Attributes:
        operation: the call that lists people.
        path: its path.
        parse: reads its answers.
        departments_path: the path of the call that lists departments.
        query: parameters of both calls.
        status: the status to request, in lower case; None for no such parameter.
        takes_department: whether people can be requested by department.
    """

    operation: Operation
    path: str
    parse: Callable[[bytes, Fields], Sequence[Person | None]]
    departments_path: str
    query: dict[str, str] = field(default_factory=dict)
    status: str | None = None
    takes_department: bool = False


def find_places(config: Discover, lists: ListReader, stop: Stop) -> list[Place]:
    """The places that the configuration means.

    Args:
        config: the section `users.discover`.
        lists: reads the list of organizations if it is needed.
        stop: cancels the calls.

    Raises:
        ApiError: the list of organizations could not be read to its end.
        StoppedError: the calls were cancelled.
    """
    if config.source == "users":
        return [_enterprise(config)]
    if config.organization_id is not None:
        return [_organization(config, config.organization_id)]
    path = "platform/organizations"
    try:
        ids = lists.read(Operation.LIST_ORGANIZATIONS, path, {}, parse_organizations, str, stop).entries
    except ApiError as error:
        # Editions without organizations in their paths may have no list of organizations: there is only one.
        if config.organization_in_path or not error.not_offered:
            raise
        return [_organization(config, None)]
    return [_organization(config, one) for one in ids]


def _enterprise(config: Discover) -> Place:
    return Place(
        Operation.LIST_USERS,
        "platform/users",
        parse_users,
        "platform/departments",
        status=config.status and config.status.lower(),
        takes_department=True,
    )


def _organization(config: Discover, organization_id: str | None) -> Place:
    if organization_id is None or not config.organization_in_path:
        query = {} if organization_id is None else {"organizationId": organization_id}
        return Place(Operation.LIST_MEMBERS, "platform/members", parse_members, "platform/departments", query)
    base = f"platform/organizations/{quote(organization_id, safe='')}"
    return Place(Operation.LIST_MEMBERS, f"{base}/members", parse_members, f"{base}/departments")
