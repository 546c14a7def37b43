from __future__ import annotations

import gzip
import math
import re
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import choose_encoder
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text
from support.builders import DAY, HOUR, MINUTE, NOW, ManualClock, a_failure, a_token, a_user
from support.collector import StateCollector

from exporter.common.text import expiry_words
from exporter.config.schema import Config, Metrics
from exporter.metrics.encoding import Format
from exporter.metrics.exposition import Exposition
from exporter.metrics.families import ALL_FAMILIES, Kind
from exporter.metrics.telemetry import Telemetry
from exporter.model.snapshot import Discovery, Sweep, SweepResult
from exporter.model.state import Reason
from exporter.model.token import NEVER, Token
from exporter.model.user import OwnThresholds, User
from exporter.policies.schema import Policies
from exporter.state.ledger import Ledger
from exporter.state.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

OPENMETRICS = "application/openmetrics-text;version=1.0.0"
LI = User("3001", "li.wei")
WHO = {"organization": "acme", "user_id": "3001", "user": "li.wei"}
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def scrape(
    ledgers: Iterable[Ledger], *, now: float = NOW, switches: Metrics | None = None, accept: str = OPENMETRICS
) -> Samples:
    """What a scrape gives, read by the strict parser; fails if a label set comes twice."""
    store = Store()
    store.replace(ledgers)
    body = an_exposition(store, a_config(switches), ManualClock(now)).scrape(accept, "").content.decode()
    return read(body, accept)


def an_exposition(store: Store, config: Config, clock: ManualClock, told: list[Any] | None = None) -> Exposition:
    telemetry = Telemetry()
    tell = telemetry.families_left_out if told is None else lambda families: told.extend(families.items())
    exposition = Exposition(
        telemetry.registry, store, lambda: config, clock, tell, lambda: telemetry.reloads, telemetry.internal_error
    )
    exposition.open()
    return exposition


def read(body: str, accept: str = OPENMETRICS) -> Samples:
    """The samples of a body; fails if a label set comes twice."""
    families = parse_openmetrics(body) if accept else parse_text(body)
    samples: Samples = {}
    for family in families:
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in samples, key
            samples[key] = sample.value
    return samples


def a_config(switches: Metrics | None = None, policies: Policies | None = None) -> Config:
    organization = {"name": "acme", "endpoint": "http://x", "token_env": "T", "users": {"files": ("x",)}}
    config = Config.model_validate({"organizations": (organization,)})
    return config.model_copy(update={"metrics": switches or Metrics(), "policies": policies or Policies()})


def of(samples: Samples, name: str) -> dict[frozenset[tuple[str, str]], float]:
    return {labels: value for (family, labels), value in samples.items() if family == name}


def labels(**more: str) -> frozenset[tuple[str, str]]:
    return frozenset({**WHO, **more}.items())


def a_ledger(*tokens: Token, user: User = LI) -> Ledger:
    ledger = Ledger("acme", [user])
    ledger.succeeded(user.user_id, tokens, NOW)
    return ledger


def test_a_token_in_seconds_and_as_a_time() -> None:
    samples = scrape([a_ledger(a_token("pt-1", expires_in=5 * DAY, name="ci", age=DAY))], now=NOW + 10)
    token = labels(token_id="pt-1", token="ci")
    assert of(samples, "yunxiao_token_expiry_timestamp_seconds") == {token: NOW + 432_000}
    assert of(samples, "yunxiao_token_expires_in_seconds") == {token: 431_990}
    assert of(samples, "yunxiao_token_created_timestamp_seconds") == {token: NOW - 86_400}


def test_a_token_that_has_expired_stays_and_turns_negative() -> None:
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


def test_a_token_that_expires_between_scrapes_moves_without_a_poll() -> None:
    ledger = a_ledger(a_token(expires_in=30))
    for now, active, expired in ((NOW, 1, 0), (NOW + 30, 0, 1)):
        counts = of(scrape([ledger], now=now), "yunxiao_user_tokens")
        assert (counts[labels(state="active")], counts[labels(state="expired")]) == (active, expired)


