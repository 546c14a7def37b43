"""Every field of the documented response, from the body of the answer to each output of the exporter."""

from __future__ import annotations

import csv
import html
import io
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast
from zoneinfo import ZoneInfo

import msgspec
import pytest
from support import official_sample as sample
from support.alert_oracle import alerts
from support.builders import Counts, ManualClock
from support.configuration import settled, with_organization
from support.pages import AppWorld
from support.report import text_of, write_list

from exporter.cluster.records import read_state
from exporter.common.worker import Supervisor
from exporter.config.alerting import PolicyAlerts
from exporter.metrics.rendering import Plan, render_user
from exporter.model.event import events
from exporter.model.state import UserState
from exporter.model.user import User
from exporter.platform.yunxiao.wire import parse_tokens
from exporter.policies.schema import Policies
from exporter.report.formats import Form, Output
from exporter.report.listing import OWNER_COLUMNS, rows
from exporter.report.summary import summarize
from exporter.report.writing import ListOptions
from exporter.state.audit import AuditTrail
from exporter.state.ledger import Ledger
from exporter.state.storage import Storage
from exporter.state.store import Store
from exporter.state.token_index import TokenIndex
from exporter.web.api import EventList
from exporter.web.token_list import TokenList

if TYPE_CHECKING:
    from pathlib import Path

    from exporter.model.snapshot import View
    from exporter.web.refusals import Refusals

PERMISSION = "base_user_read"
LI = User("3001", "li.wei")
NOW = sample.EXPIRES_AT - 86400
"""One day before the token expires."""
AS_RECORD = {
    "organization": "acme",
    "user_id": "3001",
    "user": "li.wei",
    "token_id": sample.TOKEN_ID,
    "token": sample.NAME,
    "state": "active",
    "expires_at": "2025-06-22T12:44:50Z",
    "expires_in_seconds": 86400,
    "created_at": "2025-05-22T12:44:50Z",
    "permissions": [PERMISSION],
    "description": sample.DESCRIPTION,
    "kind": "token",
    "last_used_at": None,
    "listed_expires_at": None,
    "owner_email": None,
    "owner_username": None,
    "owner_department": None,
}
TEXTS = (sample.TOKEN_ID, sample.NAME, sample.DESCRIPTION)
POLICIES = Policies.model_validate({"forbidden_permissions": {"permissions": ("base_user_.*",)}})
CONFIG = settled(with_organization("")).config.model_copy(update={"policies": POLICIES})


@pytest.fixture(name="state")
def polled_state() -> UserState:
    """The user's state after a poll that was answered with the sample."""
    tokens = parse_tokens(sample.BODY, ZoneInfo("Asia/Shanghai")).tokens
    return UserState(LI).succeeded(tokens, NOW)


@pytest.fixture(name="store")
def polled_store(state: UserState) -> Store:
    ledger = Ledger("acme", [LI])
    ledger.succeeded(LI.user_id, state.tokens, NOW)
    store = Store()
    store.replace([ledger])
    return store


@pytest.fixture(name="view")
def polled_view(store: Store) -> View:
    return store.view()


def the_list(view: View, form: Output) -> str:
    stream = io.StringIO()
    write_list(rows(view, NOW), form, stream, ListOptions(wide=True), now=NOW)
    return stream.getvalue()


def test_the_list_of_tokens(view: View) -> None:
    assert json.loads(the_list(view, Output.JSON)) == [AS_RECORD]
    (record,) = csv.DictReader(io.StringIO(the_list(view, Output.CSV)))
    assert record == {
        **AS_RECORD,
        "expires_in_seconds": "86400",
        "permissions": PERMISSION,
        "last_used_at": "",
        "listed_expires_at": "",
        "owner_email": "",
        "owner_username": "",
        "owner_department": "",
    }
    _, line = the_list(view, Output.TABLE).splitlines()
    shown = ("acme", "li.wei", *TEXTS, "expires in 1d", "2025-06-22T12:44:50Z", PERMISSION)
    assert [text for text in shown if text not in line] == []


def test_the_api(store: Store) -> None:
    listing = TokenList(TokenIndex(store.view), ManualClock(NOW), cast("Refusals", Counts())).begin()
    assert (json.loads(b"".join(listing.portions())), listing.left_out) == ([AS_RECORD], 0)


def test_the_first_page(store: Store) -> None:
    world = AppWorld()
    world.clock = ManualClock(NOW)
    world.served = replace(
        world.served,
        clock=world.clock,
        store=store,
        index=TokenIndex(store.view),
        zones=lambda: {"acme": ZoneInfo("Asia/Shanghai")},
    )
    page = html.unescape(world.get("/").text).replace("<wbr>", "")
    # 12:44:50Z is 20:44 in Shanghai.
    shown = (*TEXTS, "li.wei", "3001", "in 1d", "2025-06-22 20:44 +08:00", "2025-06-22 12:44 UTC")
    assert [text for text in shown if text not in page] == []


