from __future__ import annotations

import pytest

from exporter.platform.base import Operation
from exporter.platform.yunxiao.permissions import USERS, needed_for


@pytest.mark.parametrize(
    ("operation", "path", "name"),
    [
        (Operation.LIST_TOKENS, "platform/users/admin/personalAccessTokens", "base_user_read"),
        (Operation.LIST_USERS, "platform/users", "base_user_read"),
        (Operation.LIST_MEMBERS, "platform/organizations/o1/members", "base_orgmember_read"),
        (Operation.LIST_MEMBERS, "platform/members", "base_orgmember_read"),
        (Operation.LIST_ORGANIZATIONS, "platform/organizations", "base_organization_read"),
        (Operation.LIST_DEPARTMENTS, "platform/departments", "base_sys_dept_read"),
        (Operation.LIST_DEPARTMENTS, "platform/organizations/o1/departments", "base_orgdepartment_read"),
    ],
)
def test_each_call_needs_the_documented_permission(operation: Operation, path: str, name: str) -> None:
    needed = needed_for(operation, path)
    assert needed is not None
    assert needed.name == name


def test_the_call_for_the_caller_has_no_documented_permission() -> None:
    assert needed_for(Operation.GET_CALLER, "platform/user") is None


def test_a_permission_is_written_with_its_place_in_the_console() -> None:
    assert str(USERS) == "base_user_read (Organization Management / User / Read-only, 组织管理 / 用户 / 只读)"
    assert USERS.chinese == "组织管理 / 用户"
