"""Whole sweeps over lists that are another user's, unreadable in part, or name dates that are no dates."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs
from support.builders import DAY, NOW, Counts, ManualClock, a_watchdog
from support.running import write_config
from support.scripted import Request, ScriptedServer, answer

from exporter.app.once import sweep_once
from exporter.app.organization import Organization
from exporter.app.organization_parts import Shared
from exporter.common.cancellation import Stop
from exporter.common.text import utc
from exporter.config.load import load
from exporter.model.event import events
from exporter.model.token import NEVER
from exporter.state.delivery import Changed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from exporter.model.state import UserState
    from exporter.state.delivery import Update


def an_entry(number: int = 1, **changes: Any) -> dict[str, Any]:
    entry = {
        "created_at": utc(NOW - DAY),
        "expired_at": utc(NOW + 5 * DAY),
        "name": f"ci-{number}",
        "permissions": ["base_user_read"],
        "token_id": f"pt-{number}",
        "user_id": "u1",
    }
    return {key: value for key, value in {**entry, **changes}.items() if value is not ...}


class Telemetry(Counts):
    def begin(self) -> None:
        """Accept a call that nothing is counted for."""

    def shortest_interval(self, seconds: float) -> None:
        """Accept a gauge that no test reads."""


class Scene:
    """Sweeps the users u1 and u2 of a platform that answers as a test sets."""

    def __init__(self, folder: Path, url: str, **changes: Any) -> None:
        self.entries: list[Any] = [an_entry()]
        self.caller = {"id": "admin"}
        self.folder, self.url = folder, url
        self.telemetry = Telemetry()
        self.updates: list[Update] = []
        clock = ManualClock()
        self.watchdog = a_watchdog(clock)
        self.shared = Shared(self.watchdog, Stop(), clock, str, publish=self.updates.append)
        self.organization = self.build(**changes)

    def build(self, previous: Organization | None = None, **changes: Any) -> Organization:
        settings = load(write_config(self.folder, self.url, ["u1", "u2"], **changes), {})
        return Organization(
            settings.organizations[0],
            settings.config,
            self.shared,
            self.telemetry,  # type: ignore[arg-type] # counts only
            previous,
        )

    def answer(self, request: Request) -> bytes:
        caller = "personalAccessTokens" not in request.head
        return answer(json.dumps(self.caller if caller else self.entries).encode())

    def sweep(self, entries: list[Any] | None = None) -> dict[str, UserState]:
        self.entries = self.entries if entries is None else entries
        self.organization.sweep_once(lambda _: None)
        return {state.user.user_id: state for state in self.organization.ledger.view().users}


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with ScriptedServer(lambda _: None) as server:
        made = Scene(tmp_path, server.url)
        server.script = made.answer
        yield made
        made.organization.end()


def test_tokens_of_another_watched_user_are_not_taken(scene: Scene) -> None:
    known = scene.sweep([an_entry(user_id=...)])
    assert [len(state.tokens) for state in known.values()] == [1, 1]
    states = scene.sweep([an_entry(2)])  # for whoever is asked
    assert [token.token_id for token in states["u1"].tokens] == ["pt-2"]
    assert states["u2"].tokens == known["u2"].tokens
    failure = states["u2"].failure
    assert failure is not None
    assert failure.reason == "invalid_response"
    assert failure.message.startswith("the answer lists tokens of another user (u1) instead of those of u2")
    assert scene.telemetry.of("parse_errors") == [("parse_errors", "user_id", 1)]
    assert ("error", "invalid_response") in scene.telemetry.seen


def test_tokens_of_the_caller_are_not_taken(scene: Scene) -> None:
    states = scene.sweep([an_entry(user_id="admin")])
    assert [state.tokens for state in states.values()] == [(), ()]
    assert [str(state.failure and state.failure.reason) for state in states.values()] == ["invalid_response"] * 2
    assert scene.telemetry.of("request").count(("request", "get_caller", "200")) == 1


def test_a_list_without_a_readable_token_is_a_failed_poll(scene: Scene) -> None:
    known = scene.sweep([an_entry(user_id=...)])
    states = scene.sweep([an_entry(token_id=..., id="pt-1")])
    assert [state.tokens for state in states.values()] == [state.tokens for state in known.values()]
    for state in states.values():
        assert state.failure is not None
        assert state.failure.message == "the answer is a list in which no entry is a token with an id (1 listed)"
    assert scene.telemetry.of("parse_errors") == [("parse_errors", "token_id", 1)] * 2


def test_one_unreadable_entry_of_ten_deletes_no_token(scene: Scene) -> None:
    ten = [an_entry(number, user_id=...) for number in range(10)]
    scene.sweep(ten)
    states = scene.sweep([{**entry, "token_id": None} if entry["name"] == "ci-4" else entry for entry in ten])
    assert {token.token_id for token in states["u1"].tokens} == {f"pt-{number}" for number in range(10)}
    assert (states["u1"].failure, states["u1"].unreadable) == (None, 1)
    assert len(scene.sweep([entry for entry in ten if entry["name"] != "ci-4"])["u1"].tokens) == 9


def test_a_date_decades_away_counts_as_never_until_a_reload_says_otherwise(scene: Scene) -> None:
    far = NOW + 36_500 * DAY
    (token,) = scene.sweep([an_entry(user_id=..., expired_at=utc(far))])["u1"].tokens
    assert (token.expires_at, token.listed_expiry) == (NEVER, far)
    replaced = scene.organization
    scene.organization = scene.build(replaced, never_expires_after=None)
    assert not replaced.serves(scene.organization.settings, scene.organization.poll)
    replaced.end()
    scene.organization.take_over()
    (token,) = scene.sweep()["u1"].tokens
    assert (token.expires_at, token.listed_expiry) == (far, None)
    changes = [update for update in scene.updates if isinstance(update, Changed)]
    assert len(changes) == 4
    assert [event for update in changes for event in events("acme", update.before, update.after)] == []


def test_masked_owners_are_taken_and_logged_once(scene: Scene) -> None:
    with capture_logs() as lines:
        states = scene.sweep([an_entry(user_id="u***")])
        scene.sweep()
    assert [state.failure for state in states.values()] == [None, None]
    assert [line["event"] for line in lines if "owners" in line["event"]] == [
        "the platform masks the ids of tokens' owners"
    ]


def test_a_command_says_that_tokens_are_missing_from_its_list(tmp_path: Path) -> None:
    entries = [an_entry(user_id=...), an_entry(2, user_id=..., token_id=...)]

    def platform(request: Request) -> bytes:
        alone = "userId=u1" in request.head
        return answer(json.dumps(entries if alone else [an_entry(user_id=...)]).encode())

    with ScriptedServer(platform) as server:
        settings = load(write_config(tmp_path, server.url, ["u1", "u2"]), {})
        outcome = sweep_once(settings, ManualClock(), lambda _: None, lambda _: None)
    assert outcome.failures == ()
    assert outcome.notes == (
        "acme: 1 listed token(s) of u1 (u1) cannot be read, such as those without an id, and are left out",
    )
