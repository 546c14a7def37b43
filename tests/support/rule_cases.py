"""Histories with the alerts that the rules must raise in them; promtool and vmalert evaluate the same cases.

A token expires at a minute of its history. With the default thresholds it is critical in its last 3 days (4,320
minutes) and a warning in its last 14 (20,160). Alerts are those of the user li.wei unless said otherwise.
"""

from __future__ import annotations

import datetime as dt
import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from exporter.config.alerting import Alerting, Silence
from exporter.config.schema import Poll
from exporter.model.state import Reason
from exporter.model.user import Owner, OwnThresholds, User
from exporter.policies.schema import Policies
from support.histories import LI, Expected, History
from support.scrapes import a_config

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from exporter.config.schema import Config

EXPIRED = "TokenExpired li.wei ci"
CRITICAL = "TokenExpiringCritical li.wei ci"
WARNING = "TokenExpiringWarning li.wei ci"
BY_TOKEN = "TokenPolicyViolation li.wei {} policy=never_expires"
DAY = 1440


@dataclass(frozen=True)
class Case:
    """A case.

    Attributes:
        name: the rule that it shows.
        play: makes the history happen.
        expected: the alerts at the minutes that are checked.
        config: the configuration at first.
        label_names: the labels of users' entries in it.
        replayed: whether `vmalert -replay` can show it: unlike vmalert itself, that restarts `for` if a text changes.
    """

    name: str
    play: Callable[[History], None]
    expected: Expected
    config: Config
    label_names: tuple[str, ...] = ()
    replayed: bool = True


CASES: list[Case] = []


def config(policies: Policies | None = None, poll: Poll | None = None, **alerting: object) -> Config:
    """A configuration with these settings of `alerting`."""
    return a_config(policies=policies).model_copy(
        update={"alerting": Alerting.model_validate(alerting), "poll": poll or Poll()}
    )


def during(*spans: tuple[Iterable[int], Iterable[str]]) -> Expected:
    """The alerts of each minute in each span."""
    return {minute: set(alerts) for minutes, alerts in spans for minute in minutes}


def case(
    name: str,
    *spans: tuple[Iterable[int], Iterable[str]],
    of: Config | None = None,
    label_names: tuple[str, ...] = (),
    replayed: bool = True,
) -> Callable[[Callable[[History], None]], None]:
    """Add a case; the function makes the history happen."""

    def add(play: Callable[[History], None]) -> None:
        CASES.append(Case(name, play, during(*spans), of or config(), label_names, replayed))

    return add


@case(
    "a token goes through warning, critical and expired, each alert ends in the minute in which the next one begins",
    # 20,190 - 20,160 = 30 is not less than the threshold, one minute later it is
    ([0, 29, 30], []),
    (range(31, 60), [WARNING]),
)
def _(h: History) -> None:
    h.token("pt-1", 20_190)
    h.start("a")
    h.play(60, {})


@case(
    "the critical alert takes over, then the token expires: one alert at any time, though its end comes with no scrape",
    (range(5), [CRITICAL]),
    (range(5, 40), [CRITICAL]),
    # scrapes are missed from minute 35 to 43; it expires in minute 40
    (range(40, 60), [EXPIRED]),
)
def _(h: History) -> None:
    h.token("pt-1", 40)
    h.start("a")
    h.play(60, {35: lambda: setattr(h, "unscraped", True), 44: lambda: setattr(h, "unscraped", False)})


@case(
    "a warning becomes critical while no scrape succeeds",
    # 4,350 - 4,320 = 30
    (range(31), [WARNING]),
    (range(31, 50), [CRITICAL]),
)
def _(h: History) -> None:
    h.token("pt-1", 4_350)
    h.start("a")
    h.play(50, {25: lambda: setattr(h, "unscraped", True), 34: lambda: setattr(h, "unscraped", False)})