def test_deleted_tokens_go_and_no_tokens_is_zero_and_not_absent() -> None:
    ledger = a_ledger(a_token("t1"), a_token("t2"))
    ledger.succeeded("3001", (a_token("t2"),), NOW)
    assert [dict(key)["token_id"] for key in of(scrape([ledger]), "yunxiao_token_expires_in_seconds")] == ["t2"]
    ledger.succeeded("3001", (), NOW)
    samples = scrape([ledger])
    assert of(samples, "yunxiao_token_expires_in_seconds") == {}
    assert list(of(samples, "yunxiao_user_tokens").values()) == [0, 0, 0, 0]


def test_a_renamed_token_or_changed_permission_leaves_no_old_series() -> None:
    ledger = a_ledger(a_token("t1", name="old", permissions=("read",)))
    ledger.succeeded("3001", (a_token("t1", name="new", permissions=("read", "write")),), NOW)
    samples = scrape([ledger])
    assert [dict(key)["token"] for key in of(samples, "yunxiao_token_expires_in_seconds")] == ["new"]
    assert {dict(key)["permission"] for key in of(samples, "yunxiao_user_permission_tokens")} == {"read", "write"}


def test_tokens_that_labels_cannot_tell_apart_show_the_minimum() -> None:
    samples = scrape([a_ledger(a_token("t", expires_in=50 * DAY), a_token("t", expires_in=5 * DAY))])
    assert list(of(samples, "yunxiao_token_expires_in_seconds").values()) == [5 * DAY]
    assert of(samples, "yunxiao_user_permission_expires_in_seconds") == {labels(permission="read"): 5 * DAY}


def test_a_failed_poll_keeps_the_numbers_and_says_why() -> None:
    ledger = a_ledger(a_token())
    ledger.failed("3001", a_failure(Reason.TIMEOUT), NOW + 60)
    samples = scrape([ledger], now=NOW + 3 * DAY)
    assert of(samples, "yunxiao_user_up") == {labels(): 0}
    assert of(samples, "yunxiao_user_failure") == {labels(reason="timeout"): 1}
    assert of(samples, "yunxiao_user_last_success_timestamp_seconds") == {labels(): NOW}
    assert list(of(samples, "yunxiao_token_expires_in_seconds").values()) == [2 * DAY]


def test_a_user_that_never_answered_has_no_numbers_and_no_zero_times() -> None:
    ledger = Ledger("acme", [LI], since=NOW)
    ledger.failed("3001", a_failure(), NOW)
    samples = scrape([ledger])
    assert of(samples, "yunxiao_user_up") == {labels(): 0}
    for name in ("yunxiao_user_tokens", "yunxiao_user_last_success_timestamp_seconds"):
        assert of(samples, name) == {}
    assert not [key for key, value in samples.items() if key[0].endswith("_timestamp_seconds") and value == 0
                and "config" not in key[0]]  # fmt: skip


def test_before_the_first_poll_users_are_pending_and_nothing_is_claimed() -> None:
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
def test_switches_take_their_families_away_and_no_others(switch: str, gone: set[str]) -> None:
    every = {name for name, _ in scrape([a_ledger(a_token())])}
    left = {name for name, _ in scrape([a_ledger(a_token())], switches=Metrics.model_validate({switch: False}))}
    assert every - left == gone


@pytest.mark.parametrize("name", ['a"b\\c\nd', "张三", "🔑", "x\ufffd", "\\n", "\r", "\u2028", "{}=,"])
@pytest.mark.parametrize("accept", [OPENMETRICS, ""])
def test_names_round_trip_through_both_formats(name: str, accept: str) -> None:
    samples = scrape([a_ledger(a_token(name=name), user=User("3001", name))], accept=accept)
    (key,) = of(samples, "yunxiao_token_expires_in_seconds")
    assert (dict(key)["user"], dict(key)["token"]) == (name, name)


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
def test_no_label_set_comes_twice_whatever_is_listed(tokens: list[Token], openmetrics: bool) -> None:  # noqa: FBT001
    samples = scrape([a_ledger(*tokens)], accept=OPENMETRICS if openmetrics else "")
    assert sum(of(samples, "yunxiao_user_tokens").values()) == len(tokens)


