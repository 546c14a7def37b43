"""What is evaluated step by step is what an evaluation of everything finds, whatever happens in between."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from unittest import mock

from hypothesis import given, settings
from hypothesis import strategies as st
from support import alert_oracle
from support.alert_oracle import FullTracker
from support.builders import DAY, HOUR, MINUTE, NOW, a_failure, a_state, a_token, a_user

from exporter.alerts import conditions, user_alerts
from exporter.alerts.alert import Alert
from exporter.alerts.evaluator import Evaluator
from exporter.alerts.notification import Moment
from exporter.alerts.tracker import Tracker
from exporter.alerts.user_alerts import Difference, UserAlerts
from exporter.config.schema import Config, Poll
from exporter.model.event import Change
from exporter.model.snapshot import Discovery, Sweep, SweepResult
from exporter.model.ssh_key import SshKey
from exporter.model.token import NEVER, Token
from exporter.model.user import Owner, OwnThresholds, User
from exporter.policies.schema import Policies
from exporter.state.ledger import Ledger
from exporter.state.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

    from exporter.alerts.conditions import Conditions
    from exporter.alerts.instant import Instant
    from exporter.model.loss import Losses
    from exporter.model.state import UserState

RESEND = 60.0
ORGANIZATIONS = ("acme", "globex")
BROKEN = "broken"
TODAY, TOMORROW = dt.date(2026, 6, 1), dt.date(2026, 6, 2)
EXPIRES_IN = (-55 * DAY, -DAY, -59 * MINUTE, -5.5, 0.0, 0.25, 59.0, 61.0, 55 * MINUTE, 5 * HOUR, 3 * DAY + 1, 14 * DAY)
PASSED = (0.0, 0.1, 1.0, 15.0, 59.0, 60.0, 899.5, HOUR, 5 * HOUR, DAY, 3 * DAY, 20 * DAY)


def a_config(alerting: dict[str, Any], poll: dict[str, Any], **policies: Any) -> Config:
    organization = {"name": "acme", "endpoint": "http://x", "token_env": "T", "users": {"files": ("x",)}}
    config = Config.model_validate({"organizations": (organization,), "alerting": alerting})
    return config.model_copy(update={"policies": Policies.model_validate(policies), "poll": Poll.model_validate(poll)})


CONFIGS = (
    a_config({}, {}),
    a_config(
        {
            "never_expires": True,
            "permissions_widened": True,
            "policy_violations": "per_token",
            "thresholds": {"info": "30d"},
            "labels": {"team": "security"},
            "owner_labels": ("email",),
            "ignore": (
                {"token_id": "pt-1", "reason": "x", "until": TODAY},
                {"user": "1", "name": "ci", "reason": "x", "until": TOMORROW},
            ),
        },
        {"interval": "5m"},
        max_age={"limit": "2d", "exceptions": ({"token_id": "pt-2", "reason": "x", "until": TODAY},)},
        max_tokens_per_user={"limit": 1},
        expired_not_removed={"after": "1h"},
    ),
    a_config(
        {"thresholds": {"warning": "30d", "critical": "1h"}, "expired_for": "50d", "never_expires": True},
        {"interval": "12h", "stale_after": "24h"},
        max_lifetime={"limit": "10d", "severity": "info"},
        never_expires="forbid",
        name_pattern={"pattern": "ci"},
    ),
    a_config(
        {"ignore": ({"token_id": "pt-1", "reason": "x", "until": TOMORROW},)},
        {"interval": "5m"},
        max_age={"limit": "2d"},
        never_expires={"exceptions": ({"token_id": "pt-2", "reason": "x", "until": TODAY},)},
        max_tokens_per_user={"limit": 0, "severity": "critical"},
        expired_not_removed={"after": "1h"},
    ),
    a_config({"expired_for": "1h", "ignore": ({"token_id": "pt-1", "reason": "x", "until": TOMORROW},)}, {}),
    a_config(
        {"policy_violations": "per_user", "expired_for": "1h"},
        {},
        max_age={"limit": "2d"},
        max_tokens_per_user={"limit": 0},
    ),
)
USERS = st.builds(
    User,
    st.sampled_from("123"),
    st.sampled_from(["li.wei", "张三"]),
    st.sampled_from([(), (("team", "x"),)]),
    st.sampled_from([None, OwnThresholds(warning=60 * DAY)]),
    st.sampled_from([None, Owner("li.wei@example.com", "平台组")]),
)
MOMENTS = st.sampled_from(EXPIRES_IN)
TOKENS = st.builds(
    Token,
    st.sampled_from(["pt-1", "pt-2"]),
    st.sampled_from(["ci", "deploy", BROKEN]),
    st.sampled_from([(), ("base_user_read",), ("base_user_read_write", "base_license_read")]),
    st.sampled_from([-100 * DAY, -2 * DAY + 60, -DAY, 7.0]) | st.none(),
    MOMENTS | st.sampled_from([NEVER, None]),
)
KEYS = st.builds(SshKey, st.just("501"), st.just("laptop"), st.just(("ALL",)), st.none(), MOMENTS)
ORGANIZATION = st.sampled_from(ORGANIZATIONS)
USER_ID = st.sampled_from("123")
POLLS = st.tuples(
    st.just("poll"),
    ORGANIZATION,
    USER_ID,
    st.lists(TOKENS, min_size=1, max_size=3),
    st.sampled_from([False, False, True]).flatmap(lambda keys: st.lists(KEYS, max_size=1) if keys else st.none()),
)
PASSES = st.tuples(st.just("pass"), st.sampled_from(PASSED))
ACTIONS = st.one_of(
    PASSES,
    PASSES,
    PASSES,
    POLLS,
    POLLS,
    st.tuples(st.just("step"), st.sampled_from([-DAY, -HOUR, -30.0, -0.5, 0.5, 90.0, HOUR, 5 * DAY])),
    st.one_of(
        st.tuples(st.just("same"), ORGANIZATION, USER_ID),
        st.tuples(st.just("fail"), ORGANIZATION, USER_ID),
        st.tuples(st.just("fail_all"), ORGANIZATION),
        st.tuples(st.just("take"), ORGANIZATION, USER_ID, st.lists(TOKENS, max_size=2)),
    ),
    st.tuples(st.just("watch"), ORGANIZATION, st.lists(USERS, max_size=3, unique_by=lambda user: user.user_id)),
    st.one_of(
        st.tuples(st.just("organizations"), st.sets(ORGANIZATION)),
        st.tuples(st.just("about"), ORGANIZATION, st.booleans(), st.none() | MOMENTS),
        st.tuples(st.just("reload"), st.sampled_from(CONFIGS)),
        st.tuples(st.just("refuse"), st.booleans()),
        st.tuples(st.just("widen"), ORGANIZATION),
        st.tuples(st.just("lose_a_result")),
        st.tuples(st.just("pause")),
        st.tuples(st.just("restart")),
    ),
)


@dataclass
class World:
    """The daemon's parts, and beside them what goes through everything each time."""

    wall: float = NOW
    monotonic: float = 1000.0
    config: Config = CONFIGS[0]
    refused: float | None = None
    widened: dict[tuple[str, Change], float] = field(default_factory=dict)
    failures: int = 0

    def __post_init__(self) -> None:
        users = [User(user_id, "li.wei") for user_id in "123"]
        self.ledgers = {name: Ledger(name, users, since=NOW) for name in ORGANIZATIONS}
        self.store = Store()
        self.store.replace(self.ledgers.values())
        self.evaluator = Evaluator(self.store, lambda: self.refused, lambda: dict(self.widened), self._failed)
        self.tracker, self.full = Tracker(), FullTracker()

    def _failed(self, _: str) -> None:
        self.failures += 1

    def moved(self, tokens: list[Token] | list[SshKey]) -> tuple[Any, ...]:
        return tuple(
            replace(
                one,
                created_at=None if one.created_at is None else self.wall + one.created_at,
                expires_at=None if one.expires_at is None else self.wall + one.expires_at,
            )
            for one in tokens
        )

    def act(self, name: str, *arguments: Any) -> None:
        getattr(self, f"do_{name}")(*arguments)

    def do_pass(self, seconds: float) -> None:
        self.wall += seconds
        self.monotonic += seconds

    def do_step(self, seconds: float) -> None:
        self.wall += seconds

    def do_poll(self, organization: str, user_id: str, tokens: list[Token], keys: list[SshKey] | None) -> None:
        ssh_keys = None if keys is None else self.moved(keys)
        self.ledgers[organization].succeeded(user_id, self.moved(tokens), self.wall, ssh_keys)

    def do_same(self, organization: str, user_id: str) -> None:
        if (state := self.ledgers[organization].state(user_id)) is not None:
            self.ledgers[organization].succeeded(user_id, state.tokens, self.wall, state.ssh_keys)

    def do_fail(self, organization: str, user_id: str) -> None:
        self.ledgers[organization].failed(user_id, a_failure(), self.wall)

    def do_fail_all(self, organization: str) -> None:
        self.ledgers[organization].all_failed(a_failure(), self.wall)

    def do_take(self, organization: str, user_id: str, tokens: list[Token]) -> None:
        state = a_state(*self.moved(tokens), user=User(user_id, "from a replica"), at=self.wall)
        self.ledgers[organization].take(state, always=True)

    def do_watch(self, organization: str, users: list[User]) -> None:
        self.ledgers[organization].watch(users)

    def do_organizations(self, names: set[str]) -> None:
        self.store.replace(self.ledgers[one] for one in sorted(names))

    def do_about(self, organization: str, up: bool, own_expiry: float | None) -> None:  # noqa: FBT001 - drawn
        self.ledgers[organization].discovered(Discovery(up=up, last_success=self.wall, users=1))
        self.ledgers[organization].own_token(None if own_expiry is None else self.wall + own_expiry)
        self.ledgers[organization].swept(Sweep(SweepResult.SUCCESS, 1, self.wall))

    def do_reload(self, config: Config) -> None:
        self.config = config.model_copy()

    def do_refuse(self, refused: bool) -> None:  # noqa: FBT001 - drawn
        self.refused = self.wall if refused else None

    def do_widen(self, organization: str) -> None:
        self.widened[organization, Change.PERMISSIONS_WIDENED] = self.wall

    def do_lose_a_result(self) -> None:
        self.evaluator.evaluate(self.config, self.wall, self.tracker.applied)

    def do_pause(self) -> None:
        self.evaluator.forget()

    def do_restart(self) -> None:
        kept, at = self.tracker.kept, Moment(self.wall, self.monotonic)
        self.evaluator.forget()
        self.tracker, self.full = Tracker(), FullTracker()
        self.tracker.restore(kept, at, RESEND)
        self.full.restore(kept, at, RESEND)

    def compare(self) -> None:
        at = Moment(self.wall, self.monotonic)
        self.failures = 0
        self.tracker.update(self.evaluator.evaluate(self.config, self.wall, self.tracker.applied), at, RESEND)
        sent = self.tracker.due(at, RESEND)
        failed: list[int] = []
        everything = alert_oracle.evaluate(
            self.store.view(), self.config, self.refused, self.wall, self.widened, lambda: failed.append(1)
        )
        expected = self.full.due(everything.alerts, at, RESEND, everything.unknown)
        assert sorted(sent, key=repr) == sorted(expected, key=repr)
        # Encoded when first sent, and kept; what is expected has just been encoded.
        assert sorted(one.as_json(at) for one in sent) == sorted(one.as_json(at) for one in expected)
        assert sorted(self.tracker.kept, key=repr) == sorted(self.full.kept, key=repr)
        assert self.failures == len(failed)
        names = [dict(one.labels)["alertname"] for one in self.full.firing]
        assert {name: count for name, count in self.tracker.firing.items() if count} == {
            name: names.count(name) for name in names
        }