@case(
    "tokens that live two days warn in their last third (960 minutes), are critical in their last tenth (288)",
    (range(1, 60), [f"{WARNING}"]),
    (range(673, 700), [CRITICAL]),
)
def _(h: History) -> None:
    # It expires in minute 960; created 1,920 minutes before that.
    h.token("pt-1", 960, created=-1_920)
    h.start("a")
    h.play(700, {})


@case(
    "a token that is deleted two minutes before its end never counts as expired, though scrapes are missed after that",
    (range(1, 8), [CRITICAL]),
    (range(8, 30), []),
)
def _(h: History) -> None:
    h.token("pt-1", 10)
    h.start("a")
    h.play(
        30,
        {
            8: lambda: h.delete("pt-1"),
            11: lambda: setattr(h, "unscraped", True),
            14: lambda: setattr(h, "unscraped", False),
        },
    )


@case(
    "a renamed token has one alert, not two, while scrapes are missed after that",
    (range(1, 8), ["TokenExpiringCritical li.wei old"]),
    (range(8, 30), ["TokenExpiringCritical li.wei new"]),
)
def _(h: History) -> None:
    h.token("pt-1", DAY, "old")
    h.start("a")
    h.play(
        30,
        {
            8: lambda: h.token("pt-1", DAY, "new"),
            11: lambda: setattr(h, "unscraped", True),
            14: lambda: setattr(h, "unscraped", False),
        },
    )


for _how, _instance in (("in place", "a"), ("by another pod", "b")):
    for _stored in (True, False):

        @case(
            f"a token that is shortened while the exporter is replaced {_how} stays expired while scrapes are missed"
            f"{'' if _stored else ', without storage'}",
            (range(1, 8), [CRITICAL]),
            (range(9, 30), [EXPIRED]),
        )
        def _(h: History, instance: str = _instance, stored: bool = _stored) -> None:  # noqa: FBT001
            h.token("pt-1", DAY)
            h.start("a")
            h.play(
                30,
                {
                    8: lambda: _replace(h, instance, stored, lambda: h.token("pt-1", 1)),
                    11: lambda: setattr(h, "unscraped", True),
                    14: lambda: setattr(h, "unscraped", False),
                },
            )

        @case(
            f"a token that is renewed while the exporter is replaced {_how} has no alert, nor while scrapes are missed"
            f"{'' if _stored else ', without storage'}",
            (range(1, 8), [CRITICAL]),
            (range(9, 30), []),
        )
        def _(h: History, instance: str = _instance, stored: bool = _stored) -> None:  # noqa: FBT001
            h.token("pt-1", DAY)
            h.start("a")
            h.play(
                30,
                {
                    8: lambda: _replace(h, instance, stored, lambda: h.token("pt-1", 400 * DAY)),
                    11: lambda: setattr(h, "unscraped", True),
                    14: lambda: setattr(h, "unscraped", False),
                },
            )

        @case(
            f"a token that is deleted while the exporter is replaced {_how} has no alert, nor while scrapes are missed"
            f"{'' if _stored else ', without storage'}",
            (range(1, 8), [CRITICAL]),
            (range(9, 30), []),
        )
        def _(h: History, instance: str = _instance, stored: bool = _stored) -> None:  # noqa: FBT001
            h.token("pt-1", DAY)
            h.start("a")
            h.play(
                30,
                {
                    8: lambda: _replace(h, instance, stored, lambda: h.delete("pt-1")),
                    11: lambda: setattr(h, "unscraped", True),
                    14: lambda: setattr(h, "unscraped", False),
                },
            )


def _replace(h: History, instance: str, stored: bool, change: Callable[[], None]) -> None:  # noqa: FBT001
    h.stop("a")
    change()
    h.start(instance, "a" if stored else None)


@case(
    "a restart that takes eight minutes resolves nothing, with storage or without",
    (range(1, 40), [CRITICAL]),
)
def _(h: History) -> None:
    h.token("pt-1", DAY)
    h.start("a")
    h.play(
        40,
        {
            5: lambda: h.stop("a"),
            13: lambda: h.start("b", "a"),
            20: lambda: h.stop("b"),
            28: lambda: h.start("c"),
        },
    )


