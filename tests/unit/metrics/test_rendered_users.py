"""The text of all users follows the state through any history, and costs no more than what changed."""

from __future__ import annotations

import gzip
import tracemalloc
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from prometheus_client.exposition import choose_encoder
from support.builders import DAY, NOW, ManualClock, a_failure, a_key, a_token, a_user
from support.collector import StateCollector
from support.scrapes import OPENMETRICS, STRICT, Samples, a_config, read, with_source

from exporter.config.schema import Config, Metrics
from exporter.metrics import chunk, rendered_users
from exporter.metrics.exposition import Exposition
from exporter.metrics.families import ALL_FAMILIES
from exporter.metrics.rendered_users import CHUNK_USERS, RenderedUsers
from exporter.metrics.rendering import render_user
from exporter.metrics.telemetry import Telemetry
from exporter.model.token import NEVER, Token
from exporter.model.user import OwnThresholds, User
from exporter.policies.schema import Policies
from exporter.state.ledger import Ledger
from exporter.state.store import Store

if TYPE_CHECKING:
    from exporter.model.snapshot import OrganizationView

EXEMPTED = Policies.model_validate(
    {
        "never_expires": {
            "severity": "warning",
            "exceptions": ({"user": "u1", "reason": "until a robot has its own", "until": "2026-06-11"},),
        },
        "max_tokens_per_user": {"limit": 1},
    }
)
SWITCHES = [
    {},
    {"relative": False},
    {"per_token": False, "permission_lost": True},
    {"expiring_within": "30d"},
    {"relative": False, "expiring_within": "30d", "max_series": 1000},
]
IDS = [f"u{number}" for number in range(12)]

tokens = st.lists(
    st.builds(
        Token,
        st.sampled_from(["pt-a", "pt-b", "pt-%s"]),
        st.sampled_from(["ci", "100%", "张三\r"]),
        st.sampled_from([(), ("base_user_read_write",), ("base_user_read", "code_read")]),
        st.just(NOW - DAY),
        st.none() | st.just(NEVER) | st.integers(-40, 200).map(lambda days: NOW + days * DAY / 2),
    ),
    max_size=4,
).map(tuple)
keys = st.none() | st.just((a_key(),))
users = st.builds(
    User,
    st.sampled_from(IDS),
    st.sampled_from(["li.wei", "王芳"]),
    st.sampled_from([(), (("team", "a"),), (("zone", "%d"),)]),
    st.none() | st.just(OwnThresholds(5.0, None)),
)
lists = st.lists(users, max_size=len(IDS), unique_by=lambda user: user.user_id)


def about_state(text: str) -> Samples:
    own = ("python_", "process_", "yunxiao_exporter_family_left_out", "yunxiao_exporter_internal")
    return {key: value for key, value in read(text).items() if not key[0].startswith(own)}


def state_lines(text: str) -> list[str]:
    """The lines about state, sorted: chunks decide about the order of users."""
    return sorted(
        # A carriage return is part of a name, and ends no line of the format.
        line
        for line in text.split("\n")
        if line.startswith("yunxiao_") and not line.startswith("yunxiao_exporter_")
    )


def without_ended(lines: list[str]) -> list[str]:
    """The lines without those of the families for alert rules whose value is 0."""
    names = {family.name for family in ALL_FAMILIES if family.for_alerts}
    return [line for line in lines if line.partition("{")[0] not in names or not line.endswith(" 0.0")]