original = conditions._about_token


def broken_about_token(
    organization: str, state: UserState, token: Token, losses: Losses, conditions: Conditions, at: Instant
) -> Iterator[Alert]:
    """A defect of which the state is the cause."""
    if token.name == BROKEN:
        raise RuntimeError("a defect")
    yield from original(organization, state, token, losses, conditions, at)


@settings(max_examples=120, deadline=None)
@given(
    st.sampled_from(CONFIGS),
    st.lists(POLLS, min_size=6, max_size=6),
    st.lists(ACTIONS, min_size=12, max_size=50),
)
def test_the_same_notifications_as_from_an_evaluation_of_everything(
    config: Config, begin: list[tuple[Any, ...]], history: list[tuple[Any, ...]]
) -> None:
    world = World(config=config)
    with mock.patch.object(conditions, "_about_token", broken_about_token):
        for action in begin:
            world.act(*action)
        world.compare()
        for action in history:
            world.act(*action)
            world.compare()


def test_unchanged_alerts_are_the_same_objects_and_no_difference() -> None:
    one, other = (Alert((("alertname", name),), (("description", "x"),), NOW) for name in "ab")
    difference = Difference()
    after = difference.replace((one, other), [replace(one), replace(one), replace(other, annotations=())])
    assert (after[0] is one, len(after)) == (True, 2)
    assert (difference.raised, difference.ended) == ([replace(other, annotations=())], [])
    difference.replace(after, ())
    assert difference.ended == [one.labels, other.labels]