def collected(store: Store, config: Config, clock: ManualClock, openmetrics: bool) -> Samples:  # noqa: FBT001
    """What the collector gives through prometheus_client's own writer."""
    registry = Telemetry().registry
    registry.register(StateCollector(store, lambda: config, clock))
    encode, _ = choose_encoder(OPENMETRICS if openmetrics else "")
    return read(encode(registry).decode(), OPENMETRICS if openmetrics else "")


def about_state(samples: Samples) -> Samples:
    own = ("python_", "process_", "yunxiao_exporter_family_left_out")
    return {key: value for key, value in samples.items() if not key[0].startswith(own)}


STRICT = Policies.model_validate(
    {
        "max_lifetime": {"limit": "90d"},
        "never_expires": "forbid",
        "max_tokens_per_user": {"limit": 1},
        "max_age": {"limit": "60d", "severity": "critical"},
        "expired_not_removed": {"after": "30d"},
    }
)
some_tokens = st.lists(
    st.builds(
        Token,
        texts,
        texts,
        st.lists(texts, max_size=2, unique=True).map(tuple),
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


@settings(max_examples=60)
@given(
    some_users,
    st.booleans(),
    st.builds(
        dict,
        per_token=st.booleans(),
        per_permission=st.booleans(),
        relative=st.booleans(),
        expiring_within=st.none() | st.just("30d"),
        max_series=st.sampled_from([1000, 1_000_000]),
    ),
    st.sampled_from([Policies(), STRICT]),
    st.lists(st.floats(min_value=0, max_value=200 * DAY), max_size=3),
)
def test_kept_text_and_collector_give_the_same_samples(
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
    exposition.scrape(accept, "")
    for user, tokens, failing in users:
        if tokens is not None:
            ledger.succeeded(user.user_id, tuple(tokens), NOW)
        if failing:
            ledger.failed(user.user_id, a_failure(), NOW)
    for step in (1.0, *steps):
        clock.advance(step + 1)
        text = read(exposition.scrape(accept, "").content.decode(), accept)
        assert about_state(text) == about_state(collected(store, config, clock, openmetrics))


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


@dataclass
class Scene:
    """An exposition with all that it looks at; the clock stands still."""

    store: Store = field(default_factory=Store)
    telemetry: Telemetry = field(default_factory=Telemetry)
    config: Config = field(default_factory=a_config)
    ledger: Ledger = field(default_factory=lambda: Ledger("acme", [LI, User("3002", "wang.fang")]))

    def __post_init__(self) -> None:
        self.ledger.succeeded("3001", (a_token("pt-old"),), NOW)
        self.store.replace([self.ledger])
        self.telemetry.reloaded(NOW)
        tell, reloads = self.telemetry.families_left_out, lambda: self.telemetry.reloads
        self.exposition = Exposition(
            self.telemetry.registry, self.store, lambda: self.config, ManualClock(), tell, reloads,
            self.telemetry.internal_error,
        )  # fmt: skip
        self.exposition.open()

    def body(self, accept: str = "", encoding: str = "") -> bytes:
        return self.exposition.scrape(accept, encoding).content

    def configure(self, **switches: Any) -> None:
        self.config = a_config(Metrics.model_validate(switches))


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
def test_what_changes_within_a_second_is_in_the_next_scrape(change: str, accept: str, encoding: str) -> None:
    apply, gone, new = CHANGES[change]
    scene = Scene()
    before = scene.body(accept, encoding)
    assert scene.body(accept, encoding) is before
    apply(scene)
    after = scene.body(accept, encoding)
    assert scene.body(accept, encoding) is after
    texts = [(gzip.decompress(body) if encoding else body).decode() for body in (before, after)]
    assert [gone is not None and gone in text for text in texts] == [gone is not None, False]
    assert [new is not None and new in text for text in texts] == [False, new is not None]


def test_what_is_noted_about_strangers_or_by_counters_leaves_the_body_shared() -> None:
    scene = Scene()
    first = scene.body()
    scene.ledger.succeeded("7", (a_token(),), NOW)
    scene.telemetry.internal_error("poll")
    assert scene.body() is first


def test_a_family_that_is_left_out_is_told_of_in_the_same_body() -> None:
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


def test_only_tokens_inside_the_window_get_series_and_the_counts_cover_all() -> None:
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
    assert of(samples, "yunxiao_user_permission_tokens") == {labels(permission="read"): 2}


def test_too_many_series_leave_families_out_whole_largest_first_and_say_so() -> None:
    tokens = tuple(a_token(f"t{number}", permissions=("read",)) for number in range(400))
    store = Store()
    told: list[Any] = []
    store.replace([a_ledger(*tokens)])
    config = a_config(Metrics.model_validate({"max_series": 1000}))
    exposition = an_exposition(store, config, ManualClock(), told)
    samples = read(exposition.scrape(OPENMETRICS, "").content.decode())
    # three families of 400 series: one has to go, and of equals the relative one does
    per_token = ("created_timestamp_seconds", "expires_in_seconds", "expiry_timestamp_seconds")
    sizes = [len(of(samples, f"yunxiao_token_{name}")) for name in per_token]
    assert sizes == [400, 0, 400]
    assert ("yunxiao_token_expires_in_seconds", True) in told
    assert ("yunxiao_token_created_timestamp_seconds", False) in told
    assert sum(of(samples, "yunxiao_user_tokens").values()) == 400


def test_a_user_with_very_many_tokens_costs_the_others_no_series() -> None:
    ledger = Ledger("acme", [a_user(f"u{number}", f"n{number}") for number in range(100)])
    for number in range(99):
        ledger.succeeded(f"u{number}", (a_token(f"t{number}"),), NOW)
    ledger.succeeded("u99", tuple(a_token(f"x{number}", permissions=()) for number in range(1000)), NOW)
    store = Store()
    store.replace([ledger])
    config = a_config(Metrics.model_validate({"max_series": 2000}))
    told: list[Any] = []
    clock = ManualClock()
    exposition = an_exposition(store, config, clock, told)
    samples = read(exposition.scrape(OPENMETRICS, "").content.decode())
    for name in ("expiry_timestamp_seconds", "expires_in_seconds", "created_timestamp_seconds"):
        assert len(of(samples, f"yunxiao_token_{name}")) == 99
    assert of(samples, "yunxiao_exporter_users_left_out") == {frozenset({("organization", "acme")}): 1}
    assert not [pair for pair in told if pair[1]]
    assert samples["yunxiao_user_tokens", labels(user="n99", user_id="u99", state="active")] == 1000
    clock.advance(1)
    ledger.succeeded("u99", (a_token("x"),), NOW)
    samples = read(exposition.scrape(OPENMETRICS, "").content.decode())
    assert len(of(samples, "yunxiao_token_expiry_timestamp_seconds")) == 100
    assert of(samples, "yunxiao_exporter_users_left_out") == {frozenset({("organization", "acme")}): 0}


def test_the_log_says_once_that_users_are_left_out() -> None:
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


def test_tokens_beyond_the_limit_are_counted_and_nothing_else() -> None:
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


def test_every_configured_policy_is_counted_even_at_0_and_violations_name_the_token_or_the_user() -> None:
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


def test_a_policy_that_is_broken_by_age_alone_shows_without_a_poll() -> None:
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


def test_policies_that_a_reload_changes_are_judged_anew() -> None:
    scene = Scene()
    scene.ledger.succeeded("3001", (a_token(expires_in=NEVER),), NOW)
    assert b"yunxiao_policy_violations{" not in scene.body()
    scene.config = a_config(policies=STRICT)
    assert b'policy="never_expires"} 1' in scene.body()


def test_violations_of_tokens_go_with_the_switch_for_series_a_token_and_the_counts_stay() -> None:
    store = Store()
    store.replace([a_ledger(a_token(expires_in=NEVER))])
    config = a_config(Metrics(per_token=False), STRICT)
    samples = read(an_exposition(store, config, ManualClock()).scrape(OPENMETRICS, "").content.decode())
    assert of(samples, "yunxiao_token_policy_violation") == {}
    assert sum(of(samples, "yunxiao_policy_violations").values()) == 1


def test_users_who_left_are_forgotten() -> None:
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


def test_known_series_start_at_zero_and_go_with_their_organization() -> None:
    telemetry = Telemetry()
    mine = telemetry.organization("acme")
    body = generate_latest(telemetry.registry).decode()
    for line in (
        'yunxiao_sweeps_total{organization="acme",result="success"} 0.0',
        'yunxiao_api_errors_total{organization="acme",reason="timeout"} 0.0',
        'yunxiao_api_requests_total{code="200",operation="list_tokens",organization="acme"} 0.0',
        'yunxiao_parse_errors_total{field="expired_at",organization="acme"} 0.0',
        'yunxiao_exporter_internal_errors_total{where="poll"} 0.0',
    ):
        assert line in body
    mine.retire()
    telemetry.forget("acme")
    mine.request("list_tokens", "500", 0.1)
    assert "acme" not in generate_latest(telemetry.registry).decode()


def test_no_created_series() -> None:
    telemetry = Telemetry()
    telemetry.organization("acme")
    assert "_created" not in generate_latest(telemetry.registry).decode()


def test_the_table_keeps_the_rules_of_naming() -> None:
    names = [family.name for family in ALL_FAMILIES]
    assert len(names) == len(set(names))
    for family in ALL_FAMILIES:
        assert re.fullmatch(r"yunxiao_[a-z_]+[a-z]", family.name)
        assert family.name.endswith("_total") == (family.kind is Kind.COUNTER)
        assert family.help.endswith(".")
        assert any(family.name in part for part in family.query[:1]), family.name
        if "timestamp" in family.name:
            assert family.name.endswith("_timestamp_seconds")
        if family.name.endswith("_seconds"):
            assert "seconds" in family.help.lower()


@pytest.mark.parametrize(
    ("expires_in", "words"),
    [
        (-55 * DAY, "expired 55d ago"),
        (55 * MINUTE, "expires in 55m"),
        (55 * DAY, "expires in 55d"),
        (59, "expires in 59s"),
        (0.5, "expires in 0s"),
        (0, "expired 0s ago"),
        (NEVER, "never expires"),
        (23 * HOUR + 59 * MINUTE, "expires in 23h"),
    ],
)
def test_past_and_future_have_words_of_their_own(expires_in: float, words: str) -> None:
    assert expiry_words(NOW + expires_in, NOW) == words


def test_a_scrape_waits_until_what_is_known_has_been_put_together() -> None:
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


def test_discovery_and_the_own_token_have_series_only_where_there_is_something_to_tell() -> None:
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
def test_a_shard_says_of_which_part_of_the_organization_it_speaks(shard: str) -> None:
    ledger = Ledger("acme", [LI], shard=shard)
    ledger.succeeded("3001", (a_token(expires_in=NEVER),), NOW)
    store, config = Store(), a_config(policies=Policies.model_validate({"never_expires": "forbid"}))
    store.replace([ledger])
    body = an_exposition(store, config, ManualClock()).scrape("", "").content.decode()
    more = f',shard="{shard}"' if shard else ""
    assert f'yunxiao_users{{organization="acme"{more}}} 1.0\n' in body
    assert f'yunxiao_policy_violations{{organization="acme",policy="never_expires"{more}}} 1.0\n' in body


POISONS: dict[str, tuple[User, tuple[Any, ...]]] = {
    "a lone surrogate in a token's name": (LI, (a_token(name="\ud83d"),)),
    "a lone surrogate in the user's name": (User("3001", "\ud83d"), ()),
    "a lone surrogate in a label": (User("3001", "li.wei", labels=(("team", "\ud83d"),)), ()),
    "an expiry that is not a number": (LI, (Token("pt", "ci", ("read",), 1.0, "soon"),)),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("poison", POISONS)
@pytest.mark.parametrize("eager", [True, False])
def test_a_user_that_cannot_be_rendered_is_left_out_and_counted_and_the_others_stay(poison: str, eager: bool) -> None:  # noqa: FBT001
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


def test_what_clients_ask_for_makes_no_more_renderings_than_there_are_formats(monkeypatch: pytest.MonkeyPatch) -> None:
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
    assert scene.body("text/plain;version=1.0.0") is scene.body("")
