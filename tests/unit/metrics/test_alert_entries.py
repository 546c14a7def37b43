"""The families for alert rules in a scrape."""

from __future__ import annotations

from support.builders import DAY, NOW, ManualClock, a_token
from support.scrapes import SOURCE, a_config, a_ledger, an_exposition, labels, of, read

from exporter.config.schema import Metrics
from exporter.model.user import User
from exporter.state.store import Store

EXPIRY = "yunxiao_token_alert_expiry_timestamp_seconds"


def test_an_entry_stays_with_the_value_0_and_is_counted() -> None:
    ledger, store, clock = a_ledger(a_token(expires_in=-DAY)), Store(), ManualClock()
    store.replace([ledger])
    exposition = an_exposition(store, a_config(), clock)
    values = []
    for tokens in ((a_token(expires_in=-DAY),), (), ()):
        ledger.succeeded("3001", tokens, clock.now())
        samples = read(exposition.scrape("", "").content.decode(), "")
        kept = of(samples, "yunxiao_exporter_ended_alert_entries")[frozenset({("state", "kept")})]
        values.append((list(of(samples, EXPIRY).values()), kept))
        clock.advance(500)
    assert values == [([NOW - DAY], 0), ([0.0], 1), ([0.0], 1)]
    clock.advance(500)
    assert of(read(exposition.scrape("", "").content.decode(), ""), EXPIRY) == {}


def test_labels_of_an_entry_win_over_texts_of_the_same_name() -> None:
    user = User("3001", "li.wei", (("owner", "platform"), ("team", "a")))
    store = Store()
    store.replace([a_ledger(a_token(expires_in=-DAY), user=user)])
    (found,) = of(read(an_exposition(store, a_config(), ManualClock()).scrape("", "").content.decode(), ""), EXPIRY)
    assert labels(owner="platform", team="a", alert_source=SOURCE, alert_stage="expired") <= found


def test_the_families_can_be_switched_off() -> None:
    store = Store()
    store.replace([a_ledger(a_token(expires_in=-DAY))])
    body = an_exposition(store, a_config(Metrics(alerts=False)), ManualClock()).scrape("", "").content
    assert b"yunxiao_token_alert" not in body
    assert b"yunxiao_alert_source" not in body
    assert b"yunxiao_exporter_ended" not in body
