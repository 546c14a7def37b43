from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest

from exporter.common.cancellation import Stop
from exporter.config.discovery import Discover
from exporter.model.state import Reason
from exporter.platform.base import ApiError
from exporter.platform.yunxiao.pagination import Listing
from exporter.platform.yunxiao.places import find_places

if TYPE_CHECKING:
    from exporter.platform.yunxiao.lists import ListReader


class Organizations:
    """Reads the list of organizations; it may be an error."""

    def __init__(self, *ids: str, error: ApiError | None = None) -> None:
        self.ids = ids
        self.error = error

    def read(self, operation: str, path: str, *_: object) -> Listing[str]:
        assert (operation, path) == ("list_organizations", "platform/organizations")
        if self.error is not None:
            raise self.error
        return Listing(self.ids, 1, len(self.ids), settled=True)


def places(lists: Organizations, **config: Any) -> list[tuple[str, str, dict[str, str]]]:
    found = find_places(Discover.model_validate(config), cast("ListReader", lists), Stop())
    return [(place.path, place.departments_path, place.query) for place in found]


def test_the_users_of_the_enterprise_are_listed_by_status_and_department() -> None:
    config = Discover(source="users", status="ENABLED")
    (place,) = find_places(config, cast("ListReader", Organizations()), Stop())
    assert (place.operation, place.path, place.status, place.takes_department) == (
        "list_users",
        "platform/users",
        "enabled",
        True,
    )


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"organization_id": "a/b"}, [("a%2Fb", {})]),
        ({}, [("o1", {}), ("o2", {})]),
        ({"organization_id": "o1", "organization_in_path": False}, [("", {"organizationId": "o1"})]),
        (
            {"organization_in_path": False},
            [("", {"organizationId": "o1"}), ("", {"organizationId": "o2"})],
        ),
    ],
)
def test_members_are_listed_for_one_or_all_organizations(config: dict[str, Any], expected: list[Any]) -> None:
    def path(organization: str, what: str) -> str:
        return f"platform/organizations/{organization}/{what}" if organization else f"platform/{what}"

    assert places(Organizations("o1", "o2"), source="members", **config) == [
        (path(one, "members"), path(one, "departments"), query) for one, query in expected
    ]


@pytest.mark.parametrize("reason", [Reason.NOT_FOUND, Reason.FORBIDDEN, Reason.SERVER_ERROR])
def test_without_a_list_of_organizations_there_may_be_only_one(reason: Reason) -> None:
    lists = Organizations(error=ApiError(reason, "HTTP"))
    with pytest.raises(ApiError):
        places(lists, source="members")
    if reason is Reason.SERVER_ERROR:
        with pytest.raises(ApiError):
            places(lists, source="members", organization_in_path=False)
    else:
        found = places(lists, source="members", organization_in_path=False)
        assert found == [("platform/members", "platform/departments", {})]
