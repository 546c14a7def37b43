"""Wrong refusals of a good token, and real ones in the middle of a sweep, against the platform on loopback."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from integration.test_client import a_client
from support.running import ADMIN_TOKEN, a_record, a_simulator, command, write_config

from exporter.app.once import Outcome, sweep_once
from exporter.common.clock import SystemClock
from exporter.common.secrets import SecretFiles
from exporter.config.load import load
from exporter.model.state import Reason
from exporter.platform.base import Refusal
from exporter.platform.yunxiao.simulator.faults import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from exporter.model.user import User
    from exporter.platform.yunxiao.simulator.server import Simulator

USERS = [f"u{number}" for number in range(300)]
WRONG = Fault.parse("401")


@pytest.fixture
def platform() -> Iterator[Simulator]:
    with a_simulator({user: [a_record()] for user in USERS}) as simulator:
        yield simulator


class Sweep:
    """One sweep over all users; revokes the token after some users, if that is asked for."""

    def __init__(self, folder: Path, platform: Simulator, concurrency: int, revoke_after: int | None = None) -> None:
        limits = {"concurrency": concurrency, "requests_per_second": None}
        self.config = write_config(folder, platform, USERS, limits=limits)
        self.platform = platform
        self.revoke_after = revoke_after
        self.done = 0
        self.until_revoked = 0

    def run(self) -> Outcome:
        return sweep_once(load(self.config, {}), SystemClock(), self._progress, lambda _: None)

    def _progress(self, _: User) -> None:
        self.done += 1
        if self.done == self.revoke_after:
            self.platform.token = "pt-other_00000000"
            self.until_revoked = self.platform.requests()


@pytest.mark.parametrize("fault", ["401", 'body:{"status":401,"error":"Unauthorized","data":[]}'])
def test_wrong_refusals_fail_no_user_and_cost_one_request_each(platform: Simulator, tmp_path: Path, fault: str) -> None:
    platform.faults.at_rate(0.02, Fault.parse(fault))
    outcome = Sweep(tmp_path, platform, 8).run()
    assert outcome.failures == ()
    (organization,) = outcome.view.organizations
    assert len([state for state in organization.users if state.tokens]) == 300
    # Six of 300 on average; the simulator's random numbers are always the same.
    assert 301 <= platform.requests() <= 320


def test_a_token_revoked_in_the_middle_of_a_sweep_is_known_after_few_requests(
    platform: Simulator, tmp_path: Path
) -> None:
    sweep = Sweep(tmp_path, platform, 8, revoke_after=100)
    outcome = sweep.run()
    (failure,) = outcome.failures
    assert "and 295 more: unauthorized: HTTP 401 InvalidTokenError" in failure
    assert "for this user only" not in failure
    # Those in flight when it was revoked, then one for each worker, and three.
    assert platform.requests() - sweep.until_revoked <= 8 + 8 + 3


def test_a_user_that_is_always_refused_fails_alone_and_with_words(platform: Simulator, tmp_path: Path) -> None:
    platform.faults.for_user("u0", WRONG)
    outcome = Sweep(tmp_path, platform, 1).run()
    (failure,) = outcome.failures
    assert failure.startswith("acme: u0 (u0): unauthorized: HTTP 401 InvalidTokenError")
    assert "; repeatedly, for this user only: the token works for other users; " in failure
    assert platform.requests("u0") == 3


def test_a_wrong_refusal_leaves_the_token_file_in_use(platform: Simulator, tmp_path: Path) -> None:
    paths = [tmp_path / "first", tmp_path / "second"]
    paths[0].write_text(ADMIN_TOKEN)
    paths[1].write_text("pt-dead_0000")
    source = SecretFiles(paths)
    with a_client(platform.url, source) as bench:
        bench.ask("u1")
        platform.faults.for_user("u2", WRONG)
        assert bench.fails("u2").refusal is Refusal.CALL
        assert source.origin == str(paths[0])
        assert bench.client.refused == ()


def test_a_redirect_to_a_login_page_is_reported_as_a_possible_refusal(platform: Simulator) -> None:
    platform.faults.for_user("u1", Fault.parse("redirect:/users/sign_in?next=x"))
    with a_client(platform.url) as bench:
        error = bench.fails("u1")
    assert error.reason is Reason.REDIRECT
    assert error.detail == (
        "HTTP 302 to another path, redirects are refused; "
        "it is a login page: the platform may have refused the token, or the endpoint is wrong"
    )
    assert platform.requests("u1") == 1


def test_a_wrong_token_still_fails_the_commands_soon(platform: Simulator, tmp_path: Path) -> None:
    config = write_config(tmp_path, platform, USERS, limits={"concurrency": 4, "requests_per_second": None})
    (tmp_path / "token").write_text("pt-dead_0000")
    result = command("check-config", "--probe", "--config.file", str(config))
    assert result.returncode == 1
    assert "acme: caller: failed: unauthorized: HTTP 401 InvalidTokenError" in result.stderr
    # The caller three times, and a user's tokens in between.
    assert platform.requests() == 4
