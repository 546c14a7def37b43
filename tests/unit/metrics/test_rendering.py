from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from support.builders import DAY, NOW, ManualClock, a_failure, a_key, a_state, a_token
from support.collector import StateCollector
from support.scrapes import (
    LI,
    OPENMETRICS,
    STRICT,
    Samples,
    Scene,
    a_config,
    a_ledger,
    an_exposition,
    labels,
    of,
    read,
    scrape,
)

from exporter.config.schema import Config, Metrics
from exporter.metrics.rendering import Plan, render_user, same_holdings
from exporter.metrics.telemetry import Telemetry
from exporter.model.snapshot import Sweep, SweepResult
from exporter.model.token import NEVER, Token, TokenState
from exporter.model.user import OwnThresholds, User
from exporter.policies.schema import Policies
from exporter.state.ledger import Ledger
from exporter.state.store import Store

if TYPE_CHECKING:
    from exporter.model.state import UserState


@pytest.mark.parametrize("name", ['a"b\\c\nd', "张三", "🔑", "x\ufffd", "\\n", "\r", "\u2028", "{}=,"])
@pytest.mark.parametrize("accept", [OPENMETRICS, ""])
def test_names_round_trip_through_both_formats(name: str, accept: str) -> None:
    samples = scrape([a_ledger(a_token(name=name), user=User("3001", name))], accept=accept)
    (key,) = of(samples, "yunxiao_token_expires_in_seconds")
    assert (dict(key)["user"], dict(key)["token"]) == (name, name)


texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6)
some_tokens = st.lists(
    st.builds(
        Token,
        texts,
        texts,
        st.lists(texts | st.sampled_from(["base_user_read", "base_user_read_write"]), max_size=3, unique=True).map(
            tuple
        ),
        st.none() | st.integers(-100, 0).map(lambda days: NOW + days * DAY),
        st.none() | st.just(NEVER) | st.floats(min_value=NOW - 100 * DAY, max_value=NOW + 100 * DAY),
    ),
    max_size=4,
)
some_users = st.lists(
    st.tuples(
        st.builds(User, texts, texts, st.just(()) | texts.map(lambda text: (("team", text),)),
                  st.none() | st.just(OwnThresholds(5.0, None))),
        st.none() | some_tokens,
        st.booleans(),
    ),
    max_size=3,
    unique_by=lambda triple: triple[0].user_id,
)  # fmt: skip


class Oracle:
    """What the collector gives through prometheus_client's own writer; it remembers earlier scrapes."""

    def __init__(self, store: Store, config: Config, clock: ManualClock, accept: str) -> None:
        self.registry = Telemetry().registry
        self.registry.register(StateCollector(store, lambda: config, clock))
        self.accept = accept

    def collect(self) -> Samples:
        encode, _ = choose_encoder(self.accept)
        return read(encode(self.registry).decode(), self.accept)


def about_state(samples: Samples) -> Samples:
    own = ("python_", "process_", "yunxiao_exporter_family_left_out")
    return {key: value for key, value in samples.items() if not key[0].startswith(own)}


@settings(max_examples=60)
@given(
    some_users,
    st.booleans(),
    st.builds(
        dict,
        per_token=st.booleans(),
        per_permission=st.booleans(),
        permission_lost=st.booleans(),
        relative=st.booleans(),
        expiring_within=st.none() | st.just("30d"),
        max_series=st.sampled_from([1000, 1_000_000]),
    ),
    st.sampled_from([Policies(), STRICT]),
    st.lists(st.floats(min_value=0, max_value=200 * DAY), max_size=3),
)
def test_the_exposition_and_the_collector_give_the_same_samples(
    users: list[tuple[User, list[Token] | None, bool]],
    openmetrics: bool,  # noqa: FBT001
    switches: dict[str, Any],
    policies: Policies,
    steps: list[float],
) -> None:
    ledger = Ledger("acme", [user for user, _, _ in users])
    store, clock = Store(), ManualClock()
    store.replace([ledger])
    config = a_config(Metrics.model_validate(switches), policies)
    exposition = an_exposition(store, config, clock)
    accept = OPENMETRICS if openmetrics else ""
    oracle = Oracle(store, config, clock, accept)
    exposition.scrape(accept, "")
    oracle.collect()
    for user, tokens, failing in users:
        if tokens is not None:
            ledger.succeeded(user.user_id, tuple(tokens), NOW)
        if failing:
            ledger.failed(user.user_id, a_failure(), NOW)
    for step in (1.0, *steps):
        clock.advance(step + 1)
        text = read(exposition.scrape(accept, "").content.decode(), accept)
        assert about_state(text) == about_state(oracle.collect())