class Histories(RuleBasedStateMachine):
    """An exposition that lives through everything, against a new one and the independent collector."""

    @initialize(users=lists, size=st.sampled_from([1, 3, 128]))
    def start(self, users: list[User], size: int) -> None:
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(rendered_users, "CHUNK_USERS", size)
        self.patch.setattr(rendered_users, "_SPARSE", size / 4)
        self.patch.setattr(rendered_users, "_PENDING", 2)
        self.clock, self.store, self.config = ManualClock(), Store(), a_config()
        self.ledgers = {name: Ledger(name, users) for name in ("acme", "globex")}
        self.store.replace([self.ledgers["acme"]])
        self.exposition = self.an_exposition()
        self.oracle = Telemetry().registry
        self.oracle.register(StateCollector(self.store, lambda: self.config, self.clock))
        self.check()

    def teardown(self) -> None:
        if hasattr(self, "patch"):
            self.patch.undo()

    def an_exposition(self) -> Exposition:
        telemetry = Telemetry()
        exposition = Exposition(
            telemetry.registry, self.store, lambda: self.config, self.clock, telemetry.families_left_out, lambda: 0,
            telemetry.internal_error,
        )  # fmt: skip
        with_source(exposition)
        exposition.open()
        return exposition

    def changed(self, organization: str, user_id: str, *, listener: bool) -> None:
        state = self.ledgers[organization].state(user_id)
        if listener and state is not None:
            self.exposition.prepare(organization, state)

    @rule(name=st.sampled_from(["acme", "globex"]), user_id=st.sampled_from(IDS), tokens=tokens, keys=keys,
          listener=st.booleans())  # fmt: skip
    def succeed(self, name: str, user_id: str, tokens: tuple[Token, ...], keys: Any, *, listener: bool) -> None:
        self.ledgers[name].succeeded(user_id, tokens, self.clock.now(), keys)
        self.changed(name, user_id, listener=listener)

    @rule(name=st.sampled_from(["acme", "globex"]), listener=st.booleans())
    def succeed_as_before(self, name: str, *, listener: bool) -> None:
        for state in self.ledgers[name].view().users:
            self.ledgers[name].succeeded(state.user.user_id, state.tokens, self.clock.now(), state.ssh_keys)
            self.changed(name, state.user.user_id, listener=listener)

    @rule(name=st.sampled_from(["acme", "globex"]), user_id=st.sampled_from(IDS), listener=st.booleans())
    def fail(self, name: str, user_id: str, *, listener: bool) -> None:
        self.ledgers[name].failed(user_id, a_failure(), self.clock.now())
        self.changed(name, user_id, listener=listener)

    @rule(name=st.sampled_from(["acme", "globex"]))
    def fail_all(self, name: str) -> None:
        self.ledgers[name].all_failed(a_failure(), self.clock.now())

    @rule(name=st.sampled_from(["acme", "globex"]), users=lists, listener=st.booleans())
    def watch(self, name: str, users: list[User], *, listener: bool) -> None:
        before = {state.user.user_id for state in self.ledgers[name].view().users}
        self.ledgers[name].watch(users)
        if listener:
            self.exposition.forget(name, sorted(before - {user.user_id for user in users}))

    @rule(names=st.sampled_from([["acme"], ["globex"], ["globex", "acme"], []]), listener=st.booleans())
    def reload(self, names: list[str], *, listener: bool) -> None:
        self.store.replace([self.ledgers[name] for name in names])
        for name in {*self.ledgers} - {*names} if listener else ():
            self.exposition.forget(name)

    @rule(switches=st.sampled_from(SWITCHES), policies=st.sampled_from([Policies(), STRICT, EXEMPTED]))
    def configure(self, switches: dict[str, Any], policies: Policies) -> None:
        self.config = a_config(Metrics.model_validate(switches), policies)

    @rule(switches=st.sampled_from(SWITCHES), policies=st.sampled_from([Policies(), STRICT, EXEMPTED]))
    def prepare(self, switches: dict[str, Any], policies: Policies) -> None:
        self.exposition.prepare_for(a_config(Metrics.model_validate(switches), policies))

    @rule(days=st.floats(0, 40))
    def wait(self, days: float) -> None:
        self.clock.advance(days * DAY)

    @rule(days=st.floats(0, 40))
    def set_the_clock_back(self, days: float) -> None:
        self.clock.time -= days * DAY

    @rule(name=st.sampled_from(["acme", "globex"]))
    def forget_what_is_still_watched(self, name: str) -> None:
        self.exposition.forget(name, ["u1", "u2"])

    @precondition(lambda self: hasattr(self, "exposition"))
    @invariant()
    def check(self) -> None:
        # Another second, or the body of before would be shared.
        self.clock.time += 1
        plain = self.exposition.scrape(OPENMETRICS, "").content
        assert gzip.decompress(self.exposition.scrape(OPENMETRICS, "gzip").content) == plain
        text = plain.decode()
        # A new one knows no entries for alert rules that have ended: their value is 0.
        assert without_ended(state_lines(text)) == without_ended(
            state_lines(self.an_exposition().scrape(OPENMETRICS, "").content.decode())
        )
        encode, _ = choose_encoder(OPENMETRICS)
        assert about_state(text) == about_state(encode(self.oracle).decode())
        watched = {(one.name, state.user.user_id) for one in self.store.view().organizations for state in one.users}
        assert len(self.exposition._users) == len(watched)


Histories.TestCase.settings = settings(max_examples=15, stateful_step_count=10, deadline=None)
TestHistories = Histories.TestCase


