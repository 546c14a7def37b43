"""What the page says before anything else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.builders import DAY, HOUR, NOW, ManualClock, a_failure
from support.web import CountedRefusals

from exporter.config.schema import Config
from exporter.model.severity import Severity
from exporter.model.snapshot import View
from exporter.model.state import Failure, Reason
from exporter.model.token import NEVER
from exporter.model.user import User
from exporter.state.ledger import Ledger
from exporter.state.store import Store
from exporter.state.token_index import TokenIndex
from exporter.web.banners import banners
from exporter.web.page import LandingPage

if TYPE_CHECKING:
    from exporter.web.banners import Banner

CONFIG = Config.model_validate(
    {"organizations": ({"name": "acme", "endpoint": "http://x", "token_env": "T", "users": {"files": ("x",)}},)}
)


def a_ledger(name: str = "acme") -> Ledger:
    ledger = Ledger(name, [User("1", "li.wei")], since=NOW)
    ledger.succeeded("1", (), NOW)
    return ledger


def shown(*ledgers: Ledger, now: float = NOW) -> tuple[Banner, ...]:
    return banners(View(tuple(ledger.view() for ledger in ledgers)), CONFIG, now)


def test_an_organization_that_cannot_be_polled_comes_first_with_reason_and_time() -> None:
    refused, other = a_ledger(), a_ledger("globex")
    other.own_token(NOW + 2 * DAY + 5 * HOUR)
    refused.all_failed(Failure(Reason.UNAUTHORIZED, "HTTP 401"), NOW + 60)
    first, second = shown(other, refused, now=NOW + HOUR + 60)[::-1]
    assert (first.severity, second.severity) == (Severity.CRITICAL, Severity.CRITICAL)
    assert first.text.startswith(
        "No user of acme can be polled since 2026-06-01T00:01:00Z (1h): unauthorized: HTTP 401; if all users have it"
    )
    assert second.text == "The exporter's own token for globex expires in 2d (2026-06-03T05:00:00Z)."


def test_failures_that_may_be_short_make_no_banner_before_the_alert() -> None:
    ledger = a_ledger()
    ledger.failed("1", a_failure(), NOW + 60)
    assert [len(shown(ledger, now=NOW + 60 + later)) for later in (1799, 1800)] == [0, 1]
    ledger.succeeded("1", (), NOW + DAY)
    assert shown(ledger, now=NOW + DAY) == ()


@pytest.mark.parametrize(
    ("left", "severity", "text"),
    [
        (-DAY, Severity.CRITICAL, "The exporter's own token for acme expired 1d ago (2026-05-31T00:00:00Z)."),
        (3 * DAY, Severity.WARNING, "The exporter's own token for acme expires in 3d (2026-06-04T00:00:00Z)."),
        (14 * DAY, Severity.INFO, "The exporter's own token for acme expires in 14d (2026-06-15T00:00:00Z)."),
        (NEVER, Severity.INFO, "The exporter's own token for acme never expires."),
    ],
)
def test_the_expiry_of_the_exporters_own_token_is_always_shown(left: float, severity: Severity, text: str) -> None:
    ledger = a_ledger()
    ledger.own_token(NOW + left)
    (banner,) = shown(ledger)
    assert (banner.severity, banner.text) == (severity, text)


def test_the_page_begins_with_a_red_banner_and_its_text_is_escaped() -> None:
    ledger = a_ledger()
    ledger.all_failed(Failure(Reason.UNAUTHORIZED, "HTTP 401 <script>"), NOW)
    store = Store()
    store.replace([ledger])
    page = LandingPage(
        TokenIndex(store.view), ManualClock(), CountedRefusals(ManualClock()), lambda: HOUR, lambda: CONFIG
    )
    body = page.body().decode()
    assert '<p class="banner critical" role="alert">No user of acme can be polled' in body
    assert body.index("banner critical") < body.index("<h1>")
    assert "HTTP 401 &lt;script&gt;" in body
