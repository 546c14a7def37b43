"""Histories of tokens, polls and scrapes, minute by minute, as the samples that Prometheus would have of them.

The samples come from the real exposition; only the platform, the clock and the scraper are played.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from prometheus_client.parser import text_string_to_metric_families as parse_text

from exporter.alerts.prometheus_rules import rules_text
from exporter.model.snapshot import Sweep, SweepResult
from exporter.model.state import Failure, Reason
from exporter.model.token import Token
from exporter.model.user import User
from exporter.state.ledger import Ledger
from exporter.state.store import Store
from support.builders import ManualClock
from support.scrapes import an_exposition, with_source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from exporter.config.schema import Config
    from exporter.metrics.exposition import Exposition

MINUTE = 60.0
LI = User("1001", "li.wei")
Series = dict[str, dict[int, float]]
"""For each series, its samples by minute."""


@dataclass
class Exporter:
    """A running exporter."""

    ledger: Ledger
    store: Store
    exposition: Exposition
    ready: bool = True


@dataclass
class History:
    """What happens in one organization.

    Attributes:
        config: the configuration in effect.
        base: epoch seconds of minute 0.
        users: the watched users.
        tokens: the tokens that the platform lists, by user id.
        broken: the users whose polls fail.
        unscraped: whether scrapes are missed at the moment.
    """

    config: Config
    base: float = 0.0
    users: dict[str, User] = field(default_factory=lambda: {LI.user_id: LI})
    tokens: dict[str, dict[str, Token]] = field(default_factory=dict)
    broken: dict[str, Reason] = field(default_factory=dict)
    unscraped: bool = False
    series: Series = field(default_factory=dict)
    minutes: int = 0

    def __post_init__(self) -> None:
        self.clock = ManualClock(self.base)
        self.exporters: dict[str, Exporter] = {}
        self._started = 0
        self._scraped: dict[str, set[str]] = {}

    def at(self, minute: float) -> float:
        """Epoch seconds of a minute."""
        return self.base + minute * MINUTE

    def token(
        self, token_id: str, expires: float, name: str = "ci", *, user: str = LI.user_id, created: float = -144_000
    ) -> None:
        """List a token that expires in a minute, instead of what it was before; created 100 days before by default."""
        token = Token(token_id, name, ("base_user_read",), self.at(created), self.at(expires))
        self.tokens.setdefault(user, {})[token_id] = token

    def delete(self, token_id: str, user: str = LI.user_id) -> None:
        """Do not list a token any more."""
        del self.tokens[user][token_id]

    def start(self, instance: str, like: str | None = None) -> None:
        """Start an exporter, with the stored state of another one or without any."""
        known = None if like is None else replace(self.exporters[like].ledger.view(), since=self.clock.now())
        ledger = Ledger("acme", self.users.values(), known, since=self.clock.now())
        store = Store()
        store.replace([ledger])
        exposition = an_exposition(store, self.config, self.clock)
        exposition._config = lambda: self.config
        self._started += 1
        with_source(exposition, f"process{self._started}")
        self.exporters[instance] = Exporter(ledger, store, exposition)

    def stop(self, instance: str) -> None:
        """Stop an exporter. Its state stays in its storage file."""
        self.exporters[instance].ready = False

    def play(self, minutes: int, events: Mapping[int, Callable[[], object]]) -> None:
        """Let this many minutes pass. In each of them, the event comes first, then a sweep, then a scrape."""
        for minute in range(minutes):
            self.clock.time = self.at(minute)
            self.clock.ticks = minute * MINUTE
            if (event := events.get(minute)) is not None:
                event()
            for instance, one in self.exporters.items():
                if one.ready:
                    self._sweep(one)
                    if not self.unscraped:
                        self._scrape(instance, one, minute)
                    continue
                self._lost(instance, set(), minute)
            if self.unscraped:
                for instance in self.exporters:
                    self._lost(instance, set(), minute)
        self.minutes = minutes

    def _sweep(self, one: Exporter) -> None:
        one.ledger.watch(self.users.values())
        for user_id in self.users:
            if (reason := self.broken.get(user_id)) is not None:
                one.ledger.failed(user_id, Failure(reason, "x"), self.clock.now())
            else:
                one.ledger.succeeded(user_id, tuple(self.tokens.get(user_id, {}).values()), self.clock.now())
        failed = len(self.broken) == len(self.users)
        one.ledger.swept(Sweep(SweepResult.FAILED if failed else SweepResult.SUCCESS, 1.0, self.clock.now()))

    def _scrape(self, instance: str, one: Exporter, minute: int) -> None:
        found = set()
        for family in parse_text(one.exposition.scrape("", "").content.decode()):
            if family.name.startswith("yunxiao_") and "config_last_reload" not in family.name:
                for sample in family.samples:
                    labels = {**sample.labels, "instance": instance, "job": "y"}
                    text = ",".join(f"{name}={yaml_string(value)}" for name, value in sorted(labels.items()) if value)
                    series = f"{sample.name}{{{text}}}"
                    self.series.setdefault(series, {})[minute] = sample.value
                    found.add(series)
        self._lost(instance, found, minute)

    def _lost(self, instance: str, found: set[str], minute: int) -> None:
        """A series that is not in a scrape becomes stale."""
        for series in self._scraped.get(instance, set()) - found:
            self.series[series][minute] = STALE
        self._scraped[instance] = found


STALE = float("nan")


def yaml_string(value: str) -> str:
    """A label value as PromQL writes it."""
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def promtool_values(samples: Mapping[int, float]) -> str:
    """Samples in promtool's notation."""
    values, minute = [], 0
    for at, value in sorted(samples.items()):
        values += ["_"] * (at - minute)
        values.append("stale" if value != value else "+Inf" if value == float("inf") else f"{value:.3f}")  # noqa: PLR0124
        minute = at + 1
    return " ".join(values)


