from __future__ import annotations

import gzip
import threading
from typing import TYPE_CHECKING, Any

import pytest
from support.builders import NOW, ManualClock, a_failure, a_token
from support.scrapes import (
    LI,
    OPENMETRICS,
    Scene,
    a_config,
    a_ledger,
    an_exposition,
)

from exporter.metrics import chunk, rendering
from exporter.metrics.encoding import Format
from exporter.metrics.exposition import Exposition
from exporter.metrics.telemetry import Telemetry
from exporter.model.snapshot import Sweep, SweepResult
from exporter.model.user import User
from exporter.state.ledger import Ledger
from exporter.state.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable

    from prometheus_client import CollectorRegistry

    from exporter.config.schema import Config
    from exporter.metrics.body import Body


def test_a_change_during_a_scrape_is_in_the_next_scrape(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, store, telemetry = ManualClock(), Store(), Telemetry()
    ledger = Ledger("acme", [User("1", "a"), User("2", "b")])
    store.replace([ledger])
    for user_id in ("1", "2"):
        ledger.succeeded(user_id, (a_token(f"pt-old-{user_id}"),), NOW)
    exposition = Exposition(
        telemetry.registry,
        store,
        a_config,
        clock,
        telemetry.families_left_out,
        lambda: telemetry.reloads,
        telemetry.internal_error,
    )
    exposition.open()
    exposition.scrape("", "")
    users: list[str] = []
    real = rendering.render_user

    def prepare(organization: str, state: Any, plan: Any, now: float) -> Any:
        users.append(state.user.user_id)
        if users == ["1"]:
            # While the scrape renders the first user, a poll of the second one ends.
            ledger.succeeded("2", (a_token("pt-new-2"),), NOW)
            exposition.prepare("acme", ledger.view().users[1])
        return real(organization, state, plan, now)

    monkeypatch.setattr(chunk, "render_user", prepare)
    ledger.succeeded("1", (a_token("pt-new-1"),), NOW)
    during = exposition.scrape("", "").content
    assert b"pt-new-1" in during
    assert b"pt-old-2" in during
    assert b"pt-new-2" not in during
    assert users == ["1"]
    after = exposition.scrape("", "").content
    assert b"pt-new-2" in after
    assert users == ["1", "2"]


def test_scrapes_of_the_same_second_share_a_body_and_the_next_second_does_not() -> None:
    store, clock = Store(), ManualClock()
    store.replace([a_ledger(a_token())])
    exposition = an_exposition(store, a_config(), clock)
    first = exposition.scrape("", "")
    clock.advance(0.4)
    assert exposition.scrape("", "") is first
    assert exposition.scrape("", "gzip").content != first.content
    clock.advance(0.6)
    assert exposition.scrape("", "") is not first


UP_3001 = 'yunxiao_user_up{organization="acme",user="li.wei",user_id="3001"}'
RELOADED = "yunxiao_exporter_config_last_reload_successful"
RELOAD_TIME = "yunxiao_exporter_config_last_reload_success_timestamp_seconds"
CHANGES: dict[str, tuple[Callable[[Scene], object], str | None, str | None]] = {
    "a new token": (lambda it: it.ledger.succeeded("3001", (a_token("pt-new"),), NOW), "pt-old", "pt-new"),
    "a deleted token": (lambda it: it.ledger.succeeded("3001", (), NOW), "pt-old", None),
    "a renamed token": (
        lambda it: it.ledger.succeeded("3001", (a_token("pt-old", name="late"),), NOW), 'token="ci"', 'token="late"',
    ),
    "a failure": (lambda it: it.ledger.failed("3001", a_failure(), NOW), f"{UP_3001} 1.0", f"{UP_3001} 0.0"),
    "a dead token": (lambda it: it.ledger.all_failed(a_failure(), NOW), f"{UP_3001} 1.0", f"{UP_3001} 0.0"),
    "a removed user": (lambda it: it.ledger.watch([User("3002", "wang.fang")]), "li.wei", None),
    "a renamed user": (lambda it: it.ledger.watch([User("3001", "li")]), "li.wei", 'user="li"'),
    "a sweep": (
        lambda it: it.ledger.swept(Sweep(SweepResult.SUCCESS, 12.5, NOW)),
        None, 'yunxiao_sweep_duration_seconds{organization="acme"} 12.5',
    ),
    "other organizations": (
        lambda it: it.store.replace([Ledger("globex", [LI])]),
        'yunxiao_users{organization="acme"}', 'yunxiao_users{organization="globex"}',
    ),
    "one organization more": (
        lambda it: it.store.replace([it.ledger, Ledger("globex", [LI])]), None, 'yunxiao_users{organization="globex"}',
    ),
    "another configuration": (lambda it: it.configure(per_token=False), "yunxiao_token_expires_in_seconds{", None),
    "a reload": (
        lambda it: it.telemetry.reloaded(NOW + 1), f"{RELOAD_TIME} 1.780272e+09", f"{RELOAD_TIME} 1.780272001e+09",
    ),
    "a refused reload": (lambda it: it.telemetry.reload_failed(), f"{RELOADED} 1.0", f"{RELOADED} 0.0"),
}  # fmt: skip


@pytest.mark.parametrize(("accept", "encoding"), [("", ""), (OPENMETRICS, ""), ("", "gzip")])
@pytest.mark.parametrize("change", CHANGES)
def test_a_change_within_a_second_is_in_the_next_scrape(change: str, accept: str, encoding: str) -> None:
    apply, gone, new = CHANGES[change]
    scene = Scene()
    before = scene.scrape(accept, encoding)
    assert scene.scrape(accept, encoding) is before
    apply(scene)
    after = scene.scrape(accept, encoding)
    assert scene.scrape(accept, encoding) is after
    texts = [(gzip.decompress(body.content) if encoding else body.content).decode() for body in (before, after)]
    assert [gone is not None and gone in text for text in texts] == [gone is not None, False]
    assert [new is not None and new in text for text in texts] == [False, new is not None]


def test_changes_to_unwatched_users_or_counters_keep_the_shared_body() -> None:
    scene = Scene()
    first = scene.scrape()
    scene.ledger.succeeded("7", (a_token(),), NOW)
    scene.telemetry.internal_error("poll")
    assert scene.scrape() is first


def test_a_family_that_is_left_out_is_reported_in_the_same_body() -> None:
    scene = Scene()
    scene.ledger.succeeded("3001", tuple(a_token(f"t{number}") for number in range(400)), NOW)
    scene.configure(max_series=1000)
    assert 'yunxiao_exporter_family_left_out{family="yunxiao_token_expires_in_seconds"} 1.0' in scene.body().decode()


def test_gzip_decodes_to_the_plain_body() -> None:
    store = Store()
    store.replace([a_ledger(a_token())])
    exposition = an_exposition(store, a_config(), ManualClock())
    packed = exposition.scrape(OPENMETRICS, "gzip")
    assert packed.encoding == "gzip"
    assert gzip.decompress(packed.content) == exposition.scrape(OPENMETRICS, "").content


def test_a_scrape_waits_until_the_exposition_is_opened() -> None:
    store = Store()
    ledger = Ledger("acme", [LI])
    ledger.succeeded("3001", (a_token(),), NOW)
    telemetry = Telemetry()
    exposition = Exposition(
        telemetry.registry, store, a_config, ManualClock(), telemetry.families_left_out, lambda: telemetry.reloads,
        telemetry.internal_error,
    )  # fmt: skip
    bodies: list[bytes] = []
    scraper = threading.Thread(target=lambda: bodies.append(exposition.scrape("", "").content), daemon=True)
    scraper.start()
    store.replace([ledger])
    exposition.prepare_all()
    assert bodies == []
    exposition.open()
    scraper.join(5)
    assert b"yunxiao_token_expiry_timestamp_seconds{" in bodies[0]


def not_open(config: Callable[[], Config] = a_config) -> Exposition:
    """An exposition of a user without data; scrapes wait."""
    store, telemetry = Store(), Telemetry()
    store.replace([Ledger("acme", [LI])])
    return Exposition(
        telemetry.registry, store, config, ManualClock(), telemetry.families_left_out, lambda: telemetry.reloads,
        telemetry.internal_error,
    )  # fmt: skip


def early(exposition: Exposition, scrape: Callable[[], object]) -> threading.Thread:
    """A scrape that waits for the exposition to be opened."""
    scraper = threading.Thread(target=scrape, daemon=True)
    scraper.start()
    while not exposition._gate._waited:
        scraper.join(0.001)
    return scraper


def test_what_follows_the_opening_waits_for_a_scrape_that_came_early() -> None:
    order: list[str] = []

    def config() -> Config:
        order.append("rendered")
        return a_config()

    exposition = not_open(config)
    scraper = early(exposition, lambda: order.extend("sent" for _ in exposition.scrape("", "").pieces()))
    exposition.open(5)
    order.append("opened")
    scraper.join(5)
    assert (order[0], set(order[1:-1]), order[-1]) == ("rendered", {"sent"}, "opened")


def test_a_stop_ends_the_wait_for_a_slow_client() -> None:
    exposition = not_open()
    bodies: list[Body] = []
    scraper = early(exposition, lambda: bodies.append(exposition.scrape("", "")))
    opener = threading.Thread(target=exposition.open, args=(1e6,), daemon=True)
    opener.start()
    scraper.join(5)
    # Nobody reads the body.
    assert (len(bodies), opener.is_alive()) == (1, True)
    exposition.open()
    opener.join(5)
    assert not opener.is_alive()


def test_the_opening_waits_for_no_client_that_has_disconnected() -> None:
    exposition = not_open()
    pieces: list[bytes] = []
    early(exposition, lambda: pieces.append(next(exposition.scrape("", "").pieces())))
    exposition.open(1e6)
    assert len(pieces) == 1


def test_the_opening_waits_for_no_scrape_if_none_came_early() -> None:
    exposition = not_open()
    exposition.open(1e6)
    assert exposition.scrape("", "").content.endswith(b"\n")


def test_each_format_is_rendered_once_whatever_clients_accept(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene()
    rendered: list[str] = []
    encode = Format.encode

    def counting(form: Format, registry: CollectorRegistry) -> bytes:
        rendered.append(form.name)
        return encode(form, registry)

    monkeypatch.setattr(Format, "encode", counting)
    versions = [f"{minor}.{patch}" for minor in range(20) for patch in range(10)]
    for version in versions:
        scene.body(f"application/openmetrics-text;version=1.{version}")
        scene.body(f"text/plain;version=1.{version}", "gzip")
    assert sorted(rendered) == ["OPENMETRICS", "TEXT"]
    assert scene.scrape("text/plain;version=1.0.0").segments is scene.scrape("").segments
