"""State that outlives the process: whatever ends it, and whatever has become of the file."""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
import structlog
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.alertmanager_stub import Alertmanager, text_of
from support.builders import NOW
from support.running import Exporter, a_record, a_simulator, get, keep, wait_until, write_config
from support.state_files import contents_of

from exporter.common.clock import SystemClock
from exporter.common.worker import Supervisor
from exporter.model.event import Change, Event
from exporter.model.kept_alert import KeptAlert, KeptChanges
from exporter.model.snapshot import Sweep, SweepResult
from exporter.model.state import Failure, Reason, UserState
from exporter.model.token import NEVER, Token
from exporter.model.user import Owner, OwnThresholds, User
from exporter.platform.yunxiao.simulator.faults import Fault
from exporter.state import alert_rows, sqlite
from exporter.state.sqlite import SCHEMA
from exporter.state.statefile import StateFile
from exporter.state.storage import Storage
from exporter.state.user_row import encoded

if TYPE_CHECKING:
    from collections.abc import Callable

STATE = UserState(
    User("1", "张三", (("team", "x"),), OwnThresholds(5.0, None), Owner("zhang.san@example.com", None, "z3")),
    (Token("pt-1", "ci", ("base_user_read",), NOW - 5, NEVER), Token("pt-2", "\ufffd", (), None, None)),
    last_success=NOW,
    polled=True,
    failure=Failure(Reason.TIMEOUT, "slow"),
    failing_since=NOW + 1,
    failures=3,
)
SWEEP = Sweep(SweepResult.PARTIAL, 1.5, NOW)
ALERT = KeptAlert((("alertname", "A"), ("user", "张三")), (("summary", "expires in 3d"),), NOW - 3)
RESOLVED = KeptAlert((("alertname", "B"),), (), NOW - 9, NOW - 1)


def a_storage(path: Path, dropped: Callable[[int], None] = lambda _: None) -> tuple[Storage, list[int]]:
    errors: list[int] = []
    supervisor = Supervisor(lambda name: pytest.fail(f"{name} crashed"), SystemClock())
    return Storage(path, lambda: errors.append(1), dropped, supervisor), errors


def filled(path: Path) -> None:
    storage, _ = a_storage(path)
    storage.load()
    storage.start()
    storage.record("acme", STATE)
    storage.swept("acme", SWEEP)
    storage.own_token("acme", NEVER)
    storage.own_token("globex", None)
    storage.keep_alerts(KeptChanges((ALERT, RESOLVED), complete=True))
    storage.stop()


def test_what_is_written_comes_back(tmp_path: Path) -> None:
    filled(tmp_path / "s.db")
    storage, errors = a_storage(tmp_path / "s.db")
    views, alerts = storage.load()
    assert views["acme"].users == (STATE,)
    assert views["acme"].sweep == SWEEP
    assert views["acme"].own_expiry == NEVER
    assert {*alerts} == {ALERT, RESOLVED}
    assert errors == []
    assert stat.S_IMODE((tmp_path / "s.db").stat().st_mode) == 0o600


def test_once_read_the_states_and_alerts_of_an_earlier_run_are_not_kept_in_memory(tmp_path: Path) -> None:
    filled(tmp_path / "s.db")
    storage, _ = a_storage(tmp_path / "s.db")
    views, alerts = storage.load()
    state, alert = views["acme"].users[0], alerts[0]
    assert (type(state), type(alert)) == (UserState, KeptAlert)
    del views, alerts
    # Only the variable here refers to them, and the argument of the call.
    assert (sys.getrefcount(state), sys.getrefcount(alert)) == (2, 2)
    assert storage.events == ()


def test_what_an_older_exporter_wrote_is_read(tmp_path: Path) -> None:
    filled(tmp_path / "s.db")
    with sqlite3.connect(tmp_path / "s.db") as connection:
        older = msgspec.msgpack.decode(msgspec.msgpack.encode(STATE))
        del older["user"]["owner"]
        connection.execute("UPDATE users SET state = ?", [msgspec.msgpack.encode(older)])
        connection.execute("DROP TABLE own_tokens")
    connection.close()
    storage, errors = a_storage(tmp_path / "s.db")
    view = storage.load()[0]["acme"]
    assert view.users == (replace(STATE, user=replace(STATE.user, owner=None)),)
    assert (view.own_expiry, errors) == (None, [])


def test_who_is_not_watched_any_more_is_forgotten(tmp_path: Path) -> None:
    filled(tmp_path / "s.db")
    storage, _ = a_storage(tmp_path / "s.db")
    storage.load()
    storage.start()
    storage.organization_removed("acme")
    storage.organization_removed("globex")
    storage.stop()
    assert a_storage(tmp_path / "s.db")[0].load()[0] == {}


def an_event(number: int = 1) -> Event:
    return Event(
        NOW + number,
        "acme",
        "1",
        "张三",
        Change.CREATED,
        f"pt-{number}",
        "ci",
        added=("base_user_read",),
        new_expiry=NEVER,
    )


