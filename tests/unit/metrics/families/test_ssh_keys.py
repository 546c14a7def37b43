"""The families about SSH keys."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from support.builders import DAY, HOUR, NOW, a_key, a_token
from support.scrapes import LI, labels, of, scrape

from exporter.config.schema import Metrics
from exporter.metrics.families.users import USER_FAMILIES
from exporter.model.token import NEVER
from exporter.state.ledger import Ledger

if TYPE_CHECKING:
    from exporter.model.ssh_key import SshKey


FAMILIES = {family.name for family in USER_FAMILIES}


def a_ledger(*keys: SshKey) -> Ledger:
    ledger = Ledger("acme", [LI])
    ledger.succeeded(LI.user_id, (a_token("pt-1"),), NOW, keys)
    return ledger


def test_a_key_has_its_dates_under_its_own_names() -> None:
    samples = scrape([a_ledger(a_key("501", expires_in=5 * DAY, age=DAY, used=HOUR))], now=NOW + 10)
    key = labels(token_id="501", token="laptop", kind="ssh_key")
    assert of(samples, "yunxiao_ssh_key_expiry_timestamp_seconds") == {key: NOW + 432_000}
    assert of(samples, "yunxiao_ssh_key_expires_in_seconds") == {key: 431_990}
    assert of(samples, "yunxiao_ssh_key_created_timestamp_seconds") == {key: NOW - 86_400}
    assert of(samples, "yunxiao_ssh_key_last_used_timestamp_seconds") == {key: NOW - 3600}


def test_keys_are_in_no_family_about_tokens_or_permissions() -> None:
    scraped = (scrape([a_ledger(a_key(), a_key("502"))]), scrape([a_ledger()]))
    with_keys, without = ({key: one[key] for key in one if key[0] in FAMILIES} for one in scraped)
    # Four families of two keys.
    assert len(with_keys) == len(without) + 8
    assert {key: value for key, value in with_keys.items() if "_ssh_key_" not in key[0]} == without


def test_unknown_dates_have_no_series_and_never_is_infinite() -> None:
    unknown = a_key("2", expires_in=None, used=None)
    samples = scrape([a_ledger(a_key("1", expires_in=NEVER, used=None, age=None), unknown)])
    never = labels(token_id="1", token="laptop", kind="ssh_key")
    assert of(samples, "yunxiao_ssh_key_expiry_timestamp_seconds") == {never: math.inf}
    assert of(samples, "yunxiao_ssh_key_last_used_timestamp_seconds") == {}


def test_the_switches_for_tokens_apply_to_keys() -> None:
    ledger = a_ledger(a_key(expires_in=9 * DAY))
    assert of(scrape([ledger], switches=Metrics(per_token=False)), "yunxiao_ssh_key_expiry_timestamp_seconds") == {}
    near = Metrics.model_validate({"expiring_within": "2d"})
    assert of(scrape([ledger], switches=near), "yunxiao_ssh_key_created_timestamp_seconds") == {}
    entered = scrape([ledger], switches=near, now=NOW + 7 * DAY)
    assert len(of(entered, "yunxiao_ssh_key_created_timestamp_seconds")) == 1