def test_the_report(view: View) -> None:
    summary = summarize(view, POLICIES, NOW)
    data = json.loads(text_of(summary, Form.JSON))
    fields = {key: AS_RECORD[key] for key in AS_RECORD if key not in {"expires_in_seconds", "last_used_at"}}
    assert data["oldest"] == data["most_powerful"] == [fields]
    of_violation = ("organization", "user_id", "user", *OWNER_COLUMNS, "token_id", "token", "description")
    who = {key: AS_RECORD[key] for key in of_violation}
    assert data["violations"] == [{**who, "policy": "forbidden_permissions", "severity": "critical"}]

    page = html.unescape(text_of(summary, Form.HTML))
    shown = (*TEXTS, "li.wei", "2025-05-22", "expires in 1d", PERMISSION)
    assert [text for text in shown if text not in page] == []

    text = text_of(summary, Form.MARKDOWN).replace("\\", "")
    fields_shown = (*TEXTS, "li.wei", "2025-05-22T12:44:50Z", "expires in 1d")
    assert [field for field in fields_shown if field not in text] == []

    lines = [record for record in csv.DictReader(io.StringIO(text_of(summary, Form.CSV))) if record["token_id"]]
    assert {(one["token_id"], one["token"], one["description"]) for one in lines} == {TEXTS}
    values = {(one["section"], one["name"]): one["value"] for one in lines}
    assert values["oldest", "created_at"] == "2025-05-22T12:44:50Z"
    assert values["most_powerful", "permissions"] == "1"


def test_the_metrics_and_no_description_in_any_label(state: UserState) -> None:
    rendered = render_user("acme", state, Plan.of(CONFIG, "s"), NOW)
    text = b"".join(rendered.lines).decode()
    labels = f'organization="acme",token="{sample.NAME}",token_id="{sample.TOKEN_ID}",user="li.wei",user_id="3001"'
    permission = f'organization="acme",permission="{PERMISSION}",user="li.wei",user_id="3001"'
    assert f"yunxiao_token_expiry_timestamp_seconds{{{labels}}} {sample.EXPIRES_AT}\n" in text
    assert f"yunxiao_token_created_timestamp_seconds{{{labels}}} {sample.CREATED_AT}\n" in text
    assert f"yunxiao_user_permission_expiry_timestamp_seconds{{{permission}}} {sample.EXPIRES_AT}\n" in text
    assert f"yunxiao_user_permission_tokens{{{permission}}} 1.0\n" in text
    assert sample.DESCRIPTION not in text


def test_the_events(state: UserState) -> None:
    before = UserState(LI).succeeded((), NOW - 900)
    (created,) = events("acme", before, state)
    (deleted,) = events("acme", state, state.succeeded((), NOW + 900))
    trail = AuditTrail(lambda _: None)
    trail.record([created, deleted])
    newest, first = json.loads(EventList(trail.latest, cast("Refusals", Counts())).encoded().newest(None))
    names = ("organization", "user_id", "user", "token_id", "token", "description", "kind")
    whose = {key: AS_RECORD[key] for key in names}
    assert first == {
        **whose,
        "time": "2025-06-21T12:44:50.048Z",
        "event": "created",
        "added": [PERMISSION],
        "new_expiry": "2025-06-22T12:44:50Z",
    }
    assert newest["event"] == "deleted"
    assert (newest["description"], newest["removed"]) == (sample.DESCRIPTION, [PERMISSION])


def test_the_annotations_of_alerts(view: View) -> None:
    alerting = CONFIG.alerting.model_copy(update={"policy_violations": PolicyAlerts.PER_TOKEN})
    config = CONFIG.model_copy(update={"alerting": alerting})
    about_tokens = [alert for alert in alerts(view, config, None, NOW) if "token_id" in dict(alert.labels)]
    assert [dict(one.labels)["alertname"] for one in about_tokens] == [
        "YunxiaoTokenExpiringCritical",
        "YunxiaoTokenPolicyViolation",
    ]
    for alert in about_tokens:
        labels, annotations = dict(alert.labels), dict(alert.annotations)
        assert (labels["token_id"], labels["token"]) == (sample.TOKEN_ID, sample.NAME)
        assert annotations["token_description"] == sample.DESCRIPTION
        assert sample.DESCRIPTION not in labels.values()
    assert dict(about_tokens[0].annotations)["description"].startswith(
        f"Token {sample.NAME} ({sample.TOKEN_ID}) of li.wei in acme expires at 2025-06-22 20:44 Asia/Shanghai "
        f"(2025-06-22 12:44 UTC). Permissions: {PERMISSION}: lost at 2025-06-22 20:44 Asia/Shanghai. "
        f"Purpose: {sample.DESCRIPTION}."
    )


def a_storage(path: Path) -> Storage:
    supervisor = Supervisor(lambda name: pytest.fail(f"{name} crashed"), ManualClock())
    return Storage(path, lambda: pytest.fail("storage failed"), lambda _: None, supervisor)


def test_the_state_file_and_the_records_in_redis(state: UserState, tmp_path: Path) -> None:
    storage = a_storage(tmp_path / "state.db")
    storage.load()
    (created,) = events("acme", UserState(LI).succeeded((), NOW - 900), state)
    storage.record("acme", state, [created])
    storage._flush()
    storage.stop()
    restored = a_storage(tmp_path / "state.db")
    organizations, _ = restored.load()
    restored.stop()
    assert organizations["acme"].users == (state,)
    assert restored.events == (created,)
    assert created.description == sample.DESCRIPTION
    assert read_state(msgspec.msgpack.encode(state)) == state


def without(record: Any, *names: str) -> Any:
    """A record without some fields, as an older exporter writes it."""
    return {key: value for key, value in record.items() if key not in names}


def test_a_record_of_an_older_exporter_is_read(state: UserState) -> None:
    record = msgspec.msgpack.decode(msgspec.msgpack.encode(state))
    record["tokens"] = [without(token, "description") for token in record["tokens"]]
    (token,) = read_state(msgspec.msgpack.encode(record)).tokens
    assert (token.token_id, token.description) == (sample.TOKEN_ID, "")
