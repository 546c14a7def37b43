from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

import pytest
from support.builders import DAY, NOW, Counts, ManualClock, a_key, a_token

from exporter.common.cancellation import Stop
from exporter.common.secrets import Secret
from exporter.model.token import NEVER
from exporter.model.user import User
from exporter.platform.base import ApiError, Caller, FoundUsers, TokenListing
from exporter.platform.yunxiao.connect import YunxiaoPlatform
from exporter.platform.yunxiao.owners import Owners

if TYPE_CHECKING:
    from exporter.model.ssh_key import SshKey
    from exporter.platform.yunxiao.client import YunxiaoClient
    from exporter.platform.yunxiao.discovery import Discoverer


class Client:
    """The calls that a platform passes on."""

    refused = (Secret("pt-old_secret"),)

    def __init__(self) -> None:
        self.closed = False
        self.listing: TokenListing | None = None
        self.key: SshKey | None = None

    def list_tokens(self, user_id: str, stop: Stop) -> TokenListing:
        stop.check()
        return self.listing or TokenListing((a_token(f"pt-{user_id}"),))

    def list_ssh_keys(self, user_id: str, stop: Stop) -> tuple[SshKey, ...]:
        stop.check()
        return (self.key or a_key(user_id),)

    def caller(self, stop: Stop) -> Caller:
        stop.check()
        return Caller("admin")

    def find_users(self, stop: Stop) -> FoundUsers:
        stop.check()
        return FoundUsers((User("u1", "a"),))

    def close(self) -> None:
        self.closed = True


def a_platform(client: Client, *, finds: bool = True, longest: float | None = 3650 * DAY) -> YunxiaoPlatform:
    watched = (User("u1", "a"), User("u2", "b"))
    owners = Owners("acme", lambda: (watched,), lambda _: "", Counts(), str, ManualClock())
    discoverer = cast("Discoverer", client) if finds else None
    return YunxiaoPlatform(cast("YunxiaoClient", client), discoverer, owners, ManualClock(), longest, client)


def test_a_platform_passes_calls_on() -> None:
    client = Client()
    platform = a_platform(client)
    assert platform.list_tokens("u1", Stop()).tokens == (a_token("pt-u1"),)
    assert platform.list_ssh_keys("u1", Stop()) == (a_key("u1"),)
    assert platform.caller(Stop()) == Caller("admin")
    assert platform.find_users(Stop()) == FoundUsers((User("u1", "a"),))
    assert platform.refused == client.refused
    platform.close()
    assert client.closed


def test_without_discovery_no_user_is_found() -> None:
    assert a_platform(Client(), finds=False).find_users(Stop()) == FoundUsers()


def test_tokens_of_another_watched_user_or_of_the_caller_are_refused() -> None:
    client = Client()
    platform = a_platform(client)
    client.listing = TokenListing((a_token(),), owners=frozenset({"u2"}))
    with pytest.raises(ApiError, match="another user"):
        platform.list_tokens("u1", Stop())
    assert platform.list_tokens("u2", Stop()) == client.listing
    client.listing = TokenListing((a_token(),), owners=frozenset({"admin"}))
    platform.caller(Stop())
    with pytest.raises(ApiError, match="own user"):
        platform.list_tokens("u1", Stop())


def test_an_expiry_beyond_the_limit_counts_as_never() -> None:
    far, soon = a_token("far", expires_in=3650 * DAY), a_token("soon", expires_in=3649 * DAY)
    client = Client()
    client.listing = TokenListing((far, soon), unreadable=3)
    assert a_platform(client).list_tokens("u1", Stop()) == TokenListing(
        (replace(far, expires_at=NEVER, listed_expiry=NOW + 3650 * DAY), soon), unreadable=3
    )
    assert a_platform(client, longest=None).list_tokens("u1", Stop()) == client.listing


def test_a_distant_expiry_of_a_key_counts_as_never_like_that_of_a_token() -> None:
    client = Client()
    client.key = a_key("501", expires_in=36_500 * DAY)
    (key,) = a_platform(client).list_ssh_keys("u1", Stop())
    assert (key.expires_at, key.listed_expiry) == (NEVER, NOW + 36_500 * DAY)
    assert a_platform(client, longest=None).list_ssh_keys("u1", Stop()) == (client.key,)
