from __future__ import annotations

import math

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from support.builders import DAY, HOUR, NOW, ManualClock, a_failure, a_token, a_user
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

from exporter.config.schema import Metrics
from exporter.model.state import Reason
from exporter.model.token import NEVER, Token
from exporter.state.ledger import Ledger
from exporter.state.store import Store


def test_a_token_has_its_expiry_as_a_timestamp_and_in_seconds() -> None:
    samples = scrape([a_ledger(a_token("pt-1", expires_in=5 * DAY, name="ci", age=DAY))], now=NOW + 10)
    token = labels(token_id="pt-1", token="ci")
    assert of(samples, "yunxiao_token_expiry_timestamp_seconds") == {token: NOW + 432_000}
    assert of(samples, "yunxiao_token_expires_in_seconds") == {token: 431_990}
    assert of(samples, "yunxiao_token_created_timestamp_seconds") == {token: NOW - 86_400}


def test_an_expired_token_stays_with_negative_seconds() -> None:
    samples = scrape([a_ledger(a_token(expires_in=-HOUR))])
    assert list(of(samples, "yunxiao_token_expires_in_seconds").values()) == [-3600]


def test_never_and_unreadable_expiry_are_never_zero() -> None:
    samples = scrape([a_ledger(a_token("n", expires_in=NEVER), a_token("u", expires_in=None, age=None))])
    assert list(of(samples, "yunxiao_token_expires_in_seconds").values()) == [math.inf]
    assert list(of(samples, "yunxiao_token_expiry_timestamp_seconds").values()) == [math.inf]
    assert of(samples, "yunxiao_user_tokens") == {
        labels(state="active"): 0,
        labels(state="expired"): 0,
        labels(state="never_expires"): 1,
        labels(state="unknown"): 1,
    }


def test_a_token_that_expires_between_scrapes_changes_state_without_a_poll() -> None:
    ledger = a_ledger(a_token(expires_in=30))
    for now, active, expired in ((NOW, 1, 0), (NOW + 30, 0, 1)):
        counts = of(scrape([ledger], now=now), "yunxiao_user_tokens")
        assert (counts[labels(state="active")], counts[labels(state="expired")]) == (active, expired)


def test_deleted_tokens_have_no_series_and_a_user_without_tokens_has_zeros() -> None:
    ledger = a_ledger(a_token("t1"), a_token("t2"))
    ledger.succeeded("3001", (a_token("t2"),), NOW)
    assert [dict(key)["token_id"] for key in of(scrape([ledger]), "yunxiao_token_expires_in_seconds")] == ["t2"]
    ledger.succeeded("3001", (), NOW)
    samples = scrape([ledger])
    assert of(samples, "yunxiao_token_expires_in_seconds") == {}
    assert list(of(samples, "yunxiao_user_tokens").values()) == [0, 0, 0, 0]


def test_a_renamed_token_or_changed_permission_leaves_no_old_series() -> None:
    ledger = a_ledger(a_token("t1", name="old", permissions=("base_user_read",)))
    ledger.succeeded("3001", (a_token("t1", name="new", permissions=("base_user_read", "lingma_chat_read")),), NOW)
    samples = scrape([ledger])
    assert [dict(key)["token"] for key in of(samples, "yunxiao_token_expires_in_seconds")] == ["new"]
    assert {dict(key)["permission"] for key in of(samples, "yunxiao_user_permission_tokens")} == {
        "base_user_read",
        "lingma_chat_read",
    }


def test_tokens_with_the_same_labels_show_the_earliest_expiry() -> None:
    samples = scrape([a_ledger(a_token("t", expires_in=50 * DAY), a_token("t", expires_in=5 * DAY))])
    assert list(of(samples, "yunxiao_token_expires_in_seconds").values()) == [5 * DAY]
    assert of(samples, "yunxiao_user_permission_expires_in_seconds") == {labels(permission="base_user_read"): 5 * DAY}