@case("after ten minutes without an exporter, its alerts resolve", (range(1, 14), [CRITICAL]), (range(16, 18), []))
def _(h: History) -> None:
    h.token("pt-1", DAY)
    h.start("a")
    h.play(18, {5: lambda: h.stop("a")})


@case("two replicas raise one alert, and either of them is enough", (range(40), [CRITICAL]))
def _(h: History) -> None:
    h.token("pt-1", DAY)
    h.start("a")
    h.start("b")
    h.play(40, {10: lambda: h.stop("a"), 25: lambda: h.start("a", "b"), 26: lambda: h.stop("b")})


@case(
    "a renewed token's alert resolves at once, also with two replicas",
    (range(10), [CRITICAL]),
    (range(10, 20), []),
)
def _(h: History) -> None:
    h.token("pt-1", DAY)
    h.start("a")
    h.start("b")
    h.play(20, {10: lambda: h.token("pt-1", 400 * DAY)})


@case(
    "a renamed user has one alert, not two",
    (range(8), [CRITICAL]),
    (range(8, 20), ["TokenExpiringCritical li.na ci"]),
)
def _(h: History) -> None:
    h.token("pt-1", DAY)
    h.start("a")
    h.play(20, {8: lambda: h.users.update({LI.user_id: User(LI.user_id, "li.na")})})


@case("a removed user's alerts resolve at once, and stay so while scrapes are missed",
      (range(8), [CRITICAL, "TokenExpired wang.fang ci"]), (range(8, 19), [CRITICAL]))  # fmt: skip
def _(h: History) -> None:
    h.token("pt-1", DAY)
    h.users["1002"] = User("1002", "wang.fang")
    h.token("pt-2", -5, user="1002")
    h.start("a")
    h.play(20, {8: lambda: h.users.pop("1002"), 10: lambda: setattr(h, "unscraped", True)})


@case(
    "labels of the user's entry are labels of the alert; after a change the old ones do not come back",
    (range(8), [f"{CRITICAL} platform"]),
    (range(8, 19), [f"{CRITICAL} security"]),
    label_names=("team",),
)
def _(h: History) -> None:
    h.users[LI.user_id] = User(LI.user_id, LI.name, (("team", "platform"),))
    h.token("pt-1", DAY)
    h.start("a")
    changed = User(LI.user_id, LI.name, (("team", "security"),))
    h.play(20, {8: lambda: h.users.update({LI.user_id: changed}), 10: lambda: setattr(h, "unscraped", True)})


@case("an owner that becomes known, and changes, leaves the alert as it is", (range(19), [CRITICAL]))
def _(h: History) -> None:
    h.token("pt-1", DAY)
    h.start("a")
    owners = [User(LI.user_id, LI.name, owner=Owner(email=f"{name}@example.com")) for name in ("a", "b")]
    h.play(
        20,
        {
            5: lambda: h.users.update({LI.user_id: owners[0]}),
            9: lambda: h.users.update({LI.user_id: owners[1]}),
            10: lambda: setattr(h, "unscraped", True),
        },
    )


@case(
    "thresholds of a user's entry count, and a reload changes the general ones",
    (range(1, 10), ["TokenExpiringWarning wang.fang ci"]),
    (range(10, 20), ["TokenExpiringWarning wang.fang ci", "TokenExpiringCritical li.wei ci"]),
)
def _(h: History) -> None:
    h.users["1002"] = User("1002", "wang.fang", thresholds=OwnThresholds(warning=60 * 86_400.0))
    # 30 days before the end: for wang.fang that is a warning
    h.token("pt-1", 30 * DAY)
    h.token("pt-2", 30 * DAY, user="1002")
    h.start("a")
    longer = config(thresholds={"critical": "32d", "warning": "33d"})

    def reload() -> None:
        # Warnings of wang.fang begin after 60 days, critical ones would begin after 31 days at a tenth of 310 days.
        h.config = longer
        h.token("pt-1", 30 * DAY, created=-3_000 * DAY)

    h.play(20, {10: reload})


