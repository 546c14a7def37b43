from __future__ import annotations

from typing import TYPE_CHECKING, cast

from support.builders import a_key, a_token

from exporter.common.cancellation import Stop
from exporter.common.secrets import Secret
from exporter.model.user import User
from exporter.platform.base import Caller
from exporter.platform.yunxiao.connect import YunxiaoPlatform

if TYPE_CHECKING:
    from exporter.model.ssh_key import SshKey
    from exporter.model.token import Token
    from exporter.platform.yunxiao.client import YunxiaoClient
    from exporter.platform.yunxiao.discovery import Discoverer


class Client:
    """The calls that a platform passes on."""

    refused = (Secret("pt-old_secret"),)

    def __init__(self) -> None:
        self.closed = False

    def list_tokens(self, user_id: str, stop: Stop) -> tuple[Token, ...]:
        stop.check()
        return (a_token(f"pt-{user_id}"),)

    def list_ssh_keys(self, user_id: str, stop: Stop) -> tuple[SshKey, ...]:
        stop.check()
        return (a_key(user_id),)

    def caller(self, stop: Stop) -> Caller:
        stop.check()
        return Caller("admin")

    def find_users(self, stop: Stop) -> tuple[User, ...]:
        stop.check()
        return (User("u1", "a"),)

    def close(self) -> None:
        self.closed = True


def test_a_platform_passes_calls_on() -> None:
    client = Client()
    platform = YunxiaoPlatform(cast("YunxiaoClient", client), cast("Discoverer", client), client)
    assert platform.list_tokens("u1", Stop()) == (a_token("pt-u1"),)
    assert platform.list_ssh_keys("u1", Stop()) == (a_key("u1"),)
    assert platform.caller(Stop()) == Caller("admin")
    assert platform.find_users(Stop()) == (User("u1", "a"),)
    assert platform.refused == client.refused
    platform.close()
    assert client.closed


def test_without_discovery_no_user_is_found() -> None:
    assert YunxiaoPlatform(cast("YunxiaoClient", Client()), None).find_users(Stop()) == ()
