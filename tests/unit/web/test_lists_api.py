"""The lists of the API, over a state in memory."""

from __future__ import annotations

import csv
import gzip
import io
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
from support.builders import DAY, NOW, a_failure, a_key, a_token
from support.pages import AppWorld

from exporter.model.event import Change, Event
from exporter.model.token import NEVER
from exporter.model.user import Owner, User

if TYPE_CHECKING:
    from collections.abc import Iterator

LI = User("1", "li.wei", (("team", "a"),), None, Owner("li@x.com", "Ops", "liwei"))
WANG = User("2", "wang")


@pytest.fixture
def world() -> AppWorld:
    world = AppWorld("acme", "globex")
    acme = world.watch("acme", LI, WANG)
    tokens = (
        a_token("pt-a", expires_in=DAY, name="deploy", permissions=("base_user_read_write",)),
        a_token("pt-b", expires_in=NEVER, name="ci"),
        a_token("pt-c", expires_in=-DAY, name="old"),
    )
    acme.succeeded("1", tokens, NOW, (a_key("501"),))
    acme.failed("2", a_failure(), NOW)
    world.watch("globex", User("3", "zhao")).succeeded("3", (a_token("pt-d", expires_in=40 * DAY),), NOW)
    world.index.prepare(NOW)
    return world


def rows(world: AppWorld, name: str, **query: str) -> list[dict[str, Any]]:
    reply = world.get(f"/api/v1/{name}", urlencode(query))
    assert reply.status == 200, reply.text
    found: list[dict[str, Any]] = json.loads(reply.body)
    return found


def ids(world: AppWorld, **query: str) -> list[str]:
    return [one["token_id"] for one in rows(world, "tokens", **query)]


def test_tokens_with_any_parameter(world: AppWorld) -> None:
    assert ids(world, sort="expires") == ["pt-c", "pt-a", "501", "pt-d", "pt-b"]
    assert ids(world, sort="-expires", kind="token") == ["pt-b", "pt-d", "pt-a", "pt-c"]
    assert ids(world, organization="globex") == ["pt-d"]
    assert ids(world, permission="base_user_read", state="active") == ["pt-a", "pt-d"]
    assert ids(world, q="DEPLOY") == ["pt-a"]
    assert ids(world, policy="forbidden_permissions") == ["pt-a"]
    assert ids(world, expires_within="30d") == ["pt-a", "501"]
    assert ids(world, user="nobody") == []


def test_a_token_has_what_is_known_about_it(world: AppWorld) -> None:
    (found,) = rows(world, "tokens", token_id="pt-a")
    assert found == {
        "organization": "acme", "user_id": "1", "user": "li.wei", "token_id": "pt-a", "token": "deploy",
        "state": "active", "expires_at": "2026-06-02T00:00:00Z", "expires_in_seconds": 86400,
        "created_at": "2026-05-31T00:00:00Z", "permissions": ["base_user_read_write"], "description": "",
        "kind": "token", "last_used_at": None, "listed_expires_at": None, "urgency": "ok", "owner_email": "li@x.com",
        "owner_username": "liwei", "owner_department": "Ops", "policies": ["forbidden_permissions"],
    }  # fmt: skip


def test_users(world: AppWorld) -> None:
    wang, li, zhao = rows(world, "users", sort="status")
    assert [one["user"] for one in (wang, li, zhao)] == ["wang", "li.wei", "zhao"]
    assert (wang["status"], wang["reason"], wang["failing_since"]) == (
        "failing",
        "server_error",
        "2026-06-01T00:00:00Z",
    )
    assert (li["tokens"], li["next_expiry"], li["ssh_keys"], li["labels"]) == (
        {"active": 1, "expired": 1, "never_expires": 1, "unknown": 0}, "2026-06-02T00:00:00Z", 1, {"team": "a"},
    )  # fmt: skip
    assert [one["user"] for one in rows(world, "users", state="never_expires")] == ["li.wei"]


