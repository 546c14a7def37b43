"""The cost of a restart: reading the list of users, and reading and writing their states."""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import yaml

from bench.fleet import a_store
from bench.table import Row, best_of, markdown
from exporter.common.clock import SystemClock
from exporter.common.worker import Supervisor
from exporter.config.alerting import Alerting
from exporter.config.user_files import UserFiles, exact_users
from exporter.metrics.telemetry import Telemetry
from exporter.model.state import UserState
from exporter.state.statefile import StateFile
from exporter.state.storage import Storage

if TYPE_CHECKING:
    from collections.abc import Sequence


def restarting(users: int) -> str:
    """Tables of what a restart reads."""
    (organization,) = a_store(users).view().organizations
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        return f"{_users(folder, organization.users)}\n{_states(folder, organization.users)}"


def _users(folder: Path, states: Sequence[UserState]) -> str:
    people = [{"id": state.user.user_id, "name": state.user.name} for state in states]
    text = ",\n".join(json.dumps(person, ensure_ascii=False) for person in people)
    (folder / "users.json").write_text(f"[\n{text}\n]\n", encoding="utf-8")
    (folder / "users.yaml").write_text(yaml.safe_dump(people, allow_unicode=True), encoding="utf-8")
    alerting = Alerting()

    def read(name: str) -> float:
        return best_of(3, UserFiles(folder, (name,), alerting).read)

    in_json = (folder / "users.json").read_text(encoding="utf-8")
    rows = [
        Row("ours, JSON", read("users.json"), f"{len(in_json) / 1e6:.1f} MB"),
        Row("ours, a block list in YAML", read("users.yaml")),
        Row(
            "ours, any other YAML",
            best_of(1, lambda: exact_users(in_json, "users.json", alerting)),
            "with the line of each value",
        ),
        Row("PyYAML with libyaml", best_of(1, lambda: yaml.load(in_json, yaml.CSafeLoader))),
        Row("`json.loads`, without any check", best_of(3, lambda: json.loads(in_json)), "lower limit"),
    ]
    return markdown(f"Reading a list of {len(states):,} users", "seconds", rows)


def _states(folder: Path, states: Sequence[UserState]) -> str:
    file = folder / "state.db"
    started = time.perf_counter()
    storage = Storage(file, _fail, _fail, Supervisor(Telemetry().internal_error, SystemClock()))
    storage.load()
    for state in states:
        storage.record("acme", state)
    storage.start()
    storage.stop()
    written = time.perf_counter() - started
    blobs = [msgspec.msgpack.encode(state) for state in states]
    decode = msgspec.msgpack.Decoder(UserState).decode
    rows = [
        Row("ours, reading", best_of(3, lambda: StateFile(file, _fail).read()), f"{file.stat().st_size / 1e6:.1f} MB"),
        Row("ours, writing all", written, "one transaction"),
        Row(
            "msgspec, decoding msgpack from memory",
            best_of(3, lambda: [decode(blob) for blob in blobs]),
            f"{sum(map(len, blobs)) / 1e6:.1f} MB, without checks and shared texts",
        ),
    ]
    return markdown(f"The state file with {len(states):,} users", "seconds", rows)


def _fail(*_: object) -> None:
    raise RuntimeError("the state file cannot be used")
