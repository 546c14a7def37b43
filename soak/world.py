"""The daemons of a run and all servers around them, started and stopped together."""

from __future__ import annotations

import contextlib
import random
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Self

from soak import configuration
from soak.alertmanager import AlertmanagerStub
from soak.clock import SteppedClock
from soak.configuration import Addresses
from soak.daemon import Daemon
from soak.disk import Disk
from soak.plan import Plan, first_plan
from soak.platform import Platform
from soak.redis_pair import RedisPair
from soak.schedule import Profile
from soak.secrets import SecretSearch

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from soak.bounds import Scale

_PEOPLE_PER_USER = 60
"""As many users as reloads may add in half an hour."""


class World:
    """The daemons of a profile, and the servers and files that they use.

    Args:
        folder: for all files.
        seed: of users and secrets.
        profile: which daemons run.
        scale: number of users, poll interval.
        leaked: called with every secret found in a log.
    """

    def __init__(self, folder: Path, seed: int, profile: Profile, scale: Scale, leaked: Callable[[str], None]) -> None:
        chance = random.Random(f"{seed}/world")
        self.folder = folder
        self.scale = scale
        self.plan: Plan = first_plan(scale.users, scale.organizations)
        self.secrets = SecretSearch()
        self._passwords = {name: f"{name}-{chance.getrandbits(96):024x}" for name in ("alertmanager", "redis")}
        with contextlib.ExitStack() as stack:
            self.platform = Platform(scale.users * _PEOPLE_PER_USER, seed, chance)
            stack.callback(self.platform.close)
            self.alertmanager = AlertmanagerStub()
            stack.callback(self.alertmanager.close)
            self.redis = None if profile is Profile.SINGLE else RedisPair(folder, self._passwords["redis"])
            if self.redis is not None:
                stack.callback(self.redis.close)
            self.disk = Disk(folder / "state")
            stack.callback(self.disk.close)
            self.clock = SteppedClock(folder / "clock")
            self.daemons = tuple(
                Daemon(name, folder, self.clock.environment, self.secrets, leaked) for name in profile.daemons
            )
            self._stack = stack.pop_all()
        self.follow_token()
        for name, password in self._passwords.items():
            self.secrets.add(f"password of {name}", password)
        self.secrets.add("credentials of alertmanager", configuration.authorization(self._passwords["alertmanager"]))
        self.configure(self.plan)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for daemon in self.daemons:
            if daemon.pid is not None:
                daemon.kill()
        self._stack.close()

    def configure(self, plan: Plan) -> None:
        """Write every daemon's configuration."""
        self.plan = plan
        addresses = Addresses(self.alertmanager.url, None if self.redis is None else self.redis.port)
        for daemon in self.daemons:
            text = configuration.configuration(
                plan, self.platform, self.scale, addresses, self.state_file(daemon), replica=daemon.name != "alone"
            )
            configuration.replace_text(daemon.config, text)

    def spoil(self) -> None:
        """Write an invalid configuration for every daemon."""
        for daemon in self.daemons:
            configuration.replace_text(daemon.config, configuration.BROKEN)

    def follow_token(self) -> None:
        """Write the platform's current token into the token file."""
        self.secrets.add("token", self.platform.token)
        configuration.write_secrets(
            self.folder, self.platform.token, self._passwords["alertmanager"], self._passwords["redis"]
        )

    def state_file(self, daemon: Daemon) -> Path:
        """The state file of a daemon."""
        return self.disk.folder / f"{daemon.name}.db"

    @property
    def replicas(self) -> tuple[Daemon, ...]:
        """The daemons that share a Redis."""
        return tuple(daemon for daemon in self.daemons if daemon.name != "alone")

    @property
    def pids(self) -> list[int]:
        """The daemons that run."""
        return [pid for daemon in self.daemons if (pid := daemon.pid) is not None]

    @property
    def names(self) -> frozenset[str]:
        """The names of the configured organizations."""
        return self.plan.names

    @property
    def users(self) -> frozenset[str]:
        """The ids of the configured users."""
        return frozenset(self.platform.ids(self.plan.users))

    def start(self, daemon: Daemon) -> None:
        """Start a daemon's process."""
        self.disk.limit(daemon.start())

    def all_at_once(self, work: Callable[[Daemon], None]) -> None:
        """Do something with all daemons at the same time; raises the first error."""
        with ThreadPoolExecutor(len(self.daemons)) as pool:
            for done in [pool.submit(work, daemon) for daemon in self.daemons]:
                done.result()
