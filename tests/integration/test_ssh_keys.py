"""SSH keys from HTTP to the list and the metrics, on platforms that offer the call and on those that do not."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from support.configuration import settled
from support.scripted import ScriptedServer, answer

from exporter.app.once import Outcome, sweep_once
from exporter.common.clock import SystemClock
from exporter.report.listing import records, rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.scripted import Request

TOKEN = {
    "token_id": "pt-1",
    "name": "ci",
    "permissions": ["base_user_read"],
    "created_at": "2026-05-01T00:00:00Z",
    "expired_at": "2026-07-01T00:00:00Z",
}
KEY = {
    "id": 501,
    "title": "laptop",
    "fingerPrint": "SHA256:0f1e2d",
    "key": "ssh-ed25519 AAAAC3Nza",
    "keyScope": "ALL",
    "createdAt": "2026-05-01T00:00:00Z",
    "expireTime": "2026-06-15T00:00:00Z",
    "lastUsedTime": "2026-05-31T00:00:00Z",
}
USERS = 8


class Platform:
    """Lists one token of each user; what it answers to the call for keys is the test's."""

    def __init__(self, keys: Callable[[str], bytes]) -> None:
        self.keys = keys
        self.asked: Counter[str] = Counter()

    def __call__(self, request: Request) -> bytes:
        path = request.head.split()[1].partition("?")[0].removeprefix("/oapi/v1/")
        if path == "platform/users/admin/personalAccessTokens":
            self.asked["tokens"] += 1
            return answer(json.dumps([TOKEN]).encode())
        self.asked["keys"] += 1
        return self.keys(path)


def swept(platform: Platform) -> Outcome:
    users = ", ".join(f'{{id: "u{number}"}}' for number in range(USERS))
    with ScriptedServer(platform) as server:
        text = f"""
organizations:
  - name: acme
    endpoint: {server.url}
    token_env: TOKEN
    credentials: [tokens, ssh_keys]
    organization_id: o1
    limits: {{requests_per_second: null, concurrency: 1}}
    users: {{static: [{users}]}}
"""
        return sweep_once(settled(text), SystemClock(), lambda _: None, lambda _: None)


def listed(outcome: Outcome) -> list[dict[str, Any]]:
    return records(rows(outcome.view, 0.0), 0.0)


def test_the_keys_of_all_users_are_listed_and_the_key_itself_is_nowhere() -> None:
    paths: list[str] = []

    def keys(path: str) -> bytes:
        paths.append(path)
        return answer(json.dumps([KEY]).encode())

    outcome = swept(Platform(keys))
    assert sorted(paths) == [f"codeup/organizations/o1/users/u{number}/keys" for number in range(USERS)]
    found = listed(outcome)
    assert Counter(one["kind"] for one in found) == {"token": USERS, "ssh_key": USERS}
    assert (found[0]["token_id"], found[0]["last_used_at"]) == ("501", "2026-05-31T00:00:00Z")
    assert outcome.failures == outcome.notes == ()
    assert "AAAAC3Nza" not in repr(outcome)


@pytest.mark.parametrize(
    ("status", "body", "requests"),
    [
        ("400 Bad Request", b'{"errorCode": "UnsupportedInCurrentEnv"}', 1),
        ("403 Forbidden", b'{"errorCode": "Forbidden"}', 3),
        ("404 Not Found", b"<html>", 3),
        ("200 OK", b"<html>", 3),
        ("302 Found", b"", 3),
    ],
)
def test_a_platform_without_the_call_costs_a_few_requests_and_no_user(status: str, body: bytes, requests: int) -> None:
    platform = Platform(lambda _: answer(body, status))
    outcome = swept(platform)
    assert platform.asked == {"tokens": USERS, "keys": requests}
    assert outcome.failures == ()
    (note,) = outcome.notes
    assert note.startswith(f"acme: the SSH keys of {USERS} of {USERS} users are not listed; ")
    assert [one["kind"] for one in listed(outcome)] == ["token"] * USERS
    assert all(state.failure is None for state in outcome.view.organizations[0].users)