Expected = dict[int, set[str]]
"""The alerts that fire by minute: name without `Yunxiao`, user, token and more, separated by blanks."""
SHOWN = ("alertname", "user", "token", "team", "organization", "policy")


def alerts_query(labels: Iterable[str] = SHOWN) -> str:
    """The alerts that fire, with some of their labels."""
    return f'count by ({", ".join(labels)}) (ALERTS{{alertstate="firing"}})'


def shown(labels: Mapping[str, str]) -> str:
    """An alert as in `Expected`."""
    words = [labels.get("alertname", "").removeprefix("Yunxiao")]
    return " ".join([*words, *[value for name in SHOWN[1:] if name != "organization" and (value := labels.get(name))]])


def promtool_case(name: str, history: History, expected: Expected) -> dict[str, object]:
    """A case for `promtool test rules`; alerts are expected at every minute that is listed."""

    def labels(text: str) -> str:
        alert, *rest = text.split(" ")
        names = {"alertname": f"Yunxiao{alert}", "organization": "acme"}
        for at, item in enumerate(rest):
            label, _, value = item.rpartition("=")
            names[label or SHOWN[1 + at]] = value
        return "{" + ",".join(f'{key}="{value}"' for key, value in names.items()) + "}"

    return {
        "name": name,
        "interval": "1m",
        "input_series": [
            {"series": series, "values": promtool_values(samples)} for series, samples in history.series.items()
        ],
        "promql_expr_test": [
            {
                "expr": alerts_query(),
                "eval_time": f"{minute}m",
                "exp_samples": [{"labels": labels(text), "value": 1} for text in sorted(alerts)],
            }
            for minute, alerts in sorted(expected.items())
        ],
    }


def write_rules(config: Config, names: Iterable[str], file: Path) -> None:
    """Write the rules of a configuration."""
    file.write_text(rules_text(config.alerting, config.poll, names, config.policies), encoding="utf-8")