@pytest.mark.parametrize("accept", [OPENMETRICS, ""])
def test_series_are_spelled_as_prometheus_client_spells_them(accept: str) -> None:
    ledger = a_ledger(a_token(), user=User("3001", "li.wei", (("a", "x"), ("zone", "y")), OwnThresholds(5.0, None)))
    ledger.swept(Sweep(SweepResult.SUCCESS, 12.5, NOW))
    store, clock, config = Store(), ManualClock(), a_config()
    store.replace([ledger])
    registry = CollectorRegistry()
    registry.register(StateCollector(store, lambda: config, clock))
    encode, _ = choose_encoder(accept)
    text = an_exposition(store, config, clock).scrape(accept, "").content.decode()
    spelled = {line.rpartition(" ")[0] for line in text.splitlines()}
    assert {line.rpartition(" ")[0] for line in encode(registry).decode().splitlines()} <= spelled


def test_a_violation_caused_by_age_appears_without_a_poll() -> None:
    store, clock = Store(), ManualClock()
    # created a day ago, sixty days old in 59
    store.replace([a_ledger(a_token(expires_in=80 * DAY, age=DAY))])
    exposition = an_exposition(store, a_config(policies=STRICT), clock)

    def broken() -> list[str]:
        samples = read(exposition.scrape(OPENMETRICS, "").content.decode())
        counts = of(samples, "yunxiao_policy_violations")
        series = [dict(key)["policy"] for key in of(samples, "yunxiao_token_policy_violation")]
        assert series == [dict(key)["policy"] for key, value in counts.items() if value]
        return series

    assert broken() == []
    clock.advance(59 * DAY - 1)
    assert broken() == []
    clock.advance(1)
    assert broken() == ["max_age"]
    clock.advance(21 * DAY)  # it has expired
    assert broken() == []
    clock.advance(30 * DAY)
    assert broken() == ["expired_not_removed"]


def test_policies_are_evaluated_again_after_a_reload() -> None:
    scene = Scene()
    scene.ledger.succeeded("3001", (a_token(expires_in=NEVER),), NOW)
    assert b"yunxiao_policy_violations{" not in scene.body()
    scene.config = a_config(policies=STRICT)
    assert b'policy="never_expires"} 1' in scene.body()


def test_when_permissions_are_lost_appears_and_disappears_with_a_reload() -> None:
    scene = Scene()
    scene.ledger.succeeded("3001", (a_token(permissions=("base_user_read_write",)),), NOW)
    lost = b"yunxiao_user_permission_lost_timestamp_seconds{"
    bodies = []
    for on in (False, True, False):
        scene.configure(permission_lost=on)
        bodies.append(scene.body())
    # base_user_read and base_user_read_write
    assert [body.count(lost) for body in bodies] == [0, 2, 0]


def test_removed_users_are_dropped() -> None:
    ledger = Ledger("acme", [LI, User("2", "x")])
    ledger.succeeded("2", (a_token(),), NOW)
    store, clock = Store(), ManualClock()
    store.replace([ledger])
    exposition = an_exposition(store, a_config(), clock)
    assert b'user_id="2"' in exposition.scrape("", "").content
    ledger.watch([LI])
    clock.advance(1)
    assert b'user_id="2"' not in exposition.scrape("", "").content
    assert len(exposition._users) == 1


