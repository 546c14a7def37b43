from __future__ import annotations

import json

from support.report import a_summary

from exporter.report.comparison import compare, parse_report
from exporter.report.data import as_json, as_json_text


def test_the_lists_of_the_report() -> None:
    data = as_json(a_summary())

    def ids(name: str) -> list[str]:
        found = data[name]
        assert isinstance(found, list)
        return [one["token_id"] for one in found]

    assert ids("next_to_expire") == ["pt-a", "pt-b", "pt-c", "pt-d"]
    assert ids("expired") == ["pt-e"]
    assert ids("never_expiring") == ["pt-f"]
    assert data["failing_users"] == [
        {
            "organization": "acme",
            "user_id": "3",
            "user": "gone",
            "owner_email": None,
            "owner_username": None,
            "owner_department": None,
            "reason": "server_error",
        }
    ]
    powers = data["users_with_most_permissions"]
    assert isinstance(powers, list)
    # pt-d grants X_read_write, which includes X_read, and two more; the others grant base_user_read
    assert (powers[0]["user"], powers[0]["unexpired"], len(powers[0]["permissions"])) == ("li.wei", 4, 4)


def test_a_comparison_is_in_the_json() -> None:
    summary = a_summary()
    text = as_json_text(summary)
    data = json.loads(as_json_text(summary, compare(parse_report(text.encode()), summary)))
    assert data["comparison"] == {"since": "2026-06-01T00:00:00Z", "fixed": [], "new": [], "unchanged": 4, "unknown": 0}
