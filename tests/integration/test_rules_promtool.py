"""promtool accepts the rules of generated configurations and renders configured texts unchanged."""

from __future__ import annotations

import datetime as dt
import itertools
import subprocess
from typing import TYPE_CHECKING, Any

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from support.histories import yaml_string
from support.scrapes import a_config

from exporter.alerts.conditions import Conditions
from exporter.alerts.instant import Instant
from exporter.alerts.prometheus_rules import rules_text
from exporter.config.alerting import Alerting
from exporter.config.schema import Poll
from exporter.metrics.families.alerts import ALERT_FAMILIES
from exporter.metrics.families.base import AlertScope, Scope
from exporter.model.state import UserState
from exporter.model.token import Token
from exporter.model.user import Owner, User
from exporter.policies.schema import Policies

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SPECIAL = (
    "{}{}{{}}\"'`\\$%|#:-&*!?[]()<>=~, \n\r\t\x00\x07\x1b\x7f\x85\xa0\u2028\u202e\u3000\ufeff\ufffd\U0001f511é张a.1_"
)
texts = st.text(st.sampled_from(SPECIAL) | st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(
    ["foo{", "{{", "}}", "{{ $labels.team }}", "{{/*", "{{-", "a{", "{a", "{{`", '{{"', "\\", '\\"', "#", "|", "true"]
)
names = st.sampled_from(
    ["team", "site", "by", "on", "offset", "group_left", "bool", "and", "sum", "start", "end", "if", "_x", "A9", "le"]
)
patterns = st.lists(
    st.sampled_from(
        [
            *"abc.-{}[]()|*+?^$\"'\\ 张\n\ufffd{{",
            ".*",
            r"\d",
            r"\.",
            "[^a]",
            "(?i)",
            r"\pL",
            "{2}",
            r"\Q",
            r"\E",
            r"\C",
            "(?<n>",
            ")",
        ]
    ),
    min_size=1,
    max_size=6,
).map("".join)
spans = st.sampled_from(["1ms", "1s", "90m", "14d", "1y", "100y"]) | st.integers(1, 10**9).map(lambda ms: f"{ms}ms")
ignores = st.fixed_dictionaries(
    {"reason": texts, "until": st.dates(dt.date(1970, 1, 1), dt.date.max)},
    optional={"user": texts, "token_id": texts, "name": patterns},
)


EVALUATED = 90.0


def every(strategy: Any, count: int, make: Callable[[int, Any], object]) -> int:
    """Call a function with many generated values, for one run of promtool afterwards; returns their number."""
    numbers = itertools.count()

    @settings(max_examples=count, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(strategy)
    def one(value: Any) -> None:
        make(next(numbers), value)

    one()
    return next(numbers)


def valid(model: Any, section: dict[str, Any]) -> Any:
    """The section, or None if it is invalid."""
    try:
        return model.model_validate(section)
    except ValidationError:
        return None


def some_valid(model: Any, sections: Any) -> Any:
    return sections.map(lambda section: valid(model, section)).filter(lambda found: found is not None)


def alertings() -> Any:
    known = [st.just("https://wiki.example.com/")]
    hosts = st.one_of(*known, texts.map(lambda text: f"https://wiki/{text}"))
    fields = {
        "never_expires": st.booleans(),
        "permissions_widened": st.booleans(),
        "labels": st.dictionaries(names, texts, max_size=3),
        "runbook_base_url": hosts,
    }
    thresholds = st.fixed_dictionaries({}, optional={"warning": spans, "critical": spans})
    one = Alerting.__pydantic_fields__["ignore"].annotation
    assert one is not None
    ignore = st.lists(some_valid(one.__args__[0], ignores), max_size=3).map(tuple)
    return some_valid(Alerting, st.fixed_dictionaries(fields, optional={"thresholds": thresholds, "ignore": ignore}))


configurations = st.tuples(
    alertings(),
    some_valid(Poll, st.fixed_dictionaries({}, optional={"interval": spans, "stale_after": spans, "timeout": spans})),
    st.lists(names, max_size=3),
    st.sampled_from([None, Policies(), Policies.model_validate({"never_expires": {}})]),
    st.lists(st.sampled_from([60.0, 3600.0, 100 * 365 * 86400.0]), max_size=2),
)


def promtool_says(promtool: str, *arguments: str) -> str:
    result = subprocess.run([promtool, *arguments], capture_output=True, encoding="utf-8", check=False, timeout=60)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def test_promtool_accepts_the_rules_of_any_configuration(promtool: str, tmp_path: Path) -> None:
    def write(number: int, configuration: Any) -> None:
        (tmp_path / f"{number}.yaml").write_text(rules_text(*configuration), encoding="utf-8")

    count = every(configurations, 60, write)
    assert count >= 50
    files = [str(tmp_path / f"{number}.yaml") for number in range(count)]
    assert promtool_says(promtool, "check", "rules", *files).count("SUCCESS") == count


def a_rule_test(folder: Path, number: int, alerting: Alerting, own: str | None) -> Path:
    """A promtool test with one token that expired a minute ago, of a user with or without their own label.

    The rules must say what the exporter says itself.
    """
    (folder / f"{number}.rules.yaml").write_text(rules_text(alerting, Poll(), ["team"]), encoding="utf-8")
    user = User("1", "li.wei", () if own is None else (("team", own),), owner=Owner("li.wei@example.com", "R&D"))
    state = UserState(user).succeeded((Token("pt-1", "ci", ("base_user_read",), -999_999.0, 30.0),), 0.0)
    config = a_config().model_copy(update={"alerting": alerting})
    scope = Scope(EVALUATED, alerts=AlertScope.of(config, "s1"))
    conditions = Conditions.of(config)
    conditions.maker.begin(EVALUATED)
    (alert,) = conditions.about_tokens("acme", state, Instant(EVALUATED))
    family = ALERT_FAMILIES[0]
    ((values, expires_at),) = family.samples("acme", state, scope)
    entry = dict(zip(family.labels, values, strict=True)) | dict(user.labels)
    text = ",".join(f"{name}={yaml_string(value)}" for name, value in entry.items())
    labels = dict(alert.labels)
    del labels["alertname"]
    annotations = {name: dict(alert.annotations)[name] for name in ("summary", "description", "runbook_url")}
    case = {
        "interval": "1m",
        "input_series": [
            {"series": f"{family.name}{{{text}}}", "values": f"{expires_at:.0f}x5"},
            {"series": 'yunxiao_alert_source_rank{organization="acme",alert_source="s1"}', "values": "1x5"},
        ],
        "alert_rule_test": [
            {
                "eval_time": f"{EVALUATED:.0f}s",
                "alertname": "YunxiaoTokenExpired",
                "exp_alerts": [{"exp_labels": labels, "exp_annotations": annotations}],
            }
        ],
    }
    file = folder / f"{number}.test.yaml"
    document = {"rule_files": [f"{number}.rules.yaml"], "evaluation_interval": "30s", "tests": [case]}
    file.write_text(yaml.safe_dump(document), encoding="utf-8")
    return file


def test_labels_and_annotations_come_out_as_they_were_configured(promtool: str, tmp_path: Path) -> None:
    def write(number: int, one: tuple[Alerting, str | None]) -> None:
        a_rule_test(tmp_path, number, one[0].model_copy(update={"ignore": ()}), one[1])

    count = every(st.tuples(alertings(), st.none() | st.sampled_from(["mine", "mi{{ne"])), 25, write)
    assert count >= 20
    files = [str(tmp_path / f"{number}.test.yaml") for number in range(count)]
    assert promtool_says(promtool, "test", "rules", *files).count("SUCCESS") == count