def test_violations(world: AppWorld) -> None:
    world.watch("globex", User("3", "zhao")).succeeded("3", tuple(a_token(f"pt-{n}") for n in range(4)), NOW)
    found = rows(world, "violations", limit="10")
    assert [(one["user"], one["token_id"], [v["policy"] for v in one["violations"]]) for one in found] == [
        ("li.wei", "pt-a", ["forbidden_permissions"]),
        # Both are warnings: the whole user stands where the expiry is not known.
        ("zhao", None, ["max_tokens_per_user"]),
        ("li.wei", "pt-b", ["never_expires"]),
    ]
    assert found[2]["violations"][0] == {
        "policy": "never_expires", "severity": "warning", "problem": "it never expires",
        "since": "2026-05-31T00:00:00Z",
    }  # fmt: skip
    assert [one["token_id"] for one in rows(world, "violations", severity="critical")] == ["pt-a"]


def test_events(world: AppWorld) -> None:
    world.events = [
        Event(NOW - n, "acme", "1", "li.wei", change, f"pt-{n}", "ci")
        for n, change in enumerate((Change.CREATED, Change.DELETED, Change.RENAMED))
    ]
    assert [one["token_id"] for one in rows(world, "events", sort="-time")] == ["pt-0", "pt-1", "pt-2"]
    assert [one["token_id"] for one in rows(world, "events", sort="time")] == ["pt-2", "pt-1", "pt-0"]
    assert [one["token_id"] for one in rows(world, "events", event="deleted")] == ["pt-1"]
    assert rows(world, "events", q="zz") == rows(world, "events", organization="globex") == []
    assert [one["token_id"] for one in rows(world, "events", since="2026-06-01T00:00:00Z")] == ["pt-0"]


def pages(world: AppWorld, name: str, **query: str) -> Iterator[list[dict[str, Any]]]:
    path = f"{name}?{urlencode(query)}"
    for _ in range(50):
        listed, _, text = path.partition("?")
        reply = world.get(f"/api/v1/{listed}", text)
        yield json.loads(reply.body)
        if "link" not in reply.headers:
            assert "x-next-cursor" not in reply.headers
            return
        link, _, rel = reply.headers["link"].partition(">; ")
        assert rel == 'rel="next"'
        path = link.removeprefix("<")
    pytest.fail("pages without end")


@pytest.mark.parametrize("name", ["tokens", "users", "violations", "events"])
@pytest.mark.parametrize("limit", ["1", "2", "3"])
def test_pages_together_are_the_whole_list(world: AppWorld, name: str, limit: str) -> None:
    world.events = [Event(NOW, "acme", "1", "li", Change.CREATED, f"pt-{n}", "ci") for n in range(5)]
    default = {"tokens": "expires", "users": "status", "violations": "severity", "events": "-time"}[name]
    for sort in {default, default.removeprefix("-")}:
        whole = rows(world, name, sort=sort)
        assert len(whole) >= 2
        assert [one for page in pages(world, name, sort=sort, limit=limit) for one in page] == whole


def test_the_number_of_all_rows_is_said(world: AppWorld) -> None:
    assert world.get("/api/v1/tokens", "limit=1").headers["x-total-count"] == "5"
    assert world.get("/api/v1/tokens", "state=active").headers["x-total-count"] == "3"


def test_without_parameters_tokens_and_events_answer_as_they_always_did(world: AppWorld) -> None:
    reply = world.get("/api/v1/tokens")
    assert "urgency" not in json.loads(reply.body)[0]
    assert reply.headers["x-tokens-left-out"] == "0"
    assert (world.get("/api/v1/events", "limit=0").body, world.get("/api/v1/events", "limit=x").status) == (b"[]", 400)


@pytest.mark.parametrize(
    "path",
    [
        *("tokens?foo=1", "users?kind=token", "violations?expires_from=x", "events?since=x", "tokens?limit=0"),
        *(
            "calendar.ics?state=active",
            "organizations?x=1",
            "status?limit=1",
            "openapi.json?x=",
            "tokens?cursor=x&limit=1",
        ),
    ],
)
def test_what_cannot_be_answered_is_refused(world: AppWorld, path: str) -> None:
    name, _, query = path.partition("?")
    reply = world.get(f"/api/v1/{name}", query)
    assert (reply.status, reply.headers["content-type"]) == (400, "application/problem+json")
    assert {*json.loads(reply.body)} == {"title", "status", "detail"}