def test_events_come_back_oldest_first_and_only_the_last_thousand_are_kept(tmp_path: Path) -> None:
    storage, errors = a_storage(tmp_path / "s.db")
    storage.load()
    assert storage.events == ()
    for first, last in ((1, 10), (11, 1005)):
        for number in range(first, last + 1):
            storage.record("acme", STATE, [an_event(number)])
        storage._flush()
    again, _ = a_storage(tmp_path / "s.db")
    again.load()
    assert again.events == tuple(an_event(number) for number in range(6, 1006))
    assert again.last_events == {("acme", Change.CREATED): NOW + 1005}
    assert errors == []


def test_rows_that_cannot_be_read_cost_themselves_only(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    filled(path)
    with sqlite3.connect(path) as connection:
        connection.execute("INSERT INTO kept_alerts (alert) VALUES (x'c1ff')")
        connection.execute("INSERT INTO events (event) VALUES ('text')")
        connection.execute("INSERT INTO users VALUES ('acme', '2', 5)")
        connection.execute("INSERT INTO last_events VALUES ('acme', 'unheard of', 5)")
    connection.close()
    storage, errors = a_storage(path)
    views, alerts = storage.load()
    assert (views["acme"].users, {*alerts}, storage.events, storage.last_events) == (
        (STATE,),
        {ALERT, RESOLVED},
        (),
        {},
    )
    assert len(errors) == 4


def test_what_is_no_database_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("pt-x_named-by-mistake\n")
    path.chmod(0o640)
    storage, errors = a_storage(path)
    assert storage.load() == ({}, ())
    storage.record("acme", STATE)
    storage._flush()
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("pt-x_named-by-mistake\n", 0o640)
    assert [file.name for file in tmp_path.iterdir()] == ["token"]
    assert len(errors) == 1


def test_another_programs_database_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE customers (name TEXT)")
    connection.close()
    path.chmod(0o644)
    storage, errors = a_storage(path)
    assert storage.load() == ({}, ())
    storage.record("acme", STATE)
    storage._flush()
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("customers",)]
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    connection.close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert len(errors) == 1


def test_a_file_that_was_removed_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    storage, errors = a_storage(path)
    storage.load()
    for file in tmp_path.iterdir():
        file.unlink()
    storage.record("acme", STATE)
    storage._flush()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    again, _ = a_storage(path)
    views, _ = again.load()
    assert views["acme"].users == (STATE,)
    assert errors == []


def test_a_file_that_was_busy_at_the_start_is_used_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exporter.state.statefile._BUSY_TIMEOUT", 0.05)
    path = tmp_path / "s.db"
    filled(path)
    holder = sqlite3.connect(path)
    holder.execute("PRAGMA locking_mode = EXCLUSIVE")
    holder.execute("BEGIN EXCLUSIVE")
    storage, errors = a_storage(path)
    assert storage.load() == ({}, ())
    assert errors
    holder.rollback()
    holder.close()
    later = STATE.succeeded((), NOW + 60)
    storage.record("acme", later)
    storage._flush()
    again, _ = a_storage(path)
    views, _ = again.load()
    assert views["acme"].users == (later,)


def test_an_organization_that_is_removed_while_a_file_of_schema_3_is_busy_stays_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exporter.state.statefile._BUSY_TIMEOUT", 0.05)
    path = tmp_path / "s.db"
    before, _ = a_storage(path)
    before.load()
    before.start()
    before.record("acme", STATE)
    before.record("globex", STATE)
    before.stop()
    holder = sqlite3.connect(path)
    holder.execute("PRAGMA user_version = 3")
    holder.commit()
    holder.execute("PRAGMA locking_mode = EXCLUSIVE")
    holder.execute("BEGIN EXCLUSIVE")
    storage, _ = a_storage(path)
    storage.load()
    storage.organization_removed("acme")
    # The organization is added again, with another user.
    storage.record("acme", replace(STATE, user=User("2", "李四")))
    holder.rollback()
    holder.close()
    storage._flush()
    with sqlite3.connect(path) as connection:
        rows = set(connection.execute("SELECT organization, user_id FROM users"))
    connection.close()
    assert rows == {("acme", "2"), ("globex", "1")}


def test_events_that_could_not_be_written_wait(tmp_path: Path) -> None:
    (tmp_path / "s.db").touch()
    storage, _ = a_storage(tmp_path / "s.db")
    storage.load()
    (tmp_path / "s.db").unlink()
    (tmp_path / "s.db").mkdir()
    storage.record("acme", STATE, [an_event(1)])
    storage._flush()
    for suffix in ("-wal", "-shm"):
        (tmp_path / f"s.db{suffix}").unlink(missing_ok=True)
    (tmp_path / "s.db").rmdir()
    again, _ = a_storage(tmp_path / "s.db")
    again.load()
    storage.record("acme", STATE, [an_event(2)])
    storage._flush()
    again.load()
    assert again.events == (an_event(1), an_event(2))


