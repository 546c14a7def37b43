"""Two whole replicas through a failover of Redis, reloads, restarts and a frozen leader. `pytest -s` shows tables."""

from __future__ import annotations

import signal
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from support.redis import RedisServer, Relay
from support.running import Exporter, a_record, a_simulator, free_port, wait_until, write_config

from exporter.cluster.records import read_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

LEASE = 1.0
USERS = ["u0", "u1", "u2"]


@pytest.fixture
def server(redis_server: str, tmp_path: Path) -> Iterator[RedisServer]:
    with RedisServer(redis_server, tmp_path, free_port()).ready() as running:
        yield running


def configure(folder: Path, platform: Any, port: int, organizations: Sequence[str] = ("acme",)) -> Path:
    """Write the configuration of one replica, or write it again."""
    folder.mkdir(exist_ok=True)
    file = write_config(folder, platform, USERS)
    data = yaml.safe_load(file.read_text())
    (one,) = data["organizations"]
    data["organizations"] = [one | {"name": name} for name in organizations]
    data["redis"] = {"url": f"redis://127.0.0.1:{port}/0", "lease": "1s", "replicas": 2}
    file.write_text(yaml.safe_dump(data))
    return file


def leaders(replicas: Sequence[Exporter]) -> list[int]:
    return [int(one.samples()["yunxiao_exporter_leader"]) for one in replicas]


def redis_up(replicas: Sequence[Exporter]) -> list[int]:
    return [int(one.samples()["yunxiao_exporter_redis_up"]) for one in replicas]


def watch(what: str, replicas: Sequence[Exporter], seconds: float) -> list[tuple[float, list[int]]]:
    """Who leads, twice a second, as a table too."""
    started = time.monotonic()
    rows = []
    while (at := time.monotonic() - started) < seconds:
        rows.append((at, leaders(replicas)))
        print(f"{what} | {at:4.1f} s | leaders {rows[-1][1]} | redis up {redis_up(replicas)}")
        time.sleep(0.5)
    return rows


def one_leader_from(rows: list[tuple[float, list[int]]], seconds: float) -> bool:
    late = [sum(leading) for at, leading in rows if at >= seconds]
    return len(late) > 1 and set(late) == {1}


def test_after_a_failover_of_redis_one_replica_leads_within_three_leases(redis_server: str, tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("a", "b", "redis-a", "redis-b")]
    for folder in folders:
        folder.mkdir()
    ports = free_port(), free_port()
    with ExitStack() as stack:
        first = stack.enter_context(RedisServer(redis_server, folders[2], ports[0]).ready())
        second = stack.enter_context(
            RedisServer(redis_server, folders[3], ports[1], "--replicaof", "127.0.0.1", str(ports[0])).ready()
        )
        wait_until(lambda: second.do("info", "replication")["master_link_status"] == "up")
        name = stack.enter_context(Relay(ports[0]))
        platform = stack.enter_context(a_simulator({user: [a_record(f"pt-{user}")] for user in USERS}))
        replicas = [
            stack.enter_context(Exporter(configure(folder, platform, name.port))).ready() for folder in folders[:2]
        ]
        assert one_leader_from(watch("before", replicas, 1.2), 0.0)
        # planned: the second becomes the master, the first its replica, and connections to the first stay open
        second.do("replicaof", "no", "one")
        first.do("replicaof", "127.0.0.1", str(ports[1]))
        name.target = ports[1]
        rows = watch("after the failover", replicas, 5 * LEASE)
        assert one_leader_from(rows, 3 * LEASE)
        assert redis_up(replicas) == [1, 1]
        # unplanned: the master dies, the name leads to the other one, which knows an old lock
        first.do("replicaof", "no", "one")
        second.kill()
        name.target = ports[0]
        rows = watch("after the master died", replicas, 5 * LEASE)
        assert one_leader_from(rows, 3 * LEASE)
        # nobody to fail over to, and back
        first.do("replicaof", "127.0.0.1", str(free_port()))
        wait_until(lambda: leaders(replicas) == [1, 1], 3.5 * LEASE)
        first.do("replicaof", "no", "one")
        rows = watch("after a master without a successor came back", replicas, 5 * LEASE)
        assert one_leader_from(rows, 3 * LEASE)


def test_reloads_and_restarts_leave_one_leader_whatever_each_replica_has_loaded(
    server: RedisServer, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        platform = stack.enter_context(a_simulator({user: [a_record(f"pt-{user}")] for user in USERS}))
        folders = tmp_path / "a", tmp_path / "b"
        replicas = [
            stack.enter_context(Exporter(configure(folder, platform, server.port))).ready() for folder in folders
        ]
        for change, organizations in (
            ("added", ("acme", "second")),
            ("renamed", ("acme", "third")),
            ("removed", ("acme",)),
        ):
            for folder, one in zip(folders, replicas, strict=True):
                configure(folder, platform, server.port, organizations)
                one.signal(signal.SIGHUP)
            standby = leaders(replicas).index(0)
            replicas[standby].signal(signal.SIGTERM)
            assert replicas[standby].ended() == 0
            replicas[standby] = stack.enter_context(Exporter(folders[standby] / "config.yaml")).ready()
            rows = watch(f"an organization {change}, the standby restarted", replicas, 1.2)
            assert one_leader_from(rows, 0.0)
        assert one_leader_from(watch("later", replicas, 3 * LEASE), 0.0)
        assert {key.decode() for key in server.do("keys", "*")} == {
            f"yunxiao-token-exporter:shard:0/1:{name}" for name in ("leader", "states", "order", "sweeps", "number")
        }
        states = "yunxiao-token-exporter:shard:0/1:states"
        wait_until(lambda: {read_name(name)[0] for name in server.do("hkeys", states)} == {"acme"})


def test_a_leader_that_was_frozen_asks_for_nobody_before_it_knows_that_another_one_leads(
    server: RedisServer, tmp_path: Path
) -> None:
    tokens = {user: [a_record(f"pt-{user}")] for user in USERS}
    with a_simulator(tokens) as one_platform, a_simulator(tokens) as other_platform, ExitStack() as stack:
        platforms = one_platform, other_platform
        replicas = [
            stack.enter_context(Exporter(configure(tmp_path / name, platform, server.port))).ready()
            for name, platform in zip("ab", platforms, strict=True)
        ]
        leader = leaders(replicas).index(1)
        other = replicas[1 - leader]
        asked = [platform.requests() for platform in platforms]
        wait_until(lambda: platforms[leader].requests() > asked[leader] + 10)
        replicas[leader].signal(signal.SIGSTOP)
        wait_until(lambda: other.samples()["yunxiao_exporter_leader"] == 1)
        time.sleep(3 * LEASE)
        before = platforms[leader].requests()
        replicas[leader].signal(signal.SIGCONT)
        wait_until(lambda: leaders(replicas)[leader] == 0)
        time.sleep(LEASE)
        # what had already been sent when it was frozen is counted before
        assert platforms[leader].requests() == before
        assert leaders([other]) == [1]
