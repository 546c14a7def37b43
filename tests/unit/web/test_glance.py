"""The state at a glance."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from support.builders import DAY, HOUR, NOW, a_failure, a_token
from support.pages import AppWorld

from exporter.model.snapshot import Sweep, SweepResult
from exporter.model.stages import Stage
from exporter.model.token import NEVER, TokenState
from exporter.model.user import User
from exporter.web.glance import State, organization_record, state_at

SHANGHAI = ZoneInfo("Asia/Shanghai")


def a_state(world: AppWorld) -> State:
    world.index.prepare(NOW)
    return state_at(world.index, world.config, SHANGHAI, NOW)


def test_expiries_are_counted_by_days_and_months_of_the_time_zone() -> None:
    world = AppWorld()
    # NOW is 08:00 on the first of June there. Midnight belongs to the day that begins with it.
    expiries = [-1.0, 15 * HOUR, 16 * HOUR, 29 * DAY + 15 * HOUR, 29 * DAY + 16 * HOUR, 40 * DAY]
    tokens = tuple(a_token(f"pt-{n}", expires_in=one) for n, one in enumerate(expiries))
    world.watch("acme", User("1", "li")).succeeded("1", tokens, NOW)
    state = a_state(world)
    assert [(f"{one.first:%m-%d}", one.count) for one in state.days if one.count] == [
        ("06-01", 1), ("06-02", 1), ("06-30", 1),
    ]  # fmt: skip
    assert len(state.days) == 30
    assert [(f"{one.first:%m-%d}", f"{one.last:%m-%d}", one.count) for one in state.months[:2]] == [
        ("06-01", "06-30", 3), ("07-01", "07-31", 2),
    ]  # fmt: skip
    assert (len(state.months), f"{state.months[-1].last:%Y-%m-%d}") == (12, "2027-05-31")


def test_numbers_of_all_organizations() -> None:
    world = AppWorld("acme", "globex")
    world.watch("acme", User("1", "li"), User("2", "wang")).succeeded("1", (a_token(expires_in=NEVER),), NOW - 5)
    world.ledgers["acme"].failed("2", a_failure(), NOW)
    world.watch("globex", User("3", "zhao")).failed("3", a_failure(), NOW - HOUR)
    state = a_state(world)
    assert (state.users, state.failing, state.violations, state.violations_of("never_expires")) == (3, 2, 1, 1)
    assert (state.tokens(TokenState.NEVER_EXPIRES), state.expiring(7), state.cut, state.ready) == (1, 0, 0, True)
    assert [one.view.name for one in state.unreadable_first] == ["globex", "acme"]
    globex, acme = state.unreadable_first
    assert globex.outage is not None
    assert (globex.outage.reason.value, acme.outage) == ("server_error", None)
    assert (acme.counts.oldest, globex.counts.oldest) == (NOW - 5, None)


def test_the_next_sweep_starts_an_interval_after_the_last_one_has_started() -> None:
    world = AppWorld(poll={"interval": "15m"})
    world.watch("acme").swept(Sweep(SweepResult.SUCCESS, 60, NOW))
    assert a_state(world).organizations[0].next_sweep == NOW - 60 + 900


def test_the_stage_of_the_exporters_own_token() -> None:
    for left, stage in (
        (NEVER, None),
        (15 * DAY, None),
        (13 * DAY, Stage.WARNING),
        (DAY, Stage.CRITICAL),
        (-DAY, Stage.EXPIRED),
    ):
        world = AppWorld()
        world.watch("acme").own_token(NOW + left)
        assert a_state(world).organizations[0].own_stage is stage


def test_an_organization_that_has_not_been_swept() -> None:
    (one,) = a_state(AppWorld()).organizations
    record = organization_record(one)
    assert (record["ready"], record["last_sweep"], record["next_sweep"], record["unreadable"]) == (
        False,
        None,
        None,
        False,
    )


def test_no_organizations() -> None:
    world = AppWorld()
    world.store.replace(())
    state = a_state(world)
    assert (state.users, [one.count for one in state.days]) == (0, [0] * 30)
