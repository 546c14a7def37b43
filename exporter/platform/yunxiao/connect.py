"""The Yunxiao platform of one organization, made from its configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from exporter.platform.base import FoundUsers, TokenListing
from exporter.platform.yunxiao.client import Target, YunxiaoClient
from exporter.platform.yunxiao.discovery import Discoverer
from exporter.platform.yunxiao.owners import Owners
from exporter.platform.yunxiao.ssh_keys import SshKeys

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from exporter.common.cancellation import Stop
    from exporter.common.clock import Clock
    from exporter.common.secrets import Secret
    from exporter.config.settings import OrganizationSettings
    from exporter.http.session import Watchdog
    from exporter.model.ssh_key import SshKey
    from exporter.model.user import User
    from exporter.platform.base import Caller, Platform, PlatformObserver, SshKeyLister
    from exporter.platform.yunxiao.client import Gate


class YunxiaoPlatform:
    """One organization's platform. Threads share it, but one at a time finds users.

    Args:
        client: the API.
        discoverer: finds users; None if the configuration has no section `users.discover`.
        owners: checks whose tokens are listed.
        clock: the time.
        longest: seconds after which an expiry counts as never, as in `Token.within`; None if every date is one.
        ssh_keys: lists SSH keys; None if the configuration does not ask for them.
    """

    def __init__(
        self,
        client: YunxiaoClient,
        discoverer: Discoverer | None,
        owners: Owners,
        clock: Clock,
        longest: float | None,
        ssh_keys: SshKeyLister | None = None,
    ) -> None:
        self._client = client
        self._discoverer = discoverer
        self._owners = owners
        self._clock = clock
        self._longest = longest
        self._ssh_keys = ssh_keys

    def list_tokens(self, user_id: str, stop: Stop) -> TokenListing:
        """The personal access tokens of one user; as `Platform.list_tokens`."""
        listing = self._client.list_tokens(user_id, stop)
        self._owners.check(user_id, listing.owners, stop)
        if self._longest is None:
            return listing
        now = self._clock.now()
        tokens = tuple([token.within(self._longest, now) for token in listing.tokens])
        return TokenListing(tokens, listing.unreadable, listing.owners)

    def list_ssh_keys(self, user_id: str, stop: Stop) -> tuple[SshKey, ...]:
        """The SSH keys of one user; as `Platform.list_ssh_keys`."""
        if self._ssh_keys is None:
            return ()
        keys = self._ssh_keys.list_ssh_keys(user_id, stop)
        if self._longest is None:
            return keys
        now = self._clock.now()
        return tuple([key.within(self._longest, now) for key in keys])

    def caller(self, stop: Stop) -> Caller:
        """The user that the exporter's token belongs to; as `Platform.caller`."""
        caller = self._client.caller(stop)
        self._owners.learn_caller(caller.user_id)
        return caller

    def find_users(self, stop: Stop) -> FoundUsers:
        """The users that the section `users.discover` selects; as `Platform.find_users`."""
        return FoundUsers() if self._discoverer is None else self._discoverer.find_users(stop)

    @property
    def refused(self) -> tuple[Secret, ...]:
        """The tokens that the platform refused in the last call that failed with 401."""
        return self._client.refused

    def close(self) -> None:
        """Cancel the requests in flight and close the connections; no call works afterwards."""
        self._client.close()


def connect(
    settings: OrganizationSettings,
    timeout: float,
    gate: Gate,
    observer: PlatformObserver,
    watchdog: Watchdog,
    clock: Clock,
    redact: Callable[[str], str],
    watched: Callable[[], tuple[Sequence[User], ...]],
) -> Platform:
    """The platform of an organization. Connections are opened by the first request.

    Args:
        settings: the organization's configuration.
        timeout: seconds that one request may take.
        gate: decides when a request may start.
        observer: counts requests.
        watchdog: cancels requests that take too long.
        clock: the time.
        redact: removes secrets from text of the platform.
        watched: the lists of watched users, whose tokens no other user can have, and which confirm refusals; the
            same objects until a list changes.
    """
    config = settings.config
    target = Target(
        endpoint=config.endpoint,
        timezone=ZoneInfo(config.timezone),
        timeout=timeout,
        concurrency=config.limits.concurrency,
        max_retry_after=config.limits.max_retry_after,
        host_header=config.host_header,
        server_name=config.tls.server_name,
        tls=settings.tls,
        proxies=settings.proxies,
    )
    client = YunxiaoClient(target, settings.token, gate, observer, watchdog, clock, redact=redact)
    client.confirm_with(lambda: (user.user_id for users in watched() for user in users))
    discover = config.users.discover
    ssh_keys = None
    if config.watches_ssh_keys:
        ssh_keys = SshKeys(client, config.organization_of_keys, target.timezone, redact)
    return YunxiaoPlatform(
        client,
        None if discover is None else Discoverer(config.name, client, discover, redact),
        Owners(config.name, watched, lambda stop: client.caller(stop).user_id, observer, redact, clock),
        clock,
        config.never_expires_after,
        ssh_keys,
    )