def test_a_file_of_the_first_schema_keeps_its_data_and_gains_events(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    filled(path)
    with sqlite3.connect(path) as connection:
        for table in ("events", "kept_alerts", "unreadable"):
            connection.execute(f"DROP TABLE {table}")
        connection.execute("INSERT INTO alerts VALUES (?, ?)", [msgspec.msgpack.encode(ALERT.labels), ALERT.starts_at])
        connection.execute("PRAGMA user_version = 1")
    connection.close()
    storage, errors = a_storage(path)
    views, alerts = storage.load()
    assert (views["acme"].users, views["acme"].sweep) == ((STATE,), SWEEP)
    assert alerts == (replace(ALERT, annotations=()),)
    storage.record("acme", STATE, [an_event()])
    storage._flush()
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (SCHEMA,)
        assert connection.execute("SELECT count(*) FROM events").fetchone() == (1,)
    connection.close()
    assert errors == []


@pytest.mark.parametrize("damage", [b"SQLite format 3\0" * 100, b"SQLite format 3\0" + b"\xff" * 4096])
def test_a_corrupt_file_is_moved_aside_and_a_new_one_begun(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "s.db"
    path.write_bytes(damage)
    storage, errors = a_storage(path)
    assert storage.load() == ({}, ())
    assert errors
    (aside,) = tmp_path.glob("s.db.corrupt-*")
    assert aside.read_bytes() == damage
    filled(path)
    assert a_storage(path)[0].load()[0]["acme"].users == (STATE,)


def test_a_row_that_cannot_be_read_costs_one_user(tmp_path: Path) -> None:
    filled(tmp_path / "s.db")
    with sqlite3.connect(tmp_path / "s.db") as connection:
        connection.execute("INSERT INTO users VALUES ('acme', '2', x'ff')")
    connection.close()
    storage, errors = a_storage(tmp_path / "s.db")
    assert storage.load()[0]["acme"].users == (STATE,)
    assert errors == [1]


def test_a_file_of_a_newer_exporter_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    filled(path)
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA + 1}")
    connection.close()
    before = path.read_bytes()
    storage, errors = a_storage(path)
    assert storage.load() == ({}, ())
    storage.start()
    storage.record("acme", STATE)
    storage.stop()
    assert path.read_bytes() == before
    assert errors == [1]


def test_a_folder_that_is_not_there_is_said_and_survived(tmp_path: Path) -> None:
    storage, errors = a_storage(tmp_path / "nowhere" / "s.db")
    assert storage.load() == ({}, ())
    storage.start()
    storage.record("acme", STATE)
    storage.stop()
    assert errors == [1]


def test_a_folder_without_access_is_said_and_survived(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> Any:
        raise PermissionError(13, "Permission denied")

    # Root has access everywhere, so that a mode would not do.
    monkeypatch.setattr("exporter.state.statefile.os.open", refuse)
    monkeypatch.setattr(Path, "stat", refuse)
    with structlog.testing.capture_logs() as logs:
        storage, errors = a_storage(tmp_path / "s.db")
        storage.claim()
        assert storage.load() == ({}, ())
    assert errors == [1]
    assert [(line["event"], line["error"]) for line in logs] == [
        (
            "the storage file cannot be read; this run keeps its state in memory and reading is retried",
            "Permission denied",
        )
    ]


def test_a_disk_that_is_full_for_a_while_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "s.db"
    storage, errors = a_storage(path)
    storage.load()
    connect = storage._file._connect

    def full() -> sqlite3.Connection:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(storage._file, "_connect", full)
    storage.record("acme", STATE)
    storage._flush()
    storage._flush()
    assert len(errors) == 2
    monkeypatch.setattr(storage._file, "_connect", connect)
    storage._flush()
    assert a_storage(path)[0].load()[0]["acme"].users == (STATE,)


def test_events_that_wait_for_a_busy_file_are_bounded_and_the_rest_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    holder, _ = a_storage(path)
    holder.claim()
    lost: list[int] = []
    storage, _ = a_storage(path, lost.append)
    storage.claim()
    storage.load()
    for number in range(1, 5001):
        storage.record("acme", STATE, [an_event(number)])
    storage._flush()
    assert len(storage._pending.events) == 1000
    assert sum(lost) == 4000
    holder.stop()
    storage._flush()
    again, _ = a_storage(path)
    again.load()
    assert again.events == tuple(an_event(number) for number in range(4001, 5001))
    assert sum(lost) == 4000


def test_an_organization_without_users_is_removed_too(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    storage, _ = a_storage(path)
    storage.load()
    storage.swept("empty", SWEEP)
    storage.own_token("alone", NOW)
    storage._flush()
    again, _ = a_storage(path)
    assert sorted(again.load()[0]) == ["alone", "empty"]
    for organization in ("alone", "empty"):
        again.organization_removed(organization)
    again._flush()
    assert a_storage(path)[0].load()[0] == {}


def test_nothing_is_left_of_a_removed_organization_and_another_ones_data_stays(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    storage, _ = a_storage(path)
    storage.load()
    other = replace(an_event(2), organization="globex")
    storage.record("acme", STATE, [an_event(1)])
    storage.record("globex", STATE, [other])
    storage._flush()
    # Noted by a poll that ended just before the removal, and not written yet.
    storage.record("acme", STATE, [an_event(3)])
    storage.organization_removed("acme")
    storage._flush()
    again, _ = a_storage(path)
    assert list(again.load()[0]) == ["globex"]
    assert again.events == (other,)
    assert again.last_events == {("globex", Change.CREATED): NOW + 2}


def test_removed_users_are_gone_and_may_come_back(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    storage, _ = a_storage(path)
    storage.load()
    two = replace(STATE, user=User("2", "b"))
    storage.record("acme", STATE)
    storage.record("acme", two)
    storage.removed("acme", ["1"])
    storage._flush()
    storage.removed("acme", ["2", "never seen"])
    storage.record("acme", STATE)
    storage._flush()
    assert a_storage(path)[0].load()[0]["acme"].users == (STATE,)


def test_a_file_of_schema_3_is_written_again_and_becomes_smaller(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    filled(path)
    # 3,000 states with the names of all fields, of more than 2,000 bytes each: SQLite needs a page or more for each.
    tokens = tuple(Token(f"pt-{number}", f"deploy-{number}", ("base_user_read",), NOW, NOW) for number in range(10))
    states = [replace(STATE, user=User(str(number), "a"), tokens=tokens) for number in range(2, 3002)]
    with sqlite3.connect(path) as connection:
        rows = [("acme", state.user.user_id, msgspec.msgpack.encode(state)) for state in states]
        connection.executemany("INSERT INTO users VALUES (?, ?, ?)", rows)
        connection.execute("PRAGMA user_version = 3")
    connection.close()
    large = path.stat().st_size
    assert large > 3000 * 2048
    storage, errors = a_storage(path)
    assert set(storage.load()[0]["acme"].users) == {STATE, *states}
    storage.removed("acme", ["2"])
    storage.record("acme", replace(states[1], failures=7))
    storage._flush()
    assert path.stat().st_size < large / 3
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (SCHEMA,)
        blobs = [blob for (blob,) in connection.execute("SELECT state FROM users")]
    connection.close()
    assert {blob[:1] for blob in blobs} == {b"\xc1"}
    again, later = a_storage(path)
    # What has happened since the start is newer.
    expected = {STATE, replace(states[1], failures=7), *states[2:]}
    assert set(again.load()[0]["acme"].users) == expected
    assert errors == later == []


def test_alerts_of_a_file_of_schema_4_are_written_again_and_the_file_becomes_smaller(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    filled(path)
    text = "The token expires soon. " * 40
    alerts = [
        KeptAlert((("alertname", "A"), ("user_id", str(number))), (("description", text),), NOW)
        for number in range(5000)
    ]
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE alert_dictionaries")
        connection.execute("DELETE FROM kept_alerts")
        rows = [(alert_rows.row_number(alert.labels), msgspec.msgpack.encode(alert)) for alert in alerts]
        connection.executemany("INSERT INTO kept_alerts VALUES (?, ?)", rows)
        connection.execute("PRAGMA user_version = 4")
    connection.close()
    large = path.stat().st_size
    assert large > 5000 * 960
    storage, errors = a_storage(path)
    assert {*storage.load()[1]} == {*alerts}
    # Alerts are evaluated only after other changes have been written.
    storage.record("acme", STATE)
    storage._flush()
    storage.keep_alerts(KeptChanges(tuple(alerts), complete=True))
    storage._flush()
    assert path.stat().st_size < large / 5
    again, later = a_storage(path)
    assert {*again.load()[1]} == {*alerts}
    assert errors == later == []


def test_a_damaged_dictionary_costs_the_alerts_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    filled(path)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alert_dictionaries SET content = x'00'")
    connection.close()
    storage, errors = a_storage(path)
    views, alerts = storage.load()
    assert (views["acme"].users, alerts) == ((STATE,), ())
    assert errors == [1, 1]
    storage.keep_alerts(KeptChanges((ALERT,), complete=True))
    storage._flush()
    again, later = a_storage(path)
    assert (again.load()[1], later) == ((ALERT,), [])


def test_a_file_that_cannot_become_smaller_is_used_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "s.db"
    filled(path)
    storage, errors = a_storage(path)
    storage.load()

    def full(_: object) -> bool:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(sqlite, "is_sparse", full)
    storage.record("acme", replace(STATE, failures=4))
    storage._flush()
    assert a_storage(path)[0].load()[0]["acme"].users == (replace(STATE, failures=4),)
    assert errors == []


@pytest.mark.parametrize("column", ["organization", "user_id", "state"])
def test_a_row_that_is_not_what_was_written_is_set_aside(tmp_path: Path, column: str) -> None:
    path = tmp_path / "s.db"
    filled(path)
    other = replace(STATE, user=User("2", "b"))
    row = encoded("acme", other)
    values: dict[str, Any] = {"organization": "acme", "user_id": "2", "state": row}
    values[column] = row[:-1] + bytes([row[-1] ^ 1]) if column == "state" else "another"
    with sqlite3.connect(path) as connection:
        connection.execute("INSERT INTO users VALUES (:organization, :user_id, :state)", values)
    connection.close()
    storage, errors = a_storage(path)
    assert [state.user.user_id for view in storage.load()[0].values() for state in view.users] == ["1"]
    assert errors == [1]


@pytest.mark.parametrize("column", ["state", "user_id"])
def test_a_flipped_byte_in_a_row_costs_that_row_once(tmp_path: Path, column: str) -> None:
    path = tmp_path / "s.db"
    filled(path)
    with sqlite3.connect(path) as connection:
        (blob,) = connection.execute("SELECT state FROM users").fetchone()
        other = msgspec.msgpack.encode(replace(STATE, user=User("2", "b")))
        # In the middle of a text: still well-formed msgpack, but not UTF-8.
        damaged = other.replace(b"pt-1", b"\xfft-1") if column == "state" else other
        user_id = "2" if column == "state" else b"\xff"
        connection.execute("INSERT INTO users VALUES ('acme', CAST(? AS TEXT), ?)", [user_id, damaged])
        assert connection.execute("PRAGMA quick_check").fetchone() == ("ok",)
        assert blob != damaged
    connection.close()
    storage, errors = a_storage(path)
    assert storage.load()[0]["acme"].users == (STATE,)
    assert errors == [1]
    storage._flush()
    again, later = a_storage(path)
    assert again.load()[0]["acme"].users == (STATE,)
    assert later == []
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT origin, content FROM unreadable").fetchall() == [("users", damaged)]
    connection.close()


def test_a_disk_that_hangs_is_waited_for_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hangs, go = threading.Event(), threading.Event()

    def prepare(*_: object) -> bool:
        hangs.set()
        go.wait(10)
        return False

    monkeypatch.setattr(StateFile, "prepare", prepare)
    monkeypatch.setattr("exporter.state.storage._STOP_TIMEOUT", 0.3)
    storage, _ = a_storage(tmp_path / "s.db")
    storage.load()
    storage.start()
    assert hangs.wait(5)
    taken = []
    for _ in range(2):
        started = time.monotonic()
        assert not storage.stop()
        taken.append(time.monotonic() - started)
    go.set()
    assert taken[0] >= 0.3
    assert taken[1] < 0.2
    wait_until(storage.stop)


@pytest.mark.parametrize("odd", [math.nan, math.inf, 1e300])
def test_a_row_with_a_time_that_is_none_is_set_aside(tmp_path: Path, odd: float) -> None:
    path = tmp_path / "s.db"
    filled(path)
    encode = msgspec.msgpack.encode
    rows = {
        "INSERT INTO users VALUES ('acme', '2', ?)": replace(STATE, user=User("2", "b"), last_success=odd),
        "INSERT INTO organizations VALUES ('other', ?)": Sweep(SweepResult.SUCCESS, 1.0, odd),
        "INSERT INTO kept_alerts (alert) VALUES (?)": KeptAlert((("alertname", "x"),), (), NOW, odd),
        "INSERT INTO events (event) VALUES (?)": Event(odd, "acme", "1", "a", Change.CREATED, "pt-1", "ci"),
    }
    with sqlite3.connect(path) as connection:
        for statement, row in rows.items():
            connection.execute(statement, [encode(row)])
    connection.close()
    storage, errors = a_storage(path)
    organizations, alerts = storage.load()
    assert set(organizations) == {"acme"}
    assert organizations["acme"].users == (STATE,)
    assert not any(alert.labels == (("alertname", "x"),) for alert in alerts)
    assert not any(event.token_id == "pt-1" and event.time == odd for event in storage.events)
    assert errors == [1] * 4


def test_the_removal_of_a_user_whose_id_cannot_be_written_loses_no_other_change(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    storage, _ = a_storage(path)
    storage.load()
    storage.record("acme", replace(STATE, user=User("\udca0", "x")))
    storage._flush()
    storage.removed("acme", ["\udca0"])
    storage.record("acme", STATE)
    storage._flush()
    assert a_storage(path)[0].load()[0]["acme"].users == (STATE,)


@pytest.mark.parametrize("name", [b"CREATE TABLE users", b"tableusersusers", b"sweep BLOB"])
@pytest.mark.parametrize("flipped", [0x01, 0x80])
def test_a_flipped_byte_in_the_schema_is_damage_like_any_other(tmp_path: Path, name: bytes, flipped: int) -> None:
    path = tmp_path / "s.db"
    filled(path)
    whole = bytearray(path.read_bytes())
    at = whole.index(name) + 3
    whole[at] ^= flipped
    path.write_bytes(whole)
    storage, errors = a_storage(path)
    assert storage.load()[0] == {}
    assert errors == [1]
    storage.record("acme", STATE)
    storage._flush()
    assert a_storage(path)[0].load()[0]["acme"].users == (STATE,)
    assert len(list(tmp_path.glob("s.db.corrupt-*"))) == 1


def test_rows_that_are_all_unreadable_are_set_aside_in_one_pass_and_one_log_line(tmp_path: Path) -> None:
    # As after an upgrade that cannot read what an earlier version wrote.
    path = tmp_path / "state.db"
    storage, _ = a_storage(path)
    storage.load()
    for number in range(3000):
        storage.record("acme", replace(STATE, user=User(str(number), "a")))
    storage._flush()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE users SET state = CAST('x' || user_id AS BLOB)")
    connection.close()
    again, errors = a_storage(path)
    with structlog.testing.capture_logs() as logs:
        assert again.load()[0] == {}
    assert len(errors) == 3000
    assert [(line["table"], line["rows"]) for line in logs if line["log_level"] == "error"] == [("users", 3000)]
    rounds: list[int] = []
    with sqlite3.connect(path) as connection:
        connection.set_progress_handler(lambda: rounds.append(1), 1000)
        sqlite.set_aside(connection, again._restored.unreadable)
        connection.set_progress_handler(None, 0)
        assert connection.execute("SELECT count(*) FROM users").fetchone() == (0,)
        # The last ones are kept, so that someone may look into them.
        assert connection.execute("SELECT count(*), min(origin) FROM unreadable").fetchone() == (1000, "users")
    connection.close()
    # Some 20 instructions a row. One pass over the table for each row would be 3,000 * 3,000 * 5.
    assert len(rounds) < 300


def test_a_stop_waits_once_for_a_file_that_another_holds(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    first, _ = a_storage(path)
    first.load()
    first.record("acme", STATE)
    first._flush()
    first.stop()
    with sqlite3.connect(path) as other:
        storage, _ = a_storage(path)
        storage.load()
        storage.record("acme", STATE)
        other.execute("BEGIN IMMEDIATE")
        storage.start()
        assert storage.stop() is False
        began = time.monotonic()
        # The rest of the shutdown has 1.5 s: the lock of the leader must be given up in them.
        assert storage.stop() is False
        assert time.monotonic() - began < 1
        other.rollback()
    other.close()
    wait_until(storage.stop)


@given(st.data())
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_whatever_byte_of_a_row_is_flipped_the_others_are_read(tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / f"{uuid.uuid4()}.db"
    filled(path)
    blob = bytearray(msgspec.msgpack.encode(replace(STATE, user=User("2", "b"))))
    blob[data.draw(st.integers(0, len(blob) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with sqlite3.connect(path) as connection:
        connection.execute("INSERT INTO users VALUES ('acme', '2', ?)", [bytes(blob)])
    connection.close()
    storage, _ = a_storage(path)
    users = storage.load()[0]["acme"].users
    assert users[0] == STATE
    # A flipped byte inside a number or a name can go unnoticed; the user it belongs to cannot change.
    assert [state.user.user_id for state in users[1:]] in ([], ["2"])


def test_one_state_that_cannot_be_written_does_not_hold_up_the_others(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    storage, errors = a_storage(path)
    storage.load()
    storage.record("acme", replace(STATE, user=User("\udca0", "x")))
    storage.record("acme", STATE)
    storage._flush()
    assert errors == [1]
    assert a_storage(path)[0].load()[0]["acme"].users == (STATE,)


READ_ON_A_FULL_DISK = """
import resource, sys, pathlib
from exporter.common.clock import SystemClock
from exporter.common.worker import Supervisor
from exporter.state.storage import Storage
from exporter.state.user_row import encoded
# No file may grow from here on, as on a full disk.
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
storage = Storage(pathlib.Path(sys.argv[1]), lambda: None, lambda _: None, Supervisor(print, SystemClock()))
storage.claim()
organizations, alerts = storage.load()
storage._flush()
print([state.user.user_id for state in organizations["acme"].users], len(alerts), storage._file._phase.name)
"""


@pytest.mark.parametrize("killed", [False, True])
def test_a_restart_on_a_full_disk_reads_the_state(tmp_path: Path, killed: bool) -> None:  # noqa: FBT001
    path = tmp_path / "s.db"
    filled(path)
    holder = sqlite3.connect(path)
    if killed:
        # A process that was killed leaves its last writes in the write-ahead log.
        holder.execute("PRAGMA wal_autocheckpoint = 0")
        two = msgspec.msgpack.encode(replace(STATE, user=User("2", "b")))
        holder.execute("INSERT INTO users VALUES ('acme', '2', ?)", [two])
        holder.commit()
        copy = tmp_path / "copy"
        copy.mkdir()
        for name in ("s.db", "s.db-wal"):
            shutil.copy(tmp_path / name, copy / name)
        path = copy / "s.db"
    holder.close()
    done = subprocess.run(
        [sys.executable, "-c", READ_ON_A_FULL_DISK, str(path)], capture_output=True, text=True, check=True, timeout=30
    )
    assert done.stdout.splitlines()[-1] == f"{['1', '2'] if killed else ['1']} 2 READ"
    # Nothing was lost by that.
    views, _ = a_storage(path)[0].load()
    assert len(views["acme"].users) == (2 if killed else 1)


def test_a_file_that_becomes_corrupt_while_running_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    storage, errors = a_storage(path)
    storage.load()
    storage.record("acme", STATE)
    storage._flush()
    path.write_bytes(b"SQLite format 3\0" + b"\xff" * 8192)
    storage.record("acme", STATE, [an_event(1)])
    storage._flush()
    assert errors
    storage._flush()
    again, later = a_storage(path)
    assert again.load()[0]["acme"].users == (STATE,)
    assert (again.events, later) == ((an_event(1),), [])
    assert len(list(tmp_path.glob("s.db.corrupt-*"))) == 1


def test_only_a_few_corrupt_files_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    for number in range(6):
        path.write_bytes(b"SQLite format 3\0" + b"\xff" * 4096)
        os.utime(path, (1000 + number, 1000 + number))
        a_storage(path)[0].load()

    kept = sorted(one.name for one in tmp_path.glob("s.db.corrupt-*"))
    assert kept == [f"s.db.corrupt-{at}" for at in (1003, 1004, 1005)]


def as_another_uid(path: Path, sent: int) -> None:
    """Read and write the file; to be called in a child process that is not root."""
    storage, errors = a_storage(path)
    storage.claim()
    organizations, _ = storage.load()
    storage.record("acme", replace(STATE, user=User("2", "b")))
    storage.start()
    storage.stop()
    seen = [[state.user.user_id for state in organizations["acme"].users], errors]
    os.write(sent, json.dumps(seen).encode())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_a_file_of_another_uid_is_used_and_its_mode_left_alone() -> None:
    # Not below pytest's folder, which belongs to root alone.
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "s.db"
        filled(path)
        os.chown(folder, 1001, 1500)
        Path(folder).chmod(0o2775)
        lock = Path(folder) / "s.db.lock"
        lock.touch(0o600)
        for file in Path(folder).iterdir():
            os.chown(file, 1001, 1500)
        path.chmod(0o660)
        received, sent = os.pipe()
        # A fork and not a new process: another uid may not execute the interpreter of a virtual environment of root's.
        if (child := os.fork()) == 0:
            try:
                os.setgroups([])
                os.setgid(1500)
                os.setuid(1002)
                as_another_uid(path, sent)
            finally:
                os._exit(0)
        os.close(sent)
        with os.fdopen(received, "rb") as stream:
            answer = stream.read()
        os.waitpid(child, 0)
        # The lock of the other uid cannot be opened, which is counted once.
        assert json.loads(answer) == [["1"], [1]]
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        views, _ = a_storage(path)[0].load()
        assert sorted(state.user.user_id for state in views["acme"].users) == ["1", "2"]


def a_config(folder: Path, platform: Any, users: str, **alerting: Any) -> Path:
    config = write_config(folder, platform, users)
    sections = {"storage": {"path": "state.db"}, "alerting": alerting}
    lines = [f"{name}: {json.dumps(section)}\n" for name, section in sections.items()]
    config.write_text(config.read_text() + "".join(lines))
    return config


def about_tokens(samples: dict[str, float]) -> dict[str, float]:
    kept = ("yunxiao_token_expiry", "yunxiao_token_created", "yunxiao_user_last_success", "yunxiao_user_tokens")
    return {series: value for series, value in samples.items() if series.startswith(kept)}


def test_a_restart_shows_no_gap_even_if_the_platform_is_away(tmp_path: Path) -> None:
    with a_simulator({user: [a_record(f"pt-{user}")] for user in "ABC"}) as platform:
        config = a_config(tmp_path, platform, "ABC")
        with Exporter(config).ready() as exporter:
            platform.faults.at_rate(1.0, Fault.parse("500"))
            wait_until(lambda: 'msg="poll failed"' in exporter.output)
            before = about_tokens(exporter.samples())
            time.sleep(2.5)  # a batch is written every two seconds
            exporter.signal(signal.SIGKILL)
            exporter.ended()
        with Exporter(config) as again:
            wait_until(lambda: again.answers("/-/healthy"))
            assert again.answers("/-/ready")
            after = about_tokens(again.samples())
    assert after == before
    assert len([series for series in before if "expiry" in series]) == 3
    keep("state file", contents_of(tmp_path / "state.db"))
    assert stat.S_IMODE((tmp_path / "state.db").stat().st_mode) == 0o600


def test_a_restart_makes_no_events_and_finds_what_changed_meanwhile(tmp_path: Path) -> None:
    def events(exporter: Exporter) -> list[dict[str, Any]]:
        answer: list[dict[str, Any]] = get(f"{exporter.url}/api/v1/events").json()
        return answer

    first, second = a_record("pt-1"), a_record("pt-2")
    with a_simulator({"A": [first]}) as platform:
        config = a_config(tmp_path, platform, "A")
        with Exporter(config).ready() as exporter:
            assert events(exporter) == []
            platform.enterprise.set_tokens("A", [first, second])
            wait_until(lambda: events(exporter))
            time.sleep(1.5)  # a batch is written every second
            exporter.signal(signal.SIGKILL)
            exporter.ended()
        with Exporter(config).ready() as exporter:
            polled = platform.requests("A")
            wait_until(lambda: platform.requests("A") > polled + 1)
            assert [(one["event"], one["token_id"]) for one in events(exporter)] == [("created", "pt-2")]
            # kept, but counted by the run before
            counted = {series: value for series, value in exporter.samples().items() if "token_events_total{" in series}
            assert set(counted.values()) == {0}
            exporter.signal(signal.SIGTERM)
            exporter.ended()
        platform.enterprise.delete("A", "pt-1")
        with Exporter(config).ready() as exporter:
            wait_until(lambda: len(events(exporter)) == 2)
            assert [(one["event"], one["token_id"]) for one in events(exporter)] == [
                ("deleted", "pt-1"),
                ("created", "pt-2"),
            ]


def test_killed_again_and_again_the_state_stays_sound(tmp_path: Path) -> None:
    users = [f"u{number}" for number in range(40)]
    with a_simulator({user: [a_record(f"pt-{user}")] for user in users}) as platform:
        config = a_config(tmp_path, platform, "")
        data = config.read_text().replace("static: []", "static: " + json.dumps([{"id": user} for user in users]))
        config.write_text(data)
        for number in range(6):
            with Exporter(config) as exporter:
                wait_until(lambda: exporter.answers("/-/ready"))
                time.sleep(0.3 * number)
                exporter.signal(signal.SIGKILL)
                exporter.ended()
            connection = sqlite3.connect(tmp_path / "state.db")
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            connection.close()
            assert "corrupt" not in exporter.output
    storage, errors = a_storage(tmp_path / "state.db")
    assert len(storage.load()[0]["acme"].users) == 40
    assert errors == []


def test_a_restart_resolves_no_alert_and_starts_none_anew(tmp_path: Path) -> None:
    with a_simulator({"A": [a_record("pt-soon", expires_in=300)]}) as platform, Alertmanager() as stub:
        config = a_config(tmp_path, platform, "A", alertmanagers=[{"url": stub.url}], resend_interval="1s")
        with Exporter(config).ready() as exporter:
            wait_until(lambda: stub.alerts("TokenExpiring"))
            time.sleep(2.5)
            exporter.signal(signal.SIGKILL)
            exporter.ended()
        heard = len(stub.posts)
        platform.faults.at_rate(1.0, Fault.parse("500"))
        with Exporter(config):
            wait_until(lambda: len(stub.posts) > heard + 2)
    alerts = [(at, one) for at, batch in stub.posts for one in batch if "TokenExpiring" in one["labels"]["alertname"]]
    assert all(one["endsAt"] > text_of(at) for at, one in alerts)
    assert len({one["startsAt"] for _, one in alerts}) == 1


def test_an_alert_whose_cause_ended_while_the_exporter_was_down_is_resolved_after_the_restart(tmp_path: Path) -> None:
    tokens = {"A": [a_record("pt-soon", expires_in=300)], "B": []}
    with a_simulator(tokens) as platform, Alertmanager() as stub:
        alerting: dict[str, Any] = {"alertmanagers": [{"url": stub.url}], "resend_interval": "1s"}
        with Exporter(a_config(tmp_path, platform, "A", **alerting)).ready() as exporter:
            wait_until(lambda: stub.alerts("TokenExpiring"))
            time.sleep(2.5)  # the alert is written to the file
            exporter.signal(signal.SIGKILL)
            exporter.ended()
        starts_at = stub.alerts("TokenExpiring")[-1]["startsAt"]
        heard = len(stub.posts)

        def resolved() -> list[dict[str, Any]]:
            posts = stub.posts[heard:]
            every = [(at, one) for at, batch in posts for one in batch if "TokenExpiring" in one["labels"]["alertname"]]
            return [one for at, one in every if one["endsAt"] <= text_of(at)]

        # Nothing but the file says that there was an alert about A.
        with Exporter(a_config(tmp_path, platform, "B", **alerting)).ready():
            wait_until(resolved)
    assert resolved()[0]["startsAt"] == starts_at


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_said_and_survived(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    storage, errors = a_storage(tmp_path / "s.db")
    assert storage.load() == ({}, ())
    assert errors == [1]


def test_a_storage_that_cannot_be_used_does_not_keep_the_exporter_from_its_work(tmp_path: Path) -> None:
    with a_simulator({"A": [a_record()]}) as platform:
        config = a_config(tmp_path, platform, "A")
        (tmp_path / "state.db").mkdir()
        with Exporter(config).ready() as exporter:
            assert exporter.samples()["yunxiao_storage_errors_total"] == 1
            assert "this run keeps its state in memory" in exporter.output


def test_a_file_belongs_to_one_process_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    filled(path)
    first, _ = a_storage(path)
    first.claim()
    first.load()
    second, errors = a_storage(path)
    second.claim()
    assert second.load() == ({}, ())
    second.record("acme", STATE.succeeded((), NOW + 60))
    second._flush()
    assert errors
    first.start()
    first.stop()
    second._flush()
    third, _ = a_storage(path)
    views, _ = third.load()
    assert views["acme"].users == (STATE.succeeded((), NOW + 60),)


def test_shards_with_one_configuration_keep_files_of_their_own(tmp_path: Path) -> None:
    with a_simulator({user: [a_record(f"pt-{user}")] for user in "ABCDEF"}) as platform:
        config = write_config(tmp_path, platform, "ABCDEF")
        data = json.loads(json.dumps(yaml.safe_load(config.read_text())))
        config.write_text(yaml.safe_dump(data | {"storage": {"path": "state.db"}}))
        for number in range(2):
            with Exporter(config, "--shard", f"{number}/2").ready() as exporter:
                exporter.signal(signal.SIGTERM)
                assert exporter.ended() == 0
        kept = []
        for number in range(2):
            storage, _ = a_storage(tmp_path / f"state.db.{number}-of-2")
            views, _ = storage.load()
            kept += [state.user.user_id for state in views["acme"].users]
    assert sorted(kept) == list("ABCDEF")