def test_polls_leave_no_more_entries_in_the_queue_than_there_are_users() -> None:
    ledger = Ledger("acme", [a_user(str(number)) for number in range(50)], since=NOW)
    users = UserAlerts("acme", conditions.Conditions.of(CONFIGS[0]), lambda: None)
    for number in range(100):
        at = NOW + 900 * number
        for user in ledger.users():
            # its words change with each poll
            tokens = (a_token(user.user_id, expires_in=900 * number + 90 * (number % 7), age=9 * DAY),)
            ledger.succeeded(user.user_id, tokens, at)
        users.advance(ledger.view().users, at, Difference())
    assert len(users._queue) <= 2 * 50 + 1000
    ledger.watch(())
    users.advance(ledger.view().users, NOW, Difference())
    assert list(users.alerts()) == []


def test_an_evaluation_of_many_users_gives_way_to_scrapes(monkeypatch: pytest.MonkeyPatch) -> None:
    """After every eight users: each time takes as long as evaluating a user."""
    ledger = Ledger("acme", [a_user(str(number)) for number in range(20)], since=NOW)
    users = UserAlerts("acme", conditions.Conditions.of(CONFIGS[0]), lambda: None)
    turns: list[int] = []
    monkeypatch.setattr(user_alerts, "give_way", lambda: turns.append(1))
    users.advance(ledger.view().users, NOW, Difference())
    assert len(turns) == 2