def test_a_failed_poll_keeps_the_values_and_exposes_the_reason() -> None:
    ledger = a_ledger(a_token())
    ledger.failed("3001", a_failure(Reason.TIMEOUT), NOW + 60)
    samples = scrape([ledger], now=NOW + 3 * DAY)
    assert of(samples, "yunxiao_user_up") == {labels(): 0}
    assert of(samples, "yunxiao_user_failure") == {labels(reason="timeout"): 1}
    assert of(samples, "yunxiao_user_last_success_timestamp_seconds") == {labels(): NOW}
    assert list(of(samples, "yunxiao_token_expires_in_seconds").values()) == [2 * DAY]


def test_a_user_without_a_successful_poll_has_no_values_and_no_zero_timestamps() -> None:
    ledger = Ledger("acme", [LI], since=NOW)
    ledger.failed("3001", a_failure(), NOW)
    samples = scrape([ledger])
    assert of(samples, "yunxiao_user_up") == {labels(): 0}
    for name in ("yunxiao_user_tokens", "yunxiao_user_last_success_timestamp_seconds"):
        assert of(samples, name) == {}
    assert not [key for key, value in samples.items() if key[0].endswith("_timestamp_seconds") and value == 0
                and "config" not in key[0]]  # fmt: skip


@pytest.mark.parametrize(
    ("switch", "gone"),
    [
        ("per_token", {"yunxiao_token_expiry_timestamp_seconds", "yunxiao_token_expires_in_seconds",
                       "yunxiao_token_created_timestamp_seconds"}),
        ("per_permission", {"yunxiao_user_permission_tokens", "yunxiao_user_permission_expiry_timestamp_seconds",
                            "yunxiao_user_permission_expires_in_seconds"}),
        ("relative", {"yunxiao_token_expires_in_seconds", "yunxiao_user_permission_expires_in_seconds"}),
    ],
)  # fmt: skip
def test_a_switch_disables_its_families_and_no_others(switch: str, gone: set[str]) -> None:
    every = {name for name, _ in scrape([a_ledger(a_token())])}
    left = {name for name, _ in scrape([a_ledger(a_token())], switches=Metrics.model_validate({switch: False}))}
    assert every - left == gone


READ, READ_WRITE = "base_user_read", "base_user_read_write"


def test_both_levels_of_a_permission_have_series() -> None:
    ledger = a_ledger(
        a_token("1", expires_in=2 * DAY, permissions=(READ,)),
        a_token("2", expires_in=300 * DAY, permissions=(READ_WRITE,)),
    )
    samples = scrape([ledger], switches=Metrics(permission_lost=True))
    read, read_write = labels(permission=READ), labels(permission=READ_WRITE)
    assert of(samples, "yunxiao_user_permission_tokens") == {read: 2, read_write: 1}
    assert of(samples, "yunxiao_user_permission_expiry_timestamp_seconds") == {
        read: NOW + 172_800, read_write: NOW + 25_920_000,
    }  # fmt: skip
    assert of(samples, "yunxiao_user_permission_expires_in_seconds") == {read: 172_800, read_write: 25_920_000}
    assert of(samples, LOST) == {read: NOW + 25_920_000, read_write: NOW + 25_920_000}


LOST = "yunxiao_user_permission_lost_timestamp_seconds"


def test_when_permissions_are_lost_is_exposed_only_on_request() -> None:
    ledger = a_ledger(a_token())
    assert of(scrape([ledger]), LOST) == {}
    alone = scrape([ledger], switches=Metrics(per_permission=False, permission_lost=True))
    assert {name for name, _ in alone if "_permission_" in name} == {LOST}


def test_a_lost_permission_stays_in_the_past_and_one_that_never_is_stays_infinite() -> None:
    ledger = a_ledger(
        a_token("1", expires_in=DAY, permissions=(READ,)),
        a_token("2", expires_in=NEVER, permissions=("base_license_read",)),
    )
    for now in (NOW, NOW + 90 * DAY):
        samples = scrape([ledger], now=now, switches=Metrics(permission_lost=True))
        assert of(samples, LOST) == {
            labels(permission=READ): NOW + DAY,
            labels(permission="base_license_read"): math.inf,
        }
    windowed = Metrics.model_validate({"permission_lost": True, "expiring_within": "90d"})
    assert of(scrape([ledger], switches=windowed), LOST) == {labels(permission=READ): NOW + DAY}


