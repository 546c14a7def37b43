"""A fleet of simulated users in a store, as after a sweep."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from exporter.common.clock import SystemClock
from exporter.config.schema import Config
from exporter.metrics.exposition import Exposition
from exporter.model.snapshot import Sweep, SweepResult
from exporter.model.token import NEVER, Token
from exporter.model.user import User
from exporter.platform.yunxiao.simulator.enterprise import Enterprise
from exporter.policies.schema import Policies
from exporter.state.ledger import Ledger
from exporter.state.store import Store

if TYPE_CHECKING:
    from exporter.metrics.telemetry import Telemetry
    from exporter.platform.yunxiao.simulator.enterprise import TokenRecord

CONFIG = Config.model_validate(
    {
        "organizations": ({"name": "acme", "endpoint": "http://x", "token_env": "T", "users": {"files": ("x",)}},),
        "metrics": {"max_series": 100_000_000},
    }
)
_POLICIES = Policies.model_validate(
    {
        "never_expires": "forbid",
        "max_age": {"limit": "365d"},
        "max_lifetime": {"limit": "400d"},
        "max_tokens_per_user": {"limit": 5},
    }
)
WITH_POLICIES = CONFIG.model_copy(update={"policies": _POLICIES})
WITHOUT_RELATIVE = CONFIG.model_copy(update={"metrics": CONFIG.metrics.model_copy(update={"relative": False})})
_LEAN = CONFIG.metrics.model_copy(update={"relative": False, "expiring_within": 90 * 86400.0})
LEAN = CONFIG.model_copy(update={"metrics": _LEAN})


def a_ledger(users: int) -> Ledger:
    """An organization with this many users, three tokens on average, all polled just now."""
    now = time.time()
    enterprise = Enterprise(users, base=now)
    ledger = Ledger("acme", [User(one.user_id, one.name) for one in enterprise.users()], since=now)
    for user in ledger.users():
        ledger.succeeded(user.user_id, tuple(_token(one) for one in enterprise.tokens(user.user_id)), now)
    ledger.swept(Sweep(SweepResult.SUCCESS, 1, now))
    return ledger


def a_store(users: int) -> Store:
    """A store with one such organization."""
    store = Store()
    store.replace([a_ledger(users)])
    return store


def an_exposition(store: Store, telemetry: Telemetry, config: Config = CONFIG) -> Exposition:
    """The exposition, as in the daemon."""
    exposition = Exposition(
        telemetry.registry,
        store,
        lambda: config,
        SystemClock(),
        telemetry.families_left_out,
        lambda: telemetry.reloads,
        telemetry.internal_error,
    )
    exposition.open()
    return exposition


def _token(record: TokenRecord) -> Token:
    expires_at = NEVER if record.expires_at is None else record.expires_at
    return Token(record.token_id, record.name, tuple(sorted(record.permissions)), record.created_at, expires_at)
