"""What polls one organization: client, pace, sweeper, discovery, and the list of watched users."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from exporter.cluster.shard import WHOLE, Shard
from exporter.common.cancellation import Stop
from exporter.platform.limits import RequestLimits
from exporter.platform.yunxiao.connect import connect
from exporter.polling.discovery import KnownUsers, Refresher, RefreshListener, RefreshSettings
from exporter.polling.own_token import OwnTokenMonitor
from exporter.polling.roster import Roster
from exporter.polling.ssh_keys import SshKeyReader
from exporter.polling.sweep import Sweeper, SweepSettings
from exporter.state.ledger import Ledger, Recorder

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.common.clock import Clock
    from exporter.config.schema import Poll
    from exporter.config.settings import OrganizationSettings
    from exporter.http.session import Watchdog
    from exporter.metrics.telemetry import OrganizationTelemetry
    from exporter.model.user import User
    from exporter.platform.base import Platform
    from exporter.platform.pacing import Pacer
    from exporter.polling.sweep_summary import SummarySettings
    from exporter.state.delivery import Update


@dataclass(frozen=True, slots=True)
class Shared:
    """What the organizations of one process share.

    Attributes:
        watchdog: limits the time of requests.
        stop: ends everything.
        clock: the time.
        redact: removes secrets from text of the platform.
        shard: which users this process watches.
        pacer: makes the pacer of an organization from its name and rate, where processes share the rate; None
            where this process has all of it.
        publish: called with each update of a ledger; None if no other part needs them.
        progress: called after each user of a sweep.
        own_token_warning: seconds before the expiry of the exporter's own token from which on the log warns of it.
        summary: what decides on the numbers in the log line of a sweep; None for a line without them.
    """

    watchdog: Watchdog
    stop: Stop
    clock: Clock
    redact: Callable[[str], str]
    shard: Shard = WHOLE
    pacer: Callable[[str, float | None], Pacer] | None = None
    publish: Callable[[Update], bool | None] | None = None
    progress: Callable[[User], None] | None = None
    own_token_warning: Callable[[], float] = lambda: 0.0
    summary: Callable[[], SummarySettings] | None = None


@dataclass(frozen=True, slots=True)
class OrganizationParts:
    """What polls one organization, until a reload replaces it as a whole.

    Attributes:
        stop: ends what is under way.
        recorder: writes to the organization's ledger.
        pacer: spaces the requests.
        client: the platform.
        sweeper: polls the users.
        own_token: finds the expiry of the exporter's own token.
        roster: keeps the list of watched users.
        refresher: keeps the list of discovered users; None if none are discovered.
        ssh_keys: lists SSH keys; None if they are not watched.
    """

    stop: Stop
    recorder: Recorder
    pacer: Pacer
    client: Platform
    sweeper: Sweeper
    own_token: OwnTokenMonitor
    roster: Roster
    refresher: Refresher | None
    ssh_keys: SshKeyReader | None = None

    @property
    def refused(self) -> bool:
        """Whether the platform refused the token in the last sweep or discovery."""
        return self.sweeper.refused or (self.refresher is not None and self.refresher.refused)

    def end(self) -> None:
        """End what is under way, requests included. Nothing is recorded afterwards."""
        self.recorder.close()
        self.stop.set()
        self.client.close()
        self.stop.release()


def build_parts(
    settings: OrganizationSettings,
    poll: Poll,
    shared: Shared,
    telemetry: OrganizationTelemetry,
    ledger: Ledger,
    pacer: Pacer,
    known: KnownUsers,
    found: Callable[[tuple[User, ...]], None],
) -> OrganizationParts:
    """Build the parts. Nothing begins to run, and the ledger does not change.

    Args:
        settings: the organization's configuration.
        poll: the section `poll`.
        shared: what the organizations share.
        telemetry: the organization's counters.
        ledger: where states are recorded.
        pacer: spaces the requests.
        known: the discovered users of before.
        found: called with each list of discovered users.
    """
    config, clock = settings.config, shared.clock
    stop = Stop(shared.stop)
    recorder = Recorder(ledger)
    limits = RequestLimits(pacer, config.limits.concurrency)
    discover = config.users.discover
    discovered = () if discover is None else known.users or ()
    roster = Roster(settings, discovered, shared.shard.takes, recorder, telemetry)
    client = connect(
        settings, poll.timeout, limits, telemetry, shared.watchdog, clock, shared.redact, lambda: roster.users
    )
    ssh_keys = SshKeyReader(config.name, client, clock) if config.watches_ssh_keys else None
    sweep_settings = SweepSettings(config.limits.concurrency, poll.interval, poll.spread, ssh_keys, shared.summary)
    refresher = (
        None
        if discover is None
        else Refresher(
            client,
            RefreshSettings(config.name, discover.interval, discover.allow_empty),
            known,
            RefreshListener(found, recorder.discovered),
            telemetry,
            stop,
            clock,
        )
    )
    return OrganizationParts(
        stop,
        recorder,
        pacer,
        client,
        Sweeper(recorder, client, telemetry, stop, clock, sweep_settings, shared.progress),
        OwnTokenMonitor(config.name, client, settings.token, recorder.own_token, stop, clock, shared.own_token_warning),
        roster,
        refresher,
        ssh_keys,
    )