def test_with_tokens_that_are_only_counted_a_permission_is_not_said_to_be_lost() -> None:
    ledger = Ledger("acme", [LI], most_tokens=1)
    tokens = tuple(a_token(str(days), expires_in=days * DAY, permissions=(READ,)) for days in (1, 2, 3))
    ledger.succeeded("3001", tokens, NOW)
    samples = scrape([ledger], switches=Metrics(permission_lost=True))
    assert of(samples, LOST) == {}
    assert of(samples, "yunxiao_user_permission_expiry_timestamp_seconds") == {labels(permission=READ): NOW + DAY}


texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6)


@given(
    st.lists(
        st.builds(
            Token,
            texts,
            texts,
            st.lists(texts, max_size=2, unique=True).map(tuple),
            st.none() | st.just(NOW),
            st.none() | st.just(NEVER) | st.floats(min_value=0, max_value=1e11),
        ),
        max_size=5,
    ),
    st.booleans(),
)
def test_no_label_set_is_duplicated_whatever_is_listed(tokens: list[Token], openmetrics: bool) -> None:  # noqa: FBT001
    samples = scrape([a_ledger(*tokens)], accept=OPENMETRICS if openmetrics else "")
    assert sum(of(samples, "yunxiao_user_tokens").values()) == len(tokens)


def test_only_tokens_in_the_window_get_series_and_counts_include_all() -> None:
    ledger = a_ledger(
        a_token("gone", expires_in=-DAY), a_token("soon", expires_in=DAY), a_token("late", expires_in=91 * DAY),
        a_token("never", expires_in=NEVER),
    )  # fmt: skip
    switches = Metrics.model_validate({"expiring_within": "90d"})
    for now, shown in ((NOW, {"gone", "soon"}), (NOW + 2 * DAY, {"gone", "soon", "late"})):
        samples = scrape([ledger], now=now, switches=switches)
        for name in ("yunxiao_token_expires_in_seconds", "yunxiao_token_created_timestamp_seconds"):
            assert {dict(key)["token_id"] for key in of(samples, name)} == shown
        assert sum(of(samples, "yunxiao_user_tokens").values()) == 4
    assert of(samples, "yunxiao_user_permission_tokens") == {labels(permission="base_user_read"): 2}


def test_tokens_beyond_the_limit_are_only_counted() -> None:
    ledger = Ledger("acme", [LI, a_user("u2", "wang")], most_tokens=2)
    tokens = tuple(a_token(f"t{number}", expires_in=(number + 1) * DAY) for number in range(5))
    with structlog.testing.capture_logs() as lines:
        for _ in range(3):
            ledger.succeeded("3001", tokens, NOW)
    assert [(line["log_level"], line["tokens"], line["kept"]) for line in lines] == [("warning", 5, 2)]
    ledger.succeeded("u2", tokens[:2], NOW)
    samples = scrape([ledger])
    assert of(samples, "yunxiao_user_tokens_left_out") == {labels(): 3}
    assert samples["yunxiao_user_tokens", labels(state="active")] == 5
    shown = [dict(key)["token_id"] for key in of(samples, "yunxiao_token_expiry_timestamp_seconds")]
    assert sorted(shown) == ["t0", "t0", "t1", "t1"]
    ledger.keep_tokens(4)
    ledger.succeeded("3001", tokens, NOW)
    assert of(scrape([ledger]), "yunxiao_user_tokens_left_out") == {labels(): 1}


def test_per_token_off_drops_token_violations_and_keeps_the_counts() -> None:
    store = Store()
    store.replace([a_ledger(a_token(expires_in=NEVER))])
    config = a_config(Metrics(per_token=False), STRICT)
    samples = read(an_exposition(store, config, ManualClock()).scrape(OPENMETRICS, "").content.decode())
    assert of(samples, "yunxiao_token_policy_violation") == {}
    assert sum(of(samples, "yunxiao_policy_violations").values()) == 1