def test_an_unknown_parameter_is_answered_with_the_list_of_known_ones(world: AppWorld) -> None:
    reply = world.get("/api/v1/events", "foo=1&limit=2")
    assert json.loads(reply.body)["detail"] == (
        "unknown parameter 'foo'; known are q, organization, user, token_id, event, kind, since, until, sort, limit, "
        "cursor, format"
    )


def test_answers_are_compressed_and_not_sent_twice(world: AppWorld) -> None:
    plain = world.get("/api/v1/tokens", "limit=100")
    packed = world.get("/api/v1/tokens", "limit=100", {"Accept-Encoding": "gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body
    assert packed.headers["etag"] == plain.headers["etag"]
    known = world.get("/api/v1/tokens", "limit=100", {"If-None-Match": f'"x", {plain.headers["etag"]}'})
    assert (known.status, known.body) == (304, b"")
    whole = world.get("/api/v1/tokens", "sort=expires", {"Accept-Encoding": "gzip"})
    assert json.loads(gzip.decompress(whole.body)) == json.loads(plain.body)


HOSTILE = ("<img src=x onerror=alert(1)>", "=cmd|' /C calc'!A0", "a;=1+1", "x\r\n=1+1")


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("query", ["format=csv", "format=csv&limit=10"])
def test_no_csv_cell_is_a_formula(world: AppWorld, name: str, query: str) -> None:
    user = User("9", name, (), None, Owner(name, name, name))
    world.events = [Event(NOW, "acme", "9", name, Change.RENAMED, "pt-x", name, old_name=name)]
    token = replace(a_token("pt-x", name=name, expires_in=NEVER, permissions=(name,)), description=name)
    world.watch("acme", user).succeeded("9", (token,), NOW)
    for listed in ("tokens", "users", "violations", "events"):
        reply = world.get(f"/api/v1/{listed}", query)
        assert reply.headers["content-type"] == "text/csv; charset=utf-8"
        assert reply.headers["content-disposition"] == f'attachment; filename="{listed}.csv"'
        assert reply.body.startswith(b"\xef\xbb\xbf")
        heading, *lines = csv.reader(io.StringIO(reply.text.removeprefix("\ufeff"), newline=""))
        assert lines
        for line in lines:
            assert len(line) == len(heading)
            assert not [cell for cell in line if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]


def test_a_calendar_of_coming_expiries(world: AppWorld) -> None:
    reply = world.get("/api/v1/calendar.ics", "organization=acme")
    assert reply.headers["content-type"] == "text/calendar; charset=utf-8"
    starts = [line for line in reply.text.splitlines() if line.startswith("DTSTART")]
    # pt-a expires a day from now, the SSH key five days from now.
    assert starts == ["DTSTART:20260602T000000Z", "DTSTART:20260606T000000Z"]
    assert world.get("/api/v1/calendar.ics", "limit=1").text.count("BEGIN:VEVENT") == 1


def test_organizations_and_status(world: AppWorld) -> None:
    acme, globex = json.loads(world.get("/api/v1/organizations").body)
    assert (acme["users"], acme["users_failing"], acme["unreadable"]) == (2, 1, False)
    assert acme["expiring_within_days"] == {"7": 1, "14": 1, "30": 1}
    assert acme["violations"] == {"never_expires": 1, "forbidden_permissions": 1, "max_tokens_per_user": 0}
    assert globex["tokens"] == {"active": 1, "expired": 0, "never_expires": 0, "unknown": 0}
    status = json.loads(world.get("/api/v1/status").body)
    assert (status["organizations"], status["users"], status["ready"], status["violations_complete"]) == (
        2,
        3,
        True,
        True,
    )


def test_a_row_that_cannot_be_made_is_left_out_and_counted_once(world: AppWorld) -> None:
    bad = replace(a_token("pt-bad", expires_in=DAY), permissions=(None,))  # type: ignore[arg-type] # a defect
    world.ledgers["globex"].succeeded("3", (bad, a_token("pt-good")), NOW)
    for query in ("format=csv&organization=globex", "format=csv&organization=globex&limit=5"):
        first, second = world.get_all(["/api/v1/tokens", "/api/v1/tokens"], query)
        assert ("pt-good" in first.text, "pt-bad" in first.text, second.text) == (True, False, first.text)
    # Once for each application that `get_all` makes; and once it could not be checked against the policies.
    assert world.refusals.internal_errors == {"render": 2, "index": 1}