@case(
    "a silenced token has no alert until the end of the last day (1970-01-01: minute 1,440)",
    ([0, 5, 1_400, 1_439], [EXPIRED.replace("ci", "other")]),
    (range(1_440, 1_460), [EXPIRED, EXPIRED.replace("ci", "other")]),
    of=config(ignore=(Silence(name="ci", reason="x", until=dt.date(1970, 1, 1)),)),
)
def _(h: History) -> None:
    h.token("pt-1", -5)
    h.token("pt-2", -5, "other")
    h.start("a")
    h.play(1_460, {})


@case(
    "a silence that a reload adds ends the alert at once, and it stays so while scrapes are missed",
    (range(8), [EXPIRED]),
    (range(8, 20), []),
)
def _(h: History) -> None:
    h.token("pt-1", -5)
    h.start("a")
    silenced = config(ignore=(Silence(name="ci", reason="x", until=dt.date(2099, 1, 1)),))
    h.play(20, {8: lambda: setattr(h, "config", silenced), 10: lambda: setattr(h, "unscraped", True)})


@case(
    "a token that expired seven days ago is info; the optional third threshold is info as well",
    # 10,080 minutes after its end, so in minute 30
    (range(30), [EXPIRED, "TokenExpiringInfo li.wei plan"]),
    (range(30, 60), ["TokenNotRemoved li.wei ci", "TokenExpiringInfo li.wei plan"]),
    of=config(thresholds={"info": "60d"}, policy_violations="per_token"),
)
def _(h: History) -> None:
    h.token("pt-1", -10_050)
    h.token("pt-2", 30 * DAY, "plan")
    h.start("a")
    h.play(60, {})


def _delete_one_by_one(h: History) -> None:
    h.users["1002"] = User("1002", "wang.fang")
    h.token("pt-1", -10_050)
    h.token("pt-2", -12_000, "other")
    h.token("pt-3", -10_060, "hers", user="1002")
    h.start("a")
    h.play(
        72,
        {
            45: lambda: h.delete("pt-2"),
            50: lambda: h.delete("pt-1"),
            55: lambda: h.delete("pt-3", "1002"),
            57: lambda: setattr(h, "unscraped", True),
            62: lambda: setattr(h, "unscraped", False),
            65: lambda: setattr(h, "unscraped", True),
        },
    )


HERS = "TokenExpired wang.fang hers"


@case(
    "tokens that expired seven days ago are one alert for the organization, until the last of them has been deleted",
    (range(20), ["TokenNotRemoved", EXPIRED, HERS]),
    (range(20, 30), ["TokenNotRemoved", EXPIRED]),
    (range(30, 55), ["TokenNotRemoved"]),
    (range(55, 72), []),
)
def _(h: History) -> None:
    _delete_one_by_one(h)


@case(
    "tokens that expired seven days ago are one alert for each user, if so configured",
    (range(20), ["TokenNotRemoved li.wei", EXPIRED, HERS]),
    (range(20, 30), ["TokenNotRemoved li.wei", "TokenNotRemoved wang.fang", EXPIRED]),
    (range(30, 50), ["TokenNotRemoved li.wei", "TokenNotRemoved wang.fang"]),
    (range(50, 55), ["TokenNotRemoved wang.fang"]),
    (range(55, 72), []),
    of=config(policy_violations="per_user"),
)
def _(h: History) -> None:
    _delete_one_by_one(h)


@case(
    "the alert about tokens that are not removed lasts over a restart and missed scrapes, and ends with a silence",
    (range(25), ["TokenNotRemoved"]),
    (range(25, 40), []),
)
def _(h: History) -> None:
    h.token("pt-1", -10_090)
    h.start("a")
    silenced = config(ignore=(Silence(name="ci", reason="x", until=dt.date(2099, 1, 1)),))
    h.play(
        40,
        {
            5: lambda: setattr(h, "unscraped", True),
            9: lambda: setattr(h, "unscraped", False),
            12: lambda: h.stop("a"),
            15: lambda: h.start("b", "a"),
            25: lambda: setattr(h, "config", silenced),
            27: lambda: setattr(h, "unscraped", True),
        },
    )


