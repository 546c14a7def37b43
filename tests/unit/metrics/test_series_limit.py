from __future__ import annotations

from typing import TYPE_CHECKING, Any

import structlog
from hypothesis import given
from hypothesis import strategies as st
from support.builders import NOW, ManualClock, a_token, a_user
from support.scrapes import (
    OPENMETRICS,
    a_config,
    a_ledger,
    an_exposition,
    labels,
    of,
    read,
)

from exporter.config.schema import Metrics
from exporter.metrics import series_limit
from exporter.metrics.families.users import USER_FAMILIES
from exporter.metrics.series_limit import KEPT, NOTHING, LeftOut, left_out
from exporter.state.ledger import Ledger
from exporter.state.store import Store

if TYPE_CHECKING:
    import pytest

    from exporter.model.user import UserKey

DETAILS = [family for family in USER_FAMILIES if family.detail is not None]
NAMES = {family.name: family for family in DETAILS}
EXPIRY = NAMES["yunxiao_token_expiry_timestamp_seconds"]
CREATED = NAMES["yunxiao_token_created_timestamp_seconds"]
RELATIVE = NAMES["yunxiao_token_expires_in_seconds"]
PERMISSION_EXPIRY = NAMES["yunxiao_user_permission_expiry_timestamp_seconds"]
FAMILIES = (EXPIRY, CREATED, RELATIVE)


def users(*sizes: int) -> dict[UserKey, tuple[int, ...]]:
    """Users u0, u1 and so on, with this number of series in each of the three families."""
    return {("acme", f"u{number}"): (size, size, size) for number, size in enumerate(sizes)}


def test_the_kept_families_exist() -> None:
    assert set(KEPT) <= NAMES.keys()


def test_nothing_is_left_out_up_to_the_limit() -> None:
    assert left_out(FAMILIES, users(10, 20), others=10, most=100) == NOTHING
    assert left_out(FAMILIES, users(10, 20), others=11, most=100) != NOTHING


def test_a_user_with_very_many_tokens_costs_the_others_nothing() -> None:
    # 99 users of 9 series and one of 3,000: 891 + 3,000
    found = left_out(FAMILIES, users(*[3] * 99, 1000), others=700, most=2000)
    assert found == LeftOut(users=frozenset({("acme", "u99")}))


def test_of_several_large_users_only_as_many_as_necessary_are_left_out() -> None:
    # 270 of the others, 1,500 + 900 + 600 of the large ones; 3,270 - 2,000 = 1,270 too many
    assert left_out(FAMILIES, users(*[3] * 30, 300, 500, 200), others=0, most=2000) == LeftOut(
        users=frozenset({("acme", "u31")})
    )
    assert left_out(FAMILIES, users(*[3] * 30, 300, 500, 200), others=0, most=1500).users == {
        ("acme", "u31"),
        ("acme", "u30"),
    }


def test_where_everybody_has_many_families_go_first_and_relative_ones_before_all() -> None:
    # 100 users of 30 series
    assert left_out(FAMILIES, users(*[10] * 100), others=0, most=2000) == LeftOut(frozenset({RELATIVE.name}))
    assert left_out(FAMILIES, users(*[10] * 100), others=0, most=1999) == LeftOut(
        frozenset({RELATIVE.name, CREATED.name})
    )


def test_expiries_are_never_left_out_for_everybody() -> None:
    # Of 1,000 expiries 500 fit: those of the 50 users after the first, of equals, go.
    found = left_out(FAMILIES, users(*[10] * 100), others=0, most=500)
    assert found.families == {RELATIVE.name, CREATED.name}
    assert len(found.users) == 50
    larger = left_out(FAMILIES, users(*[10] * 98, 11, 12), others=0, most=990)
    assert larger.users == {("acme", "u98"), ("acme", "u99")}


def test_without_series_a_token_the_expiry_of_permissions_is_kept() -> None:
    counts = {("acme", f"u{number}"): (5, 4) for number in range(10)}
    families = (NAMES["yunxiao_user_permission_tokens"], PERMISSION_EXPIRY)
    assert left_out(families, counts, others=0, most=40) == LeftOut(frozenset({"yunxiao_user_permission_tokens"}))
    assert left_out(families, counts, others=0, most=39).users == {("acme", "u0")}
    # Nor is what is left of it, if only the last expiry is exposed.
    alone = {key: (series,) for key, (_, series) in counts.items()}
    lost = (NAMES[f"yunxiao_user_permission_{LOST}"],)
    assert left_out(lost, alone, others=0, most=39) == LeftOut(users=frozenset({("acme", "u0")}))


def test_when_permissions_are_lost_can_be_left_out_like_any_other_detail() -> None:
    permissions = tuple(f"base_{number:03}_read_write" for number in range(250))
    store = Store()
    published: list[Any] = []
    store.replace([a_ledger(a_token(permissions=permissions))])
    config = a_config(Metrics.model_validate({"max_series": 1500, "relative": False, "permission_lost": True}))
    exposition = an_exposition(store, config, ManualClock(), published)
    samples = read(exposition.scrape(OPENMETRICS, "").content.decode())
    # 250 permissions at two levels make three families of 500 series; with the few others one is too many.
    sizes = {
        name: len(of(samples, f"yunxiao_user_permission_{name}"))
        for name in ("tokens", LOST, "expiry_timestamp_seconds")
    }
    assert sizes == {"tokens": 0, LOST: 500, "expiry_timestamp_seconds": 500}
    assert (f"yunxiao_user_permission_{LOST}", False) in published


LOST = "lost_timestamp_seconds"