class Scene:
    """The text of many users, with the users rendered and compressed since the last question."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, users: int, config: Config | None = None) -> None:
        self.clock = ManualClock()
        self.ledger = Ledger("acme", [a_user(f"u{number}", f"n{number}") for number in range(users)])
        for number in range(users):
            self.ledger.succeeded(f"u{number}", (a_token(f"pt-{number}"),), NOW)
        self.rendered: list[str] = []
        self.compressed: Counter[str] = Counter()
        self.texts = RenderedUsers(self.clock, lambda _: None)
        self.plan = self.texts.plan_for(config or a_config())
        self.chunks = self.current()
        column_of = chunk.Column.of

        def rendering(organization: str, state: Any, plan: Any, now: float) -> Any:
            self.rendered.append(state.user.user_id)
            return render_user(organization, state, plan, now)

        def compressing(texts: Any, family: Any, relative: Any) -> Any:
            self.compressed[family.name] += 1
            return column_of(texts, family, relative)

        monkeypatch.setattr(chunk, "render_user", rendering)
        monkeypatch.setattr(chunk.Column, "of", compressing)

    def current(self) -> list[chunk.Chunk]:
        view: OrganizationView = self.ledger.view()
        return self.texts.current([view], self.plan, self.clock.now())

    def poll(self, number: int, *tokens: Token) -> None:
        at = self.clock.now()
        self.ledger.succeeded(f"u{number}", tokens or (a_token(f"pt-{number}"),), at)
        state = self.ledger.state(f"u{number}")
        assert state is not None
        self.texts.update("acme", state)

    def scrape(self) -> tuple[list[str], dict[str, int]]:
        """The users that a scrape renders whole, and the chunks that it compresses, by family."""
        self.rendered.clear()
        self.compressed.clear()
        self.clock.advance(15)
        self.chunks = self.current()
        return sorted(self.rendered), dict(self.compressed)


def test_a_scrape_without_a_change_renders_and_compresses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(monkeypatch, 1000)
    before = scene.chunks
    assert scene.scrape() == ([], {})
    assert all(mine is theirs for mine, theirs in zip(scene.chunks, before, strict=True))


def test_a_scrape_after_a_reload_finds_everything_rendered_but_what_has_changed_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scene = Scene(monkeypatch, 300)
    after = a_config(Metrics.model_validate({"relative": False}), STRICT)
    scene.texts.prepare(after, [scene.ledger.view()], scene.clock.now())
    assert len(scene.rendered) == 300
    # What is in use has not changed.
    assert scene.scrape() == ([], {})
    scene.poll(7, a_token("pt-new"))
    scene.plan = scene.texts.plan_for(after)
    assert scene.scrape()[0] == ["u7"]
    assert scene.scrape() == ([], {})


def test_what_was_prepared_for_a_configuration_that_does_not_come_into_effect_is_not_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scene = Scene(monkeypatch, 3)
    scene.texts.prepare(a_config(policies=STRICT), [scene.ledger.view()], NOW)
    scene.rendered.clear()
    scene.plan = scene.texts.plan_for(a_config(policies=EXEMPTED))
    assert scene.scrape()[0] == ["u0", "u1", "u2"]
    # The same configuration again needs nothing.
    scene.rendered.clear()
    scene.texts.prepare(a_config(policies=EXEMPTED), [scene.ledger.view()], NOW)
    assert scene.rendered == []
    assert scene.scrape() == ([], {})


def test_a_poll_without_news_costs_one_column_of_one_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(monkeypatch, 1000)
    scene.poll(7)
    # It was at the same second as the first: nothing but the object is different.
    assert scene.scrape() == ([], {})
    scene.poll(7)
    assert scene.scrape() == ([], {"yunxiao_user_last_success_timestamp_seconds": 1})


def test_a_changed_token_costs_its_user_and_one_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(monkeypatch, 1000)
    scene.poll(7, a_token("pt-new"))
    rendered, compressed = scene.scrape()
    assert rendered == ["u7"]
    # the id of the token is in these two only; permissions, counts and the time of the poll are the same
    assert compressed == {
        "yunxiao_token_expiry_timestamp_seconds": 1,
        "yunxiao_token_created_timestamp_seconds": 1,
    }


ENTRIES = ("yunxiao_token_alert_expiry_timestamp_seconds", "yunxiao_token_alert_due_timestamp_seconds")


def test_an_expired_token_costs_its_user_and_one_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(monkeypatch, 1000)
    scene.poll(7, a_token("pt-7", expires_in=100.0))
    assert scene.scrape()[0] == ["u7"]
    scene.clock.time = NOW + 84.9
    assert scene.scrape() == ([], {})  # at 99.9 s
    scene.clock.time = NOW + 85
    # at 100 s: active to expired, and no token left that grants the permission
    changed = ("yunxiao_user_tokens", "yunxiao_user_permission_tokens", *ENTRIES)
    assert scene.scrape() == (["u7"], dict.fromkeys(changed, 1))


def test_users_that_come_and_go_cost_their_own_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(monkeypatch, 1000)
    users = list(scene.ledger.users())
    # In the middle of the list: those after them move by one.
    scene.ledger.watch([*users[:500], a_user("new"), *users[501:]])
    rendered, compressed = scene.scrape()
    assert rendered == ["new"]
    assert max(compressed.values()) <= 2
    scene.ledger.watch(reversed(scene.ledger.users()))
    assert scene.scrape()[0] == []


def test_more_and_fewer_chunks_need_no_user_rendered_again(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(monkeypatch, CHUNK_USERS)
    assert len(scene.chunks) == 1
    users = list(scene.ledger.users())
    scene.ledger.watch([*users, *[a_user(f"new{number}") for number in range(CHUNK_USERS)]])
    rendered, _ = scene.scrape()
    assert all(user_id.startswith("new") for user_id in rendered)
    assert len(scene.chunks) == 2
    scene.ledger.watch(users[:70])
    assert scene.scrape()[0] == []
    # Fewer chunks only if there are much fewer users, or a user more and less would move everything each time.
    assert len(scene.chunks) == 2
    scene.ledger.watch(users[:60])
    assert len(scene.scrape()[0]) < 60
    assert len(scene.chunks) == 1


def test_many_changes_are_rendered_before_the_scrape(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(monkeypatch, 100)
    for number in range(32):
        scene.poll(number, a_token(f"new-{number}"))
    assert len(scene.rendered) == 32
    assert scene.scrape()[0] == []


def test_polls_without_news_are_left_to_the_scrape(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(monkeypatch, 100)
    scene.clock.advance(60)
    for number in range(100):
        scene.poll(number)
    assert (scene.rendered, dict(scene.compressed)) == ([], {})
    assert scene.scrape() == ([], {"yunxiao_user_last_success_timestamp_seconds": 1})


def test_whatever_a_scrape_and_polls_overwrite_is_found_by_the_next_scrape(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(monkeypatch, 100)
    polled: list[int] = []

    def polling(organization: str, state: Any, plan: Any, now: float) -> Any:
        if not polled:
            # While the scrape renders a user, so many polls end that they render the same chunk.
            polled.extend(range(40, 72))
            for number in polled:
                scene.poll(number, a_token(f"new-{number}"))
        return render_user(organization, state, plan, now)

    monkeypatch.setattr(chunk, "render_user", polling)
    scene.ledger.succeeded("u1", (a_token("new-1"),), scene.clock.now())
    scene.scrape()
    assert [*scene.chunks[0].states] != [*scene.ledger.view().users]
    scene.scrape()
    fresh = RenderedUsers(scene.clock, lambda _: None).current([scene.ledger.view()], scene.plan, scene.clock.now())
    for mine, theirs in zip(scene.chunks[0].columns, fresh[0].columns, strict=True):
        assert mine.segment.text == theirs.segment.text
    names = [family.name for family in scene.plan.columns]
    expiries = scene.chunks[0].columns[names.index("yunxiao_token_expiry_timestamp_seconds")]
    assert sum(b'"new-' in text for text in expiries.texts()) == 33


def test_text_is_kept_compressed_and_relative_series_only_once() -> None:
    ledger = Ledger("acme", [a_user(f"u{number:05}", f"n{number}") for number in range(1000)])
    for number in range(1000):
        names = [f"pt-{number}-{token}" for token in range(3)]
        ledger.succeeded(f"u{number:05}", tuple(a_token(name, name=f"name of {name}") for name in names), NOW)
    view, texts = ledger.view(), RenderedUsers(ManualClock(), lambda _: None)
    plan = texts.plan_for(a_config())
    texts.current([view], plan, NOW)
    texts.forget("acme")
    tracemalloc.start()
    try:
        chunks = texts.current([view], plan, NOW)
        kept, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    text = sum(column.segment.size for one in chunks for column in one.columns)
    # 1000 users with 3 tokens and a permission: 4 + 1 + 1 + 3 + 3 + 1 + 1 series of 100 bytes and more
    assert text > 1000 * 14 * 100
    assert kept < text / 3
    # Only one of the eight chunks is there as plain text at a time: by user, by family, and as a template.
    assert peak - kept < text * 5 / 8


def test_removed_users_are_dropped_without_a_scrape() -> None:
    ledger = Ledger("acme", [a_user(f"u{number}") for number in range(300)])
    texts = RenderedUsers(ManualClock(), lambda _: None)
    plan = texts.plan_for(a_config())
    texts.current([ledger.view()], plan, NOW)
    texts.forget("acme", [f"u{number}" for number in range(290)])
    assert len(texts) == 10
    texts.forget("acme")
    assert len(texts) == 0
    texts.forget("acme", ["u1"])
