"""Scrapes in the process: an exposition over a store, and its body as samples."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from exporter.config.schema import Config, Metrics
from exporter.metrics.exposition import Exposition
from exporter.metrics.telemetry import Telemetry
from exporter.model.user import User
from exporter.policies.schema import Policies
from exporter.state.ledger import Ledger
from exporter.state.store import Store
from support.builders import NOW, ManualClock, a_token

if TYPE_CHECKING:
    from collections.abc import Iterable

    from exporter.metrics.body import Body
    from exporter.model.token import Token


OPENMETRICS = "application/openmetrics-text;version=1.0.0"
LI = User("3001", "li.wei")
WHO = {"organization": "acme", "user_id": "3001", "user": "li.wei"}
SOURCE = "5eed5eed"
"""The identity of the process in entries for alert rules."""
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def scrape(
    ledgers: Iterable[Ledger], *, now: float = NOW, switches: Metrics | None = None, accept: str = OPENMETRICS
) -> Samples:
    """The samples of a scrape, read by the strict parser; fails if a label set is duplicated."""
    store = Store()
    store.replace(ledgers)
    body = an_exposition(store, a_config(switches), ManualClock(now)).scrape(accept, "").content.decode()
    return read(body, accept)


def an_exposition(store: Store, config: Config, clock: ManualClock, published: list[Any] | None = None) -> Exposition:
    """An open exposition; appends which families are left out to ``published``, if given."""
    telemetry = Telemetry()
    left_out = telemetry.families_left_out if published is None else lambda found: published.extend(found.items())
    exposition = Exposition(
        telemetry.registry, store, lambda: config, clock, left_out, lambda: telemetry.reloads, telemetry.internal_error
    )
    with_source(exposition)
    exposition.open()
    return exposition


def with_source(exposition: Exposition, source: str = SOURCE) -> None:
    """Give it an identity that tests know."""
    exposition._users.source = source


def read(body: str, accept: str = OPENMETRICS) -> Samples:
    """The samples of a body; fails if a label set is duplicated."""
    families = parse_openmetrics(body) if accept else parse_text(body)  # type: ignore[no-untyped-call]
    samples: Samples = {}
    for family in families:
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in samples, key
            samples[key] = sample.value
    return samples


def a_config(switches: Metrics | None = None, policies: Policies | None = None) -> Config:
    """A configuration with one organization."""
    organization = {"name": "acme", "endpoint": "http://x", "token_env": "T", "users": {"files": ("x",)}}
    config = Config.model_validate({"organizations": (organization,)})
    return config.model_copy(update={"metrics": switches or Metrics(), "policies": policies or Policies()})


def of(samples: Samples, name: str) -> dict[frozenset[tuple[str, str]], float]:
    """The values of one family by labels."""
    return {labels: value for (family, labels), value in samples.items() if family == name}


def labels(**more: str) -> frozenset[tuple[str, str]]:
    """The labels of `LI`, and more."""
    return frozenset({**WHO, **more}.items())


def a_ledger(*tokens: Token, user: User = LI) -> Ledger:
    """A ledger with one polled user."""
    ledger = Ledger("acme", [user])
    ledger.succeeded(user.user_id, tokens, NOW)
    return ledger


STRICT = Policies.model_validate(
    {
        "max_lifetime": {"limit": "90d"},
        "never_expires": "forbid",
        "max_tokens_per_user": {"limit": 1},
        "max_age": {"limit": "60d", "severity": "critical"},
        "expired_not_removed": {"after": "30d"},
    }
)


@dataclass
class Scene:
    """An exposition with everything it reads; the clock stands still."""

    store: Store = field(default_factory=Store)
    telemetry: Telemetry = field(default_factory=Telemetry)
    config: Config = field(default_factory=a_config)
    ledger: Ledger = field(default_factory=lambda: Ledger("acme", [LI, User("3002", "wang.fang")]))

    def __post_init__(self) -> None:
        self.ledger.succeeded("3001", (a_token("pt-old"),), NOW)
        self.store.replace([self.ledger])
        self.telemetry.reloaded(NOW)
        self.exposition = Exposition(
            self.telemetry.registry,
            self.store,
            lambda: self.config,
            ManualClock(),
            self.telemetry.families_left_out,
            lambda: self.telemetry.reloads,
            self.telemetry.internal_error,
        )
        with_source(self.exposition)
        self.exposition.open()

    def scrape(self, accept: str = "", encoding: str = "") -> Body:
        return self.exposition.scrape(accept, encoding)

    def body(self, accept: str = "", encoding: str = "") -> bytes:
        return self.scrape(accept, encoding).content

    def configure(self, **switches: Any) -> None:
        self.config = a_config(Metrics.model_validate(switches))