POISONS: dict[str, tuple[User, tuple[Any, ...]]] = {
    "a lone surrogate in a token's name": (LI, (a_token(name="\ud83d"),)),
    "a lone surrogate in the user's name": (User("3001", "\ud83d"), ()),
    "a lone surrogate in a label": (User("3001", "li.wei", labels=(("team", "\ud83d"),)), ()),
    "an expiry that is not a number": (LI, (Token("pt", "ci", ("base_user_read",), 1.0, "soon"),)),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("poison", POISONS)
@pytest.mark.parametrize("eager", [True, False])
def test_a_user_that_cannot_be_rendered_is_left_out_and_counted(poison: str, eager: bool) -> None:  # noqa: FBT001
    user, tokens = POISONS[poison]
    scene = Scene(ledger=Ledger("acme", [user, User("3002", "wang.fang", labels=(("team", "platform"),))]))
    scene.ledger.succeeded("3002", (a_token("pt-fine"),), NOW)
    bodies = [scene.body()]
    scene.ledger.succeeded("3001", tokens, NOW)
    if eager:
        # What a poll does as soon as it has an answer.
        scene.exposition.prepare("acme", scene.ledger.view().users[0])
    bodies += [scene.body(), scene.body(OPENMETRICS), scene.body("", "gzip")]
    text = bodies[1].decode()
    assert 'user_id="3001"' not in text
    others = read(text, "")
    active = labels(user_id="3002", user="wang.fang", state="active")
    assert of(others, "yunxiao_user_tokens")[active] == 1
    assert of(others, "yunxiao_user_labels") == {
        frozenset({"organization": "acme", "user_id": "3002", "user": "wang.fang", "team": "platform"}.items()): 1
    }
    # Once for each state of the user, however many scrapes there are: two states, or one that a name spoils for good.
    counted = scene.telemetry.registry.get_sample_value("yunxiao_exporter_internal_errors_total", {"where": "render"})
    assert counted == (1 if user is LI else 2)
    scene.ledger.watch([LI, User("3002", "wang.fang")])
    scene.ledger.succeeded("3001", (a_token("pt-new"),), NOW)
    assert 'token_id="pt-new",user="li.wei"' in scene.body().decode()


HELD = a_state(a_token(), user=LI, keys=(a_key(),))


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (HELD.succeeded((a_token(),), NOW + 900, ssh_keys=(a_key(),)), True),
        (HELD.failed(a_failure(), NOW + 900), True),
        (HELD.succeeded((a_token("pt-new"),), NOW, ssh_keys=(a_key(),)), False),
        (HELD.succeeded((a_token(),), NOW, ssh_keys=(a_key("502"),)), False),
        (HELD.succeeded((a_token(),), NOW), False),
        (HELD.about(User("3001", "li")), False),
        (replace(HELD, left_out=((TokenState.ACTIVE, 1),)), False),
        (replace(HELD, last_success=None), False),
    ],
)
def test_what_a_user_holds_is_all_that_families_not_about_polls_show(other: UserState, same: bool) -> None:  # noqa: FBT001
    assert same_holdings(HELD, other) is same
    plan = Plan.of(a_config(Metrics(), STRICT), "s")
    texts = [render_user("acme", state, plan, NOW).lines for state in (HELD, other)]
    differ = {
        family.name
        for family, mine, theirs in zip(plan.columns, *texts, strict=True)
        if mine != theirs and not family.about_poll
    }
    assert not (same and differ)


def test_every_relative_family_has_the_samples_of_a_column() -> None:
    plan = Plan.of(a_config(), "s")
    for family, source in zip(plan.families, plan.sources, strict=True):
        assert plan.columns[source].samples is (family.expiry if family.relative else family.samples)
        assert plan.columns[source].labels == family.labels
        assert plan.columns[source].detail == family.detail
