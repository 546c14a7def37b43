from __future__ import annotations

from typing import TYPE_CHECKING

from structlog.testing import capture_logs

from exporter.common.secrets import Secret
from exporter.polling.credentials import Credentials

if TYPE_CHECKING:
    from collections.abc import Collection


class Scene:
    """A token's source, a client that refuses tokens, and the counters, all set by a test."""

    def __init__(self) -> None:
        self.token = "pt-a_1"
        self.origin = "/secrets/token-0"
        self.problem: str | None = None
        self.refused: tuple[Secret, ...] = ()
        self.retries = 0
        self.errors: list[str] = []
        self.credentials = Credentials("acme", self, self, lambda: bool(self.refused), self.retry, self)

    def current(self) -> Secret:
        return Secret(self.token)

    def successor(self, refused: Collection[Secret]) -> Secret | None:
        return None if self.current() in refused else self.current()

    def use(self, secret: Secret) -> None:
        raise AssertionError(secret)

    def retry(self) -> None:
        self.retries += 1

    def file_error(self, kind: str) -> None:
        self.errors.append(kind)

    def check(self) -> list[str]:
        """Check once; the messages that were logged."""
        with capture_logs() as logged:
            self.credentials.check()
        return [entry["event"] for entry in logged]


def test_an_accepted_token_is_not_retried_when_its_file_changes() -> None:
    scene = Scene()
    scene.token = "pt-b_2"
    assert (scene.check(), scene.retries) == ([], 0)


def test_each_new_token_after_a_refusal_is_tried_once() -> None:
    scene = Scene()
    scene.refused = (Secret("pt-a_1"),)
    assert (scene.check(), scene.retries) == ([], 0)
    scene.token = "pt-b_2"
    assert scene.check() == ["the token has changed since the platform refused it, sweeping now"]
    # The sweep is still under way: the refusal of before stands.
    assert (scene.check(), scene.retries) == ([], 1)
    scene.token = "pt-c_3"
    scene.check()
    assert scene.retries == 2


def test_a_token_that_was_accepted_meanwhile_is_tried_again_after_another_refusal() -> None:
    scene = Scene()
    scene.refused, scene.token = (Secret("pt-a_1"),), "pt-b_2"
    scene.check()
    scene.refused = ()
    scene.check()
    scene.refused = (Secret("pt-a_1"),)
    scene.check()
    assert scene.retries == 2


def test_a_change_of_the_file_in_use_is_logged_once() -> None:
    scene = Scene()
    scene.origin = "/secrets/token-1"
    assert scene.check() == ["the platform refused the token, that of another file is in use"]
    assert scene.check() == []


def test_a_file_that_becomes_invalid_is_counted_once_and_reported_when_it_is_valid_again() -> None:
    scene = Scene()
    scene.problem = "/secrets/token-0 is empty"
    assert scene.check() == ["token file became invalid, the last valid token stays in effect"]
    assert (scene.check(), scene.errors) == ([], ["token_file"])
    scene.problem = "/secrets/token-0 cannot be read"
    scene.check()
    assert scene.errors == ["token_file", "token_file"]
    scene.problem = None
    assert scene.check() == ["token file is valid again"]
    assert scene.check() == []
