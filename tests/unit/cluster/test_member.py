"""What a change of roles sets off, and what is undone when it fails half-way."""

from __future__ import annotations

import pytest

from exporter.cluster.leadership import Role
from exporter.cluster.member import Member
from exporter.cluster.redis import RedisClient
from exporter.cluster.shard import WHOLE
from exporter.common.clock import SystemClock
from exporter.common.redaction import Redactor
from exporter.common.worker import Supervisor
from exporter.config.redis import Redis
from exporter.config.settings import RedisSettings
from exporter.state.store import Store


class Rig:
    def __init__(self) -> None:
        self.calls: list[str] = []
        self.refuses = False
        clock = SystemClock()
        self.member = Member(
            RedisClient(RedisSettings(Redis(url="redis://127.0.0.1:1/0"), None), Redactor()),
            WHOLE,
            Store(),
            self._poll,
            self,
            Supervisor(lambda _: None, clock),
            clock,
        )

    def _poll(self, polls: bool) -> None:  # noqa: FBT001 - the callback's one argument
        self.calls.append(f"polls {polls}")
        if polls and self.refuses:
            raise RuntimeError("can't start new thread")

    def redis_up(self, up: bool) -> None:  # noqa: FBT001
        raise AssertionError(f"Redis was not asked, and is up: {up}")

    def exchange_error(self) -> None:
        raise AssertionError("nothing was exchanged")

    def leads(self, leads: bool) -> None:  # noqa: FBT001
        self.calls.append(f"leads {leads}")


def test_a_change_between_two_polling_roles_restarts_nothing() -> None:
    rig = Rig()
    for role in (Role.ALONE, Role.LEADER, Role.ALONE, Role.STANDBY, Role.STANDBY):
        rig.member._changed_role(role)
    assert rig.calls == ["leads False", "polls True", "leads True", "polls False", "leads False"]


def test_a_change_of_roles_that_failed_is_undone_by_the_next() -> None:
    rig = Rig()
    rig.refuses = True
    with pytest.raises(RuntimeError):
        rig.member._changed_role(Role.LEADER)
    rig.member._changed_role(Role.STANDBY)
    assert rig.calls == ["leads False", "polls True", "polls False", "leads False"]