@given(
    st.lists(st.lists(st.integers(0, 30), min_size=len(DETAILS), max_size=len(DETAILS)), max_size=12),
    st.integers(0, 50),
    st.integers(0, 400),
)
def test_what_remains_fits_and_small_users_keep_expiries_longer(
    counts: list[list[int]], others: int, most: int
) -> None:
    by_user = {("acme", f"u{number}"): tuple(series) for number, series in enumerate(counts)}
    found = left_out(DETAILS, by_user, others, most)
    remaining = {
        key: sum(n for family, n in zip(DETAILS, series, strict=True) if family.name not in found.families)
        for key, series in by_user.items()
    }
    left = others + sum(size for key, size in remaining.items() if key not in found.users)
    assert left <= max(most, others)
    assert EXPIRY.name not in found.families
    if found.users and (kept := remaining.keys() - found.users):
        assert min(remaining[key] for key in found.users) >= max(remaining[key] for key in kept)
    if found.users:
        # Not one more than necessary.
        assert left + min(remaining[key] for key in found.users) > most


def test_too_many_series_leave_out_whole_families_and_publish_which() -> None:
    tokens = tuple(a_token(f"t{number}", permissions=("base_user_read",)) for number in range(400))
    store = Store()
    published: list[Any] = []
    store.replace([a_ledger(*tokens)])
    config = a_config(Metrics.model_validate({"max_series": 1000}))
    exposition = an_exposition(store, config, ManualClock(), published)
    samples = read(exposition.scrape(OPENMETRICS, "").content.decode())
    # three families of 400 series: one has to go, and of equals the relative one does
    per_token = ("created_timestamp_seconds", "expires_in_seconds", "expiry_timestamp_seconds")
    sizes = [len(of(samples, f"yunxiao_token_{name}")) for name in per_token]
    assert sizes == [400, 0, 400]
    assert ("yunxiao_token_expires_in_seconds", True) in published
    assert ("yunxiao_token_created_timestamp_seconds", False) in published
    assert sum(of(samples, "yunxiao_user_tokens").values()) == 400


def test_a_user_with_very_many_tokens_costs_the_others_no_series() -> None:
    ledger = Ledger("acme", [a_user(f"u{number}", f"n{number}") for number in range(100)])
    for number in range(99):
        ledger.succeeded(f"u{number}", (a_token(f"t{number}"),), NOW)
    ledger.succeeded("u99", tuple(a_token(f"x{number}", permissions=()) for number in range(1000)), NOW)
    store = Store()
    store.replace([ledger])
    config = a_config(Metrics.model_validate({"max_series": 2000}))
    published: list[Any] = []
    clock = ManualClock()
    exposition = an_exposition(store, config, clock, published)
    samples = read(exposition.scrape(OPENMETRICS, "").content.decode())
    for name in ("expiry_timestamp_seconds", "expires_in_seconds", "created_timestamp_seconds"):
        assert len(of(samples, f"yunxiao_token_{name}")) == 99
    assert of(samples, "yunxiao_exporter_users_left_out") == {frozenset({("organization", "acme")}): 1}
    assert not [pair for pair in published if pair[1]]
    assert samples["yunxiao_user_tokens", labels(user="n99", user_id="u99", state="active")] == 1000
    clock.advance(1)
    ledger.succeeded("u99", (a_token("x"),), NOW)
    samples = read(exposition.scrape(OPENMETRICS, "").content.decode())
    assert len(of(samples, "yunxiao_token_expiry_timestamp_seconds")) == 100
    assert of(samples, "yunxiao_exporter_users_left_out") == {frozenset({("organization", "acme")}): 0}


def test_what_is_left_out_is_found_again_only_if_the_series_change(monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = Ledger("acme", [a_user(f"u{number}") for number in range(20)])
    for number in range(20):
        ledger.succeeded(f"u{number}", (a_token(f"t{number}"),), NOW)
    ledger.succeeded("u19", tuple(a_token(f"x{number}") for number in range(500)), NOW)
    store, clock, counted = Store(), ManualClock(), []
    store.replace([ledger])
    exposition = an_exposition(store, a_config(Metrics.model_validate({"max_series": 1000})), clock)

    def counting(*arguments: Any) -> LeftOut:
        counted.append(arguments[-2:])
        return left_out(*arguments)

    monkeypatch.setattr(series_limit, "left_out", counting)

    def hidden() -> bool:
        clock.advance(1)
        samples = read(exposition.scrape(OPENMETRICS, "").content.decode())
        return bool(of(samples, "yunxiao_exporter_users_left_out")[frozenset({("organization", "acme")})])

    assert [hidden(), hidden()] == [True, True]
    ledger.succeeded("u19", ledger.view().users[19].tokens, clock.now())
    assert hidden()
    assert len(counted) == 1
    full = ledger.view().users[19].tokens
    ledger.succeeded("u19", full[:10], clock.now())
    assert not hidden()
    ledger.succeeded("u19", full, clock.now())
    assert hidden()
    assert len(counted) == 2


def test_it_is_logged_once_that_users_are_left_out() -> None:
    ledger = Ledger("acme", [a_user(f"u{number}") for number in range(20)])
    for number in range(19):
        ledger.succeeded(f"u{number}", (a_token(f"t{number}"),), NOW)
    store, clock = Store(), ManualClock()
    store.replace([ledger])
    exposition = an_exposition(store, a_config(Metrics.model_validate({"max_series": 1000})), clock)
    with structlog.testing.capture_logs() as lines:
        for tokens in (500, 600, 700, 1, 1, 500):
            ledger.succeeded("u19", tuple(a_token(f"x{number}") for number in range(tokens)), NOW)
            clock.advance(1)
            exposition.scrape("", "")
    assert [(line["log_level"], line.get("users")) for line in lines] == [("error", 1), ("info", None), ("error", 1)]
    assert lines[0]["such_as"] == [("acme", "u19")]