@case(
    "what a policy says is not said again, and one alert a policy counts its violations",
    (range(2, 19), ["PolicyViolation policy=expired_not_removed"]),
    of=config(Policies.model_validate({"expired_not_removed": {"after": "1d"}}), expired_for="1d"),
)
def _(h: History) -> None:
    h.token("pt-1", -2 * DAY)
    h.token("pt-2", -3 * DAY, "other")
    h.start("a")
    h.play(20, {10: lambda: setattr(h, "unscraped", True)})


@case(
    "violations by user, and none once they have ended, though scrapes are missed",
    (range(10), ["UserPolicyViolation li.wei policy=never_expires"]),
    (range(10, 20), []),
    of=config(Policies.model_validate({"never_expires": "forbid"}), policy_violations="per_user"),
)
def _(h: History) -> None:
    h.token("pt-1", float("inf"))
    h.token("pt-2", float("inf"), "other")
    h.start("a")

    def delete() -> None:
        h.delete("pt-1")
        h.delete("pt-2")

    h.play(20, {10: delete, 12: lambda: setattr(h, "unscraped", True)})


@case(
    "violations by token",
    (range(10), [BY_TOKEN.format("ci"), BY_TOKEN.format("other")]),
    (range(10, 20), [BY_TOKEN.format("other")]),
    of=config(Policies.model_validate({"never_expires": "forbid"}), policy_violations="per_token"),
)
def _(h: History) -> None:
    h.token("pt-1", float("inf"))
    h.token("pt-2", float("inf"), "other")
    h.start("a")
    h.play(20, {10: lambda: h.delete("pt-1")})


FAILING = config(poll=Poll.model_validate({"interval": "5m", "stale_after": "20m", "timeout": "10s"}))
"""Failing after 10 minutes, stale after 20."""


@case(
    "polls of a user that fail for two intervals raise an alert, also over a restart; so does data that is old",
    (range(15), []),
    # the first failure is in minute 5, the last success in minute 4: more than 20 minutes are over in minute 25
    (range(15, 25), ["UserPollFailing li.wei"]),
    (range(25, 40), ["UserPollFailing li.wei", "UserDataStale li.wei"]),
    (range(40, 50), []),
    of=FAILING,
)
def _(h: History) -> None:
    h.users["1002"] = User("1002", "wang.fang")
    h.start("a")
    h.play(
        50,
        {
            5: lambda: h.broken.update({LI.user_id: Reason.TIMEOUT}),
            20: lambda: h.stop("a"),
            24: lambda: h.start("b", "a"),
            40: h.broken.clear,
        },
    )


@case(
    "an alert about failing polls goes on when their reason changes",
    (range(15), []),
    (range(15, 25), ["UserPollFailing li.wei"]),
    of=FAILING,
    replayed=False,
)
def _(h: History) -> None:
    h.users["1002"] = User("1002", "wang.fang")
    h.start("a")
    reasons = {minute: Reason.TIMEOUT if minute % 2 else Reason.CONNECTION for minute in range(5, 25)}
    h.play(25, {minute: functools.partial(h.broken.update, {LI.user_id: one}) for minute, one in reasons.items()})


@case(
    "if no user can be polled, that is one alert, and there is none about single users",
    (range(15), []),
    (range(15, 20), ["OrganizationUnreadable"]),
    (range(21, 39), ["OrganizationUnreadable", "SweepStalled"]),
    (range(40, 55), []),
    of=FAILING,
)
def _(h: History) -> None:
    h.users["1002"] = User("1002", "wang.fang")
    h.start("a")
    failing = dict.fromkeys(h.users, Reason.TIMEOUT)
    h.play(55, {5: lambda: h.broken.update(failing), 40: h.broken.clear})
