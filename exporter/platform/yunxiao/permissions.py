"""The permissions that a token needs for each call, as documented, with their names in the platform's console."""

from __future__ import annotations

from dataclasses import dataclass

from exporter.platform.base import Operation


@dataclass(frozen=True, slots=True)
class Permission:
    """A permission at the level read-only; the level read and write includes it.

    Attributes:
        name: as in the platform's token list.
        console: the name in the console.
        chinese: the name in the Chinese console.
    """

    name: str
    console: str
    chinese: str

    def __str__(self) -> str:
        """The name, with the place where the console offers it, in English and Chinese."""
        return f"{self.name} ({self.console} / Read-only, {self.chinese} / 只读)"


USERS = Permission("base_user_read", "Organization Management / User", "组织管理 / 用户")
MEMBERS = Permission("base_orgmember_read", "Organization members", "组织成员")
ORGANIZATIONS = Permission("base_organization_read", "Organization", "组织")
ENTERPRISE_DEPARTMENTS = Permission("base_sys_dept_read", "Enterprise department", "企业部门")
ORGANIZATION_DEPARTMENTS = Permission("base_orgdepartment_read", "Organization departments", "组织部门")

_NEEDED = {
    Operation.LIST_TOKENS: USERS,
    Operation.LIST_USERS: USERS,
    Operation.LIST_MEMBERS: MEMBERS,
    Operation.LIST_ORGANIZATIONS: ORGANIZATIONS,
}
_DEPARTMENTS_OF_THE_ENTERPRISE = "platform/departments"


def needed_for(operation: Operation, path: str) -> Permission | None:
    """The permission that a call needs; None if none is documented.

    Args:
        operation: the call.
        path: its path below ``/oapi/v1/``: departments of the enterprise and of an organization have different ones.
    """
    if operation is Operation.LIST_DEPARTMENTS:
        return ENTERPRISE_DEPARTMENTS if path == _DEPARTMENTS_OF_THE_ENTERPRISE else ORGANIZATION_DEPARTMENTS
    return _NEEDED.get(operation)
