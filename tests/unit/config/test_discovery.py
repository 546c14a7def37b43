from __future__ import annotations

import pytest
from support.configuration import discovering, faults, with_organization


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("source: groups", "users.discover.source: must be 'users' or 'members'"),
        ("interval: 1h", "users.discover.source: is missing"),
        ("source: users, organization_id: x", "users.discover: organization_id requires source: members"),
        ("source: users, include: ['(']", "is not a valid RE2 regular expression"),
        ("source: users, owner_labels: [phone]", "owner_labels[0]: must be 'email', 'department' or 'username'"),
        ("source: users, interval: 90", "must be a duration with its unit"),
        ("source: users, intervall: 1h", "did you mean interval?"),
    ],
)
def test_faults_of_discovery(text: str, words: str) -> None:
    assert any(words in fault for fault in faults(discovering(text))), faults(discovering(text))


@pytest.mark.parametrize(("source", "status"), [("users", "enable"), ("members", "active")])
def test_a_status_that_does_not_exist_is_refused(source: str, status: str) -> None:
    text = with_organization("").replace(
        'users: {static: [{id: "3001", name: li.wei}]}', f"users: {{discover: {{source: {source}, status: {status}}}}}"
    )
    (fault,) = faults(text)
    assert f"status {status} does not exist" in fault
