"""What is in effect after the files have changed, with scripted files."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bcrypt
from support.asgi import answering, call
from support.builders import ManualClock
from support.web import CountedRefusals

from exporter.config.errors import ConfigError, Fault
from exporter.web.live_security import CHECK_INTERVAL, LiveSecurity
from exporter.web.security import WebSecurity
from exporter.web.web_config import WebConfig

if TYPE_CHECKING:
    import pytest

FILE = Path("/etc/web.yml")


def hashed(password: str) -> str:
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()


class Files(WebSecurity):
    """A web configuration whose next versions, or faults, a test has written down. A whole number is a new stamp."""

    script: list[Any]

    def __init__(self, config: WebConfig, script: list[Any], *, open_health: bool = False) -> None:
        super().__init__(config, file=FILE, files=(FILE,), open_health=open_health)
        object.__setattr__(self, "script", script)

    def stamp_now(self) -> Any:
        if not self.script:
            return self.stamp
        return self.script.pop(0) if isinstance(self.script[0], int) else "changed"

    def again(self) -> WebSecurity:
        match self.script.pop(0):
            case WebConfig() as config:
                return Files(config, self.script, open_health=self.open_health)
            case text:
                raise ConfigError((Fault("web.yml", None, "", text),))


class Scene:
    def __init__(self, config: WebConfig, *script: Any, open_health: bool = False) -> None:
        self.failures = 0
        clock = ManualClock()
        self.script = [*script]
        self.live = LiveSecurity(
            Files(config, self.script, open_health=open_health),
            answering(200, b"secret"),
            clock,
            CountedRefusals(clock),
            self._failed,
        )

    def _failed(self) -> None:
        self.failures += 1

    def check(self, times: int = 1) -> None:
        for _ in range(times):
            assert self.live.check() == CHECK_INTERVAL

    def status(self, password: str | None = None, path: str = "/metrics") -> int:
        credentials = {}
        if password is not None:
            credentials = {"authorization": f"Basic {base64.b64encode(f'prom:{password}'.encode()).decode()}"}
        return call(self.live.app, path, **credentials).status


def users(password: str) -> WebConfig:
    return WebConfig(basic_auth_users={"prom": hashed(password)})


def test_without_a_file_nothing_is_checked_and_all_requests_pass() -> None:
    clock = ManualClock()
    live = LiveSecurity(WebSecurity.none(), answering(200, b""), clock, CountedRefusals(clock), lambda: None)
    assert live.check() is None
    assert live.tls is None
    assert call(live.app).status == 200


def test_users_headers_and_limits_are_replaced_together() -> None:
    new = WebConfig.model_validate(
        {
            "basic_auth_users": {"prom": hashed("new")},
            "http_server_config": {"headers": {"X-Frame-Options": "sameorigin"}},
            "rate_limit": {"interval": "1h", "burst": 2},
        }
    )
    scene = Scene(users("old"), new)
    assert [scene.status("old"), scene.status("new"), scene.status()] == [200, 401, 401]
    scene.check(2)
    assert [scene.status("old"), scene.status("new"), scene.status("new")] == [401, 200, 429]
    assert call(scene.live.app).headers["x-frame-options"] == "sameorigin"
    assert scene.live.current.config == new


def test_a_file_counts_only_when_it_does_not_change_any_more() -> None:
    scene = Scene(users("old"), 1, 2, 3, 3, users("new"))
    for _ in range(3):
        scene.check()
        assert scene.status("old") == 200
    # The same stamp as the last time: read now.
    scene.script[:] = [3, users("new")]
    scene.check()
    assert [scene.status("old"), scene.status("new")] == [401, 200]


def test_users_may_be_added() -> None:
    scene = Scene(WebConfig(), users("new"))
    assert scene.status() == 200
    scene.check(2)
    assert [scene.status(), scene.status("new")] == [401, 200]


def test_an_invalid_file_leaves_the_last_valid_one_in_effect_and_is_counted_and_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    scene = Scene(users("old"), "no key", "no key", "no key", "no key", users("new"))
    scene.check()
    for _ in range(4):
        scene.check()
        assert scene.status("old") == 200
    assert scene.failures == 1
    assert len([one for one in caplog.records if "last valid one stays in effect" in one.getMessage()]) == 1
    scene.check()
    assert scene.status("new") == 200
    assert scene.failures == 1


def test_a_fault_of_a_moment_is_not_reported_because_certificate_and_key_are_two_files() -> None:
    scene = Scene(users("old"), "key does not belong to the certificate", users("new"))
    scene.check(3)
    assert scene.failures == 0
    assert scene.status("new") == 200


def test_each_new_fault_is_reported() -> None:
    scene = Scene(users("old"), "one", "one", "other", "other", users("new"), "one", "one")
    scene.check(9)
    assert scene.failures == 3


def test_health_is_open_only_if_enabled_and_only_health() -> None:
    closed, opened = Scene(users("old")), Scene(users("old"), open_health=True)
    assert closed.status(path="/-/ready") == 401
    assert opened.status(path="/-/ready") == 200
    assert opened.status() == 401


def test_open_health_is_not_limited() -> None:
    limited = WebConfig.model_validate({"rate_limit": {"interval": "1h", "burst": 1}})
    scene = Scene(limited, open_health=True)
    assert [scene.status(), scene.status()] == [200, 429]
    assert [scene.status(path="/-/healthy") for _ in range(3)] == [200, 200, 200]
