from __future__ import annotations

import math

import pytest
from support.builders import DAY, NOW, ManualClock, a_token
from support.scrapes import (
    LI,
    OPENMETRICS,
    STRICT,
    a_config,
    a_ledger,
    an_exposition,
    labels,
    of,
    read,
    scrape,
)

from exporter.model.snapshot import Discovery, Sweep, SweepResult
from exporter.model.token import NEVER
from exporter.policies.schema import Policies
from exporter.state.ledger import Ledger
from exporter.state.store import Store


def test_before_the_first_poll_users_are_pending_and_have_no_series() -> None:
    samples = scrape([Ledger("acme", [LI])])
    acme = frozenset({("organization", "acme")})
    assert of(samples, "yunxiao_users") == {acme: 1}
    assert of(samples, "yunxiao_users_pending") == {acme: 1}
    assert of(samples, "yunxiao_user_up") == {}
    assert of(samples, "yunxiao_sweep_last_completed_timestamp_seconds") == {}


def test_the_last_sweep() -> None:
    ledger = a_ledger()
    ledger.swept(Sweep(SweepResult.SUCCESS, 12.5, NOW))
    samples = scrape([ledger])
    assert list(of(samples, "yunxiao_sweep_duration_seconds").values()) == [12.5]
    assert list(of(samples, "yunxiao_sweep_last_completed_timestamp_seconds").values()) == [NOW]


def test_every_configured_policy_has_a_count_and_violations_name_the_token_or_user() -> None:
    store, clock = Store(), ManualClock()
    store.replace([a_ledger(a_token("pt-1", expires_in=NEVER), a_token("pt-2"))])
    body = an_exposition(store, a_config(policies=STRICT), clock).scrape(OPENMETRICS, "").content.decode()
    samples = read(body)
    counts = {dict(key)["policy"]: value for key, value in of(samples, "yunxiao_policy_violations").items()}
    assert counts == {
        "max_lifetime": 0,
        "never_expires": 1,
        "max_tokens_per_user": 1,
        "max_age": 0,
        "expired_not_removed": 0,
    }
    assert of(samples, "yunxiao_token_policy_violation") == {
        labels(token_id="pt-1", token="ci", policy="never_expires", severity="warning"): 1
    }
    assert of(samples, "yunxiao_user_policy_violation") == {labels(policy="max_tokens_per_user", severity="warning"): 1}
    without = read(an_exposition(store, a_config(), clock).scrape(OPENMETRICS, "").content.decode())
    assert not [name for name, _ in without if "violation" in name]


def test_discovery_and_the_own_token_have_series_only_once_they_are_known() -> None:
    ledger = a_ledger()
    names = (
        "yunxiao_discovery_up",
        "yunxiao_discovery_last_success_timestamp_seconds",
        "yunxiao_discovered_users",
        "yunxiao_exporter_token_expiry_timestamp_seconds",
    )

    def values() -> list[list[float]]:
        samples = scrape([ledger])
        return [list(of(samples, name).values()) for name in names]

    assert values() == [[], [], [], []]
    ledger.discovered(Discovery())
    assert values() == [[], [], [], []]
    ledger.discovered(Discovery(up=False, users=3))
    ledger.own_token(NEVER)
    assert values() == [[0], [], [3], [math.inf]]
    ledger.discovered(Discovery(up=True, last_success=NOW, users=0))
    ledger.own_token(NOW + DAY)
    assert values() == [[1], [NOW], [0], [NOW + 86_400]]
    ledger.own_token(None)
    assert values()[3] == []


@pytest.mark.parametrize("shard", ["", "1/3"])
def test_series_of_organizations_carry_the_shard_if_there_is_one(shard: str) -> None:
    ledger = Ledger("acme", [LI], shard=shard)
    ledger.succeeded("3001", (a_token(expires_in=NEVER),), NOW)
    store, config = Store(), a_config(policies=Policies.model_validate({"never_expires": "forbid"}))
    store.replace([ledger])
    body = an_exposition(store, config, ManualClock()).scrape("", "").content.decode()
    more = f',shard="{shard}"' if shard else ""
    assert f'yunxiao_users{{organization="acme"{more}}} 1.0\n' in body
    assert f'yunxiao_policy_violations{{organization="acme",policy="never_expires"{more}}} 1.0\n' in body
